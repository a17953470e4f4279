//! Generated files that are checked in: each lies in a folder `golden` or `generated`, or is called `golden.…`, and a
//! test of its own crate makes it anew and compares. This rule catches the file that no test reads. (Code made by a build script is never
//! checked in: it lands in cargo's output folder and cannot be stale.)

use crate::tree::{self, TextFile};

#[test]
fn every_generated_file_is_compared_by_a_test_of_its_crate() {
    tree::assert_none("no Rust test of its crate reads", &unread(&tree::text_files()));
}

#[test]
fn a_generated_file_that_no_test_reads_is_caught() {
    let file = |path: &str, text: &str| TextFile { path: path.into(), text: text.into() };
    let files = [
        file("crds/Cargo.toml", ""),
        file("crds/generated/chatcluster.yaml", ""),
        file("crds/generated/chatcell.yaml", ""),
        file("crds/tests/generated.rs", "#[test] fn same() { include_str!(\"../generated/chatcluster.yaml\"); }"),
        file("e2e/tests/generated.rs", "#[test] fn same() { \"chatcell.yaml\"; }"),
    ];

    assert_eq!(unread(&files), ["crds/generated/chatcell.yaml"]);
}

fn unread(files: &[TextFile]) -> Vec<String> {
    let generated = files.iter().filter(|file| is_generated(&file.path));
    let lonely = generated.filter(|generated| {
        let (folder, name) = (crate_of(&generated.path, files), generated.path.rsplit('/').next().unwrap_or_default());
        let tests = files.iter().filter(|file| file.path.starts_with(&folder) && file.path.ends_with(".rs"));
        !tests.into_iter().any(|test| test.text.contains("#[test]") && test.text.contains(name))
    });
    lonely.map(|file| file.path.clone()).collect()
}

/// Whether a file was made by a program; the pages and tests about it were not.
fn is_generated(path: &str) -> bool {
    let marked = ["/generated/", "/golden/", "/golden."].iter().any(|mark| path.contains(mark));
    marked && !path.ends_with(".md") && !path.ends_with(".rs")
}

/// The nearest folder above with a Cargo.toml, with a `/` at the end.
fn crate_of(path: &str, files: &[TextFile]) -> String {
    let manifests = files.iter().filter_map(|file| file.path.strip_suffix("Cargo.toml"));
    manifests.filter(|folder| path.starts_with(folder)).max_by_key(|folder| folder.len()).unwrap_or_default().to_owned()
}
