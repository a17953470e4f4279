//! Arrows between crates: only those of the table in `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::tree;

/// Crate -> the crates of this workspace that it may name.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// What a replica's dependency tree may not hold: the operator's side would bring a Kubernetes client into every cell.
const NOT_IN_A_CELL: [&str; 6] = ["crds", "operator-plan", "operator-controller", "chatctl", "kube", "k8s-openapi"];

#[test]
fn every_arrow_between_crates_is_in_the_architecture() {
    let listed = table(&tree::read("docs/architecture.md"));
    let violations = unlisted(&listed, &arrows(&metadata()));
    tree::assert_none("docs/architecture.md, \"Arrows\", says otherwise", &violations);
}

#[test]
fn a_cell_does_not_depend_on_the_operator() {
    let violations = forbidden_below("cell-server", &NOT_IN_A_CELL, &locked(&tree::read("Cargo.lock")));
    tree::assert_none("a cell runs without the operator and without Kubernetes", &violations);
}

#[test]
fn an_arrow_that_is_not_listed_is_caught() {
    let listed = table(
        "## Arrows\n\n| crate | may name |\n|---|---|\n| `a` | `b` |\n| `b` | nothing |\n\n## Next\n| `b` | `a` |\n",
    );
    let actual = Arrows::from([("a".into(), BTreeSet::from(["b".into()])), ("b".into(), BTreeSet::from(["a".into()]))]);

    assert_eq!(unlisted(&listed, &actual), ["`b` names `a`"]);
}

#[test]
fn a_crate_that_the_architecture_forgot_is_caught() {
    let listed = table("## Arrows\n| `a` | nothing |\n");

    let actual = Arrows::from([("new".into(), BTreeSet::new())]);
    assert_eq!(unlisted(&listed, &actual), ["`new` has no row", "`a` has a row, but is no crate"]);
}

#[test]
fn an_arrow_at_e2e_is_caught_even_if_it_is_listed() {
    let listed = table("## Arrows\n| `a` | `e2e-load` |\n| `e2e-load` | nothing |\n");

    let actual =
        Arrows::from([("a".into(), BTreeSet::from(["e2e-load".into()])), ("e2e-load".into(), BTreeSet::new())]);
    assert_eq!(unlisted(&listed, &actual), ["`a` names `e2e-load`: only e2e points at e2e"]);
}

#[test]
fn arrows_are_read_from_cargo_whatever_their_kind() {
    let metadata = serde_json::json!({"packages": [
        {"name": "a", "dependencies": [{"name": "b", "path": "/b", "kind": "dev"}, {"name": "serde", "path": null}]},
        {"name": "b", "dependencies": []},
    ]});

    assert_eq!(
        arrows(&metadata),
        Arrows::from([("a".into(), BTreeSet::from(["b".into()])), ("b".into(), BTreeSet::new())])
    );
}

#[test]
fn the_operator_deep_in_a_cells_tree_is_caught() {
    let lock = "[[package]]\nname = \"cell-server\"\nversion = \"1\"\ndependencies = [\n \"x 1.0.0\",\n]\n\n\
        [[package]]\nname = \"x\"\nversion = \"1.0.0\"\ndependencies = [\n \"kube\",\n]\n\n[[package]]\nname = \"kube\"\n";

    assert_eq!(forbidden_below("cell-server", &["kube"], &locked(lock)), ["cell-server -> x -> kube"]);
}

/// The rows of the section "Arrows": the first cell names a crate, the second the crates that it may name.
fn table(document: &str) -> Arrows {
    let section =
        document.lines().skip_while(|line| *line != "## Arrows").skip(1).take_while(|line| !line.starts_with("## "));
    let rows = section.filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(quoted);
        let name = cells.next().and_then(|names| names.into_iter().next()).expect("a row starts with a crate's name");
        (name, cells.next().unwrap_or_default())
    })
    .collect()
}

fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn unlisted(listed: &Arrows, actual: &Arrows) -> Vec<String> {
    let mut violations = Vec::new();
    for (from, targets) in actual {
        let Some(allowed) = listed.get(from) else {
            violations.push(format!("`{from}` has no row"));
            continue;
        };
        for to in targets {
            if to.starts_with("e2e-") && !from.starts_with("e2e-") {
                violations.push(format!("`{from}` names `{to}`: only e2e points at e2e"));
            } else if !allowed.contains(to) {
                violations.push(format!("`{from}` names `{to}`"));
            }
        }
    }
    let gone = listed.keys().filter(|name| !actual.contains_key(*name));
    violations.extend(gone.map(|name| format!("`{name}` has a row, but is no crate")));
    violations
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(tree::root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// Every dependency with a path, of any kind: normal, dev, build, for one platform, behind a feature.
fn arrows(metadata: &Value) -> Arrows {
    let packages = metadata["packages"].as_array().expect("cargo metadata lists packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("a package lists its dependencies");
            let ours = dependencies.iter().filter(|dependency| !dependency["path"].is_null());
            (name_of(package), ours.map(name_of).collect())
        })
        .collect()
}

fn name_of(value: &Value) -> String {
    value["name"].as_str().expect("everything has a name").to_owned()
}

/// Package -> dependencies, from a lock file. It holds every feature and platform, so it errs on the safe side.
fn locked(lock: &str) -> Arrows {
    let mut packages = Arrows::new();
    for package in lock.split("[[package]]").skip(1) {
        let name = package.lines().find_map(|line| line.strip_prefix("name = ")).expect("a locked package has a name");
        let dependencies = package.lines().filter_map(|line| line.trim_start().strip_prefix('"'));
        let names = dependencies.filter_map(|line| line.split([' ', '"']).next()).map(str::to_owned);
        packages.entry(name.trim_matches('"').to_owned()).or_default().extend(names);
    }
    packages
}

fn forbidden_below(from: &str, forbidden: &[&str], packages: &Arrows) -> Vec<String> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::from([from.to_owned()]);
    let mut violations = Vec::new();
    while let Some(way) = ways.pop() {
        let last = way.last().expect("a way starts somewhere");
        if forbidden.contains(&last.as_str()) {
            violations.push(way.join(" -> "));
            continue;
        }
        for next in packages.get(last).into_iter().flatten() {
            if seen.insert(next.clone()) {
                ways.push([way.clone(), vec![next.clone()]].concat());
            }
        }
    }
    violations
}
