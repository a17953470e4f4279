//! A replica's folder: copies of it, and damage to its files.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A flipped byte every so often: no page of 4 KiB stays whole.
const FLIP_EVERY: u64 = 1021;

/// The files that damage is done to: the names that `docs/storage-format.md` gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Log,
    State,
}

impl Store {
    pub fn path(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Self::Log => "log.redb",
            Self::State => "state.redb",
        })
    }
}

/// Copies a folder of files, as they are at this moment.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("failed to list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("failed to copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// Removes what is in a folder and keeps the folder: it may be a mount point.
pub fn empty(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Flips bytes all over a file.
pub fn flip_bytes(path: &Path) -> anyhow::Result<()> {
    let mut file = open(path)?;
    let len = file.metadata()?.len();
    let mut at = FLIP_EVERY / 2;
    while at < len {
        let mut byte = [0];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut byte)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&[!byte[0]])?;
        at += FLIP_EVERY;
    }
    file.sync_all().context("failed to sync")
}

/// Cuts a file in the middle.
pub fn cut_in_half(path: &Path) -> anyhow::Result<()> {
    let file = open(path)?;
    file.set_len(file.metadata()?.len() / 2)?;
    file.sync_all().context("failed to sync")
}

fn open(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new().read(true).write(true).open(path).with_context(|| format!("failed to open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_changes_a_file_and_a_copy_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (folder.path().join("here"), folder.path().join("there"));
        fs::create_dir(&here).unwrap();
        fs::write(Store::Log.path(&here), vec![7; 4096]).unwrap();
        copy(&here, &there).unwrap();

        flip_bytes(&Store::Log.path(&here)).unwrap();
        let damaged = fs::read(Store::Log.path(&here)).unwrap();
        assert_eq!(damaged.iter().filter(|byte| **byte != 7).count(), 4);
        cut_in_half(&Store::Log.path(&here)).unwrap();
        assert_eq!(fs::read(Store::Log.path(&here)).unwrap().len(), 2048);
        assert_eq!(fs::read(Store::Log.path(&there)).unwrap(), vec![7; 4096]);
        empty(&here).unwrap();
        assert_eq!(fs::read_dir(&here).unwrap().count(), 0);
    }
}
