//! The folder of a local cluster, and where in it everything lies.

use std::io;
use std::path::{Path, PathBuf};

use cell_types::{CellName, ReplicaName, UserId};

use super::file;

/// User ids up to this long, of harmless characters, name their own files; others go by their key.
const PLAIN_USER_LEN_MAX: usize = 64;

#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    /// Absolute, so that it means the same to child processes.
    root: PathBuf,
}

impl DataDir {
    /// Makes the folder if it is missing.
    pub(crate) fn create(path: &Path) -> Result<Self, file::Error> {
        std::fs::create_dir_all(path).map_err(|source| file::Error::new("make the folder", path, source))?;
        Self::canonical(path)
    }

    /// None if there is no such folder.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, file::Error> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(file::Error::new("open", path, source)),
            Ok(_) => Self::canonical(path).map(Some),
        }
    }

    fn canonical(path: &Path) -> Result<Self, file::Error> {
        let root = path.canonicalize().map_err(|source| file::Error::new("open", path, source))?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// What is wanted, and the addresses.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.root.join("cluster.json")
    }

    /// The processes of the `up` that runs.
    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run.json")
    }

    pub(crate) fn token_key(&self) -> PathBuf {
        self.root.join("token.key")
    }

    pub(crate) fn peer_token(&self) -> PathBuf {
        self.root.join("peer.token")
    }

    pub(crate) fn founding(&self, cell: &CellName) -> PathBuf {
        self.root.join(format!("{cell}.founding.json"))
    }

    /// Exists once the founding is known to be committed.
    pub(crate) fn founded(&self, cell: &CellName) -> PathBuf {
        self.root.join(format!("{cell}.founded"))
    }

    pub(crate) fn volume(&self, replica: &ReplicaName) -> PathBuf {
        self.root.join(replica.as_str())
    }

    pub(crate) fn log(&self, replica: &ReplicaName) -> PathBuf {
        self.root.join("logs").join(format!("{replica}.log"))
    }

    /// Where volumes go that their cell has given up.
    pub(crate) fn set_aside(&self) -> PathBuf {
        self.root.join("set-aside")
    }

    pub(crate) fn outbox(&self, user: &UserId) -> PathBuf {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let text = user.as_str();
        let name = if text.len() <= PLAIN_USER_LEN_MAX && text.bytes().all(plain) {
            text.to_owned()
        } else {
            let key = user.key();
            // A dot is not a plain character, so no user's own name is like this.
            format!("key.{}{:032x}", key.placement, key.tag)
        };
        self.root.join("chat").join(format!("{name}.outbox"))
    }

    /// The slots that have a volume. An empty folder is none.
    pub(crate) fn volumes(&self) -> Result<Vec<ReplicaName>, file::Error> {
        let failed = |source| file::Error::new("list", &self.root, source);
        let mut volumes = Vec::new();
        for entry in std::fs::read_dir(&self.root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let slot = entry.file_name().to_str().and_then(slot_of_folder);
            if let Some(slot) = slot.filter(|_| entry.path().is_dir())
                && std::fs::read_dir(entry.path()).map_err(failed)?.next().is_some()
            {
                volumes.push(slot);
            }
        }
        volumes.sort();
        Ok(volumes)
    }
}

/// `c0-1` and the like; other folders are not volumes.
fn slot_of_folder(name: &str) -> Option<ReplicaName> {
    let (cell, ordinal) = name.strip_prefix('c')?.split_once('-')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (number(cell) && number(ordinal)).then(|| name.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_slots_with_something_in_them_are_volumes() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(&temp.path().join("a/b")).unwrap();
        for folder in ["c0-1", "c0-0", "logs", "set-aside", "chat", "c-1", "c0-x"] {
            std::fs::create_dir(dir.root().join(folder)).unwrap();
            std::fs::write(dir.root().join(folder).join("file"), "").unwrap();
        }
        std::fs::create_dir(dir.root().join("c0-2")).unwrap();
        std::fs::write(dir.root().join("c0-3"), "a file").unwrap();
        let names: Vec<String> = dir.volumes().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["c0-0", "c0-1"]);
    }

    #[test]
    fn a_folder_that_does_not_exist_is_no_cluster() {
        let temp = tempfile::tempdir().unwrap();
        assert!(DataDir::open(&temp.path().join("none")).unwrap().is_none());
    }

    #[test]
    fn every_user_has_an_outbox_inside_the_folder() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        let outbox = |user: &str| dir.outbox(&user.parse().unwrap());
        assert!(outbox("alice").ends_with("chat/alice.outbox"));
        for odd in ["../../etc/passwd", "a/b", ".", "x".repeat(128).as_str(), "名前"] {
            assert_eq!(outbox(odd).parent().unwrap(), dir.root().join("chat"), "{odd}");
        }
        assert_ne!(outbox("a/b"), outbox("a/c"));
    }
}
