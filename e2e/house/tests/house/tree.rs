//! The repository as the rules see it: its text files by path, relative to the root.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Never part of the repository: git's own, build output, a local cluster's data, installed packages.
const SKIPPED: [&str; 4] = [".git", "target", ".chatcells", "node_modules"];

/// One file that a person wrote.
pub(crate) struct TextFile {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All files of the repository that are UTF-8 text, by path.
pub(crate) fn text_files() -> Vec<TextFile> {
    let mut files = Vec::new();
    collect(&root(), &mut files).expect("the repository can be read");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 100, "only {} files found: is this the repository?", files.len());
    files
}

/// All Rust files of the repository.
pub(crate) fn rust_files() -> Vec<TextFile> {
    text_files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

/// The text of one file that must be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("failed to read {path}: {error}"))
}

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("this crate lies two folders below the root")
}

/// Fails with one line for each violation.
#[track_caller]
pub(crate) fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}\n", violations.join("\n  "));
}

fn collect(folder: &Path, files: &mut Vec<TextFile>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            // Cargo marks its target folders, whatever their name.
            let is_output = path.join("CACHEDIR.TAG").exists();
            if !is_output && !SKIPPED.iter().any(|name| path.ends_with(name)) {
                collect(&path, files)?;
            }
        } else if let Ok(text) = String::from_utf8(fs::read(&path)?) {
            let relative = path.strip_prefix(root()).expect("found below the root");
            files.push(TextFile { path: relative.display().to_string(), text });
        }
    }
    Ok(())
}
