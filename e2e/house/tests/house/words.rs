//! Words that no file may hold: places on somebody's own machine, and documents that are not in this repository.

use crate::tree;

/// First parts of absolute paths that mean nothing on another machine.
const PRIVATE_ROOTS: [&str; 5] = ["work", "root", "home", "Users", "tmp"];

/// Working papers that a reader of this repository does not have.
const PAPERS: [&str; 5] = ["DESIGN", "FACTS", "STYLE", "LOCAL", "PROTOCOL"];

#[test]
fn no_file_speaks_of_somebodys_machine() {
    let files = tree::text_files();
    let violations: Vec<_> = files.iter().flat_map(|file| private_paths(&file.path, &file.text)).collect();
    tree::assert_none("a path that exists on one machine only", &violations);
}

#[test]
fn no_file_cites_a_document_that_is_not_here() {
    let files = tree::text_files();
    let violations: Vec<_> = files.iter().flat_map(|file| absent_papers(&file.path, &file.text)).collect();
    tree::assert_none("cite docs/ instead", &violations);
}

#[test]
fn all_dependencies_come_from_the_public_registry() {
    let lock = tree::read("Cargo.lock");
    let sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    let others: Vec<_> = sources.filter(|source| !source.contains("github.com/rust-lang/crates.io-index")).collect();
    assert_eq!(others, Vec::<&str>::new());
}

#[test]
fn a_private_path_is_caught() {
    let path = |rest: &str| format!("/{}/{rest}", "home");

    assert_eq!(private_paths("a.md", &format!("see\n`{}`", path("me/x"))), [format!("a.md:2: `{}`", path("me/x"))]);
    assert_eq!(private_paths("a.md", "net/home/x, ~/home, /homework/x, https://a.org/home/"), Vec::<String>::new());
}

#[test]
fn an_absent_document_is_caught() {
    let line = |paper: &str| format!("see {paper} {}5", '§');

    assert_eq!(absent_papers("a.rs", &line("DESIGN")), [format!("a.rs:1: {}", line("DESIGN"))]);
    assert_eq!(absent_papers("a.rs", "docs/protocol.md, const PROTOCOL: u8"), Vec::<String>::new());
}

fn private_paths(path: &str, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for root in PRIVATE_ROOTS {
            let needle = format!("/{root}/");
            let starts = line.match_indices(&needle).map(|(at, _)| at).filter(|at| begins_a_path(&line[..*at]));
            violations.extend(starts.map(|_| format!("{path}:{}: {}", number + 1, line.trim())));
        }
    }
    violations
}

/// Whether an absolute path may start after this text: not in the middle of a relative path or of an address.
fn begins_a_path(before: &str) -> bool {
    before.chars().next_back().is_none_or(|last| !last.is_alphanumeric() && !"._-~/}".contains(last))
}

fn absent_papers(path: &str, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let cites = |paper: &&str| line.contains(&format!("{paper}.md")) || line.contains(&format!("{paper} {}", '§'));
        if PAPERS.iter().any(cites) || line.contains(concat!("../", "shared/")) {
            violations.push(format!("{path}:{}: {}", number + 1, line.trim()));
        }
    }
    violations
}
