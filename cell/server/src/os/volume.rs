//! A replica's volume: a folder of the file system.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use cell_raft::seams::Volume;
use redb::StorageBackend;
use redb::backends::FileBackend;

/// Held while a process uses the folder; no file of the replica.
const LOCK: &str = "lock";

/// Files in one folder, which this process has to itself.
#[derive(Debug)]
pub struct FolderVolume {
    folder: PathBuf,
    /// The lock ends with the process, however it ends.
    _lock: File,
}

impl FolderVolume {
    /// Opens the folder, created if it is missing. Errors while another process uses it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder).map_err(|error| {
            io::Error::new(error.kind(), format!("failed to create the data folder {}: {error}", folder.display()))
        })?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        let lock = File::options().write(true).create(true).truncate(false).open(folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process uses the data folder {}", folder.display());
                Err(io::Error::new(io::ErrorKind::ResourceBusy, message))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

impl Volume for FolderVolume {
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        let path = self.folder.join(name);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        match FileBackend::new(file) {
            Ok(backend) => Ok(Box::new(backend)),
            Err(error) => Err(io::Error::other(format!("failed to open {}: {error}", path.display()))),
        }
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.folder.join(name).try_exists()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            // Only we write here; a name that is no text is not ours.
            if let Ok(name) = entry?.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))?;
        self.sync_folder()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))?;
        self.sync_folder()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_created_listed_renamed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let volume = FolderVolume::open(&folder.path().join("c0-0")).unwrap();
        drop(volume.open("a").unwrap());
        volume.rename("a", "b").unwrap();
        assert_eq!(volume.list().unwrap(), ["b"]);
        assert!(volume.exists("b").unwrap() && !volume.exists("a").unwrap());
        volume.remove("b").unwrap();
        assert!(volume.list().unwrap().is_empty());
    }

    #[test]
    fn a_folder_in_use_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let _first = FolderVolume::open(folder.path()).unwrap();
        let refused = FolderVolume::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(&folder.path().display().to_string()), "{refused}");
    }
}
