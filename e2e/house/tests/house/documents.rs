//! What the documents promise about themselves: README's two commands, links that lead somewhere, a map without holes.

use std::path::{Component, Path, PathBuf};

use crate::tree;

/// One runs a cluster, one runs all tests.
const COMMANDS_IN_README: [&str; 2] = ["cargo run --release -- up", "./test"];

#[test]
fn the_readme_has_exactly_two_commands() {
    assert_eq!(commands(&tree::read("README.md")), COMMANDS_IN_README);
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let files = tree::text_files();
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    let broken: Vec<_> = documents
        .flat_map(|document| links(&document.text).into_iter().map(|link| (document.path.as_str(), link)))
        .filter(|(from, link)| !tree::root().join(target(from, link)).exists())
        .map(|(from, link)| format!("{from} links to {link}"))
        .collect();
    tree::assert_none("a link leads nowhere", &broken);
}

#[test]
fn the_changelog_knows_this_version() {
    let heading = format!("\n## {}", env!("CARGO_PKG_VERSION"));
    assert!(tree::read("CHANGELOG.md").contains(&heading), "CHANGELOG.md has no section{heading}");
}

#[test]
fn the_index_of_decisions_is_complete() {
    let files = tree::text_files();
    let index = tree::read("docs/adr/README.md");
    let decisions =
        files.iter().filter_map(|file| file.path.strip_prefix("docs/adr/")).filter(|name| *name != "README.md");
    let missing: Vec<_> = decisions.filter(|name| !index.contains(&format!("({name})"))).map(str::to_owned).collect();
    tree::assert_none("docs/adr/README.md does not list", &missing);
}

#[test]
fn a_third_command_is_caught() {
    let readme = "# A\n```\n./one\n```\ntext `inline`\n```sh\n./two\n```\n```\n./three\n```\n";

    assert_eq!(commands(readme), ["./one", "./two", "./three"]);
}

#[test]
fn only_links_inside_the_repository_are_followed() {
    let text = "[a](docs/a.md) [b](../b.md#part) [c](https://example.org) [d](#here)\n```\n[e](e.md)\n```\n`[f](f.md)`";

    assert_eq!(links(text), ["docs/a.md", "../b.md"]);
    assert_eq!(target("docs/adr/x.md", "../b.md"), Path::new("docs/b.md"));
}

/// The contents of the fenced blocks.
fn commands(text: &str) -> Vec<&str> {
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.map(|block| block.split_once('\n').map_or("", |(_, body)| body.trim())).collect()
}

/// Targets of relative links, without their fragment; code is skipped.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2).flat_map(|part| part.split('`').step_by(2));
    let targets = prose.flat_map(|part| part.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    let relative = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    relative.filter_map(|target| target.split('#').next()).collect()
}

/// A link's target from the root.
fn target(document: &str, link: &str) -> PathBuf {
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let mut path = PathBuf::new();
    for component in folder.join(link).components() {
        match component {
            Component::ParentDir => assert!(path.pop(), "{document} links to {link}, outside the repository"),
            other => path.push(other),
        }
    }
    path
}
