//! The shape of a Rust file: it says first what it is for, and it stays small.

use crate::tree;

/// Lines after which a file is a question.
const LINES_MAX: usize = 500;

/// One word repeats the file's name.
const WORDS_MIN: usize = 2;

/// Files that may be longer, each with the answer to the question.
const LONGER: [(&str, &str); 0] = [];

#[test]
fn every_rust_file_starts_with_what_it_is_for() {
    let files = tree::rust_files();
    let violations: Vec<_> = files.iter().filter_map(|file| without_purpose(&file.path, &file.text)).collect();
    tree::assert_none("line 1 is `//! What this file is for, and where it stands.`", &violations);
}

#[test]
fn no_file_is_longer_than_a_question() {
    let files = tree::rust_files();
    let violations: Vec<_> = files.iter().filter_map(|file| too_long(&file.path, &file.text)).collect();
    tree::assert_none(
        "one file, one thing; one command, one file: a file past 500 lines is a question (answer it by a split, or in LONGER)",
        &violations,
    );
}

#[test]
fn a_file_without_its_purpose_is_caught() {
    assert!(without_purpose("a.rs", "//! Adds two numbers.\n").is_none());

    for text in [
        "",
        "use std::fmt;\n",
        "//!\n//! Adds two numbers.\n",
        "\n//! Adds two numbers.\n",
        "// Adds two numbers.\n",
        "//! Tests.\n",
    ] {
        assert_eq!(without_purpose("a.rs", text), Some("a.rs".into()), "{text:?}");
    }
}

#[test]
fn a_file_of_one_line_too_many_is_caught() {
    assert_eq!(too_long("a.rs", &"x\n".repeat(500)), None);
    assert_eq!(too_long("a.rs", &"x\n".repeat(501)), Some("a.rs has 501 lines".into()));
}

fn without_purpose(path: &str, text: &str) -> Option<String> {
    let purpose = text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or_default();
    (purpose.split_whitespace().count() < WORDS_MIN).then(|| path.to_owned())
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let allowed = LONGER.iter().any(|(longer, _)| *longer == path);
    (lines > LINES_MAX && !allowed).then(|| format!("{path} has {lines} lines"))
}
