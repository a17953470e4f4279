//! The logs of a cluster: searched by tests, and shown when one fails.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Lines of each log that a failed test shows: the last seconds before its end.
const TAIL_LINES: usize = 60;

/// All logs below the folders, one after the other.
pub(crate) fn read_all(folders: &[&Path]) -> anyhow::Result<String> {
    let mut text = String::new();
    for path in files(folders) {
        let bytes = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    Ok(text)
}

/// The end of each log, with its name.
pub(crate) fn tails(folders: &[&Path]) -> String {
    let mut text = String::new();
    for path in files(folders) {
        let log = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let log = log.unwrap_or_else(|error| error.to_string());
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        writeln!(text, "==== {}\n{tail}", path.display()).expect("writing to memory does not fail");
    }
    text
}

fn files(folders: &[&Path]) -> Vec<PathBuf> {
    let mut found: Vec<_> = folders.iter().flat_map(|folder| below(folder, 0)).collect();
    found.sort();
    found.dedup();
    found
}

/// Logs lie beside a replica's folder or in it, not deeper.
const DEPTH_MAX: u32 = 3;

fn below(folder: &Path, depth: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths
        .flat_map(|path| {
            if path.is_dir() && depth < DEPTH_MAX {
                below(&path, depth + 1)
            } else if path.extension().is_some_and(|extension| extension == "log") {
                vec![path]
            } else {
                Vec::new()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_found_in_folders_and_shown_by_their_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("c0-0")).unwrap();
        fs::write(folder.path().join("c0-0/replica.log"), "first\n".repeat(100) + "last\n").unwrap();
        fs::write(folder.path().join("log.redb"), "not one").unwrap();
        let tails = tails(&[folder.path()]);
        assert!(tails.contains("replica.log") && tails.contains("last") && !tails.contains("not one"));
        assert_eq!(tails.matches("first").count(), TAIL_LINES - 1);
        assert_eq!(read_all(&[folder.path(), folder.path()]).unwrap().matches("first").count(), 100);
    }
}
