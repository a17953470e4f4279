//! The shape of a member's Cargo.toml: version, dependencies and lints come from the workspace.

use crate::tree;

/// Inherited by every member, so that there is one version and one edition.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

#[test]
fn every_member_inherits_from_the_workspace() {
    let files = tree::text_files();
    let members: Vec<_> = files.iter().filter(|file| file.path.ends_with("/Cargo.toml")).collect();
    assert!(members.len() > 3, "only {} members found", members.len());
    let violations: Vec<_> = members.iter().flat_map(|file| own_ways(&file.path, &file.text)).collect();
    tree::assert_none("declared once, in the root Cargo.toml", &violations);
}

#[test]
fn a_member_that_goes_its_own_way_is_caught() {
    let manifest = "[package]\nname = \"a\"\nversion = \"2.0.0\"\nedition.workspace = true\nrust-version.workspace = true\n\
        license.workspace = true\npublish.workspace = true\n\n[dependencies]\nserde = \"1\"\nbytes.workspace = true\n\
        tokio = { workspace = true, features = [\"net\"] }\n\n[dependencies.redb]\nversion = \"4\"\n\n\
        [target.'cfg(unix)'.dependencies]\nrustix = { version = \"1\" }\n";

    assert_eq!(
        own_ways("a/Cargo.toml", manifest),
        [
            "a/Cargo.toml: `version.workspace = true` is missing",
            "a/Cargo.toml: `lints.workspace = true` is missing",
            "a/Cargo.toml: `serde = \"1\"` is not from the workspace",
            "a/Cargo.toml: `version = \"4\"` is not from the workspace",
            "a/Cargo.toml: `rustix = { version = \"1\" }` is not from the workspace",
        ]
    );
}

fn own_ways(path: &str, manifest: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let lines = lines_with_sections(manifest);
    for key in INHERITED {
        if !lines.contains(&("package", format!("{key}.workspace = true").as_str())) {
            violations.push(format!("{path}: `{key}.workspace = true` is missing"));
        }
    }
    if !lines.contains(&("lints", "workspace = true")) {
        violations.push(format!("{path}: `lints.workspace = true` is missing"));
    }
    for (section, line) in lines {
        let is_dependency = section.split('.').any(|part| part.ends_with("dependencies"));
        if is_dependency && !line.contains("workspace = true") {
            violations.push(format!("{path}: `{line}` is not from the workspace"));
        }
    }
    violations
}

/// Each line with the section it stands in, without blank lines and comments.
fn lines_with_sections(manifest: &str) -> Vec<(&str, &str)> {
    let mut section = "";
    let mut lines = Vec::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim_matches(['[', ']']);
        } else {
            lines.push((section, line));
        }
    }
    lines
}
