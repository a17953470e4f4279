//! Small files that survive a crash: replaced as a whole, or written once and never again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Readable by the owner only: also for files that are no secrets, because the folder as a whole is a person's chat.
const MODE: u32 = 0o600;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to {what} {}: {source}", .path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is damaged: {source}", .path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
}

impl Error {
    pub(crate) fn new(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}

/// None if there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::new("read", path, source)),
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::Damaged { path: path.to_owned(), source })
        }
    }
}

/// Replaces the file: a reader, or the next start after a power loss, sees either the old or the new one, whole.
pub(crate) fn replace_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let temporary = write_temporary(path, &to_json(path, value)?)?;
    std::fs::rename(&temporary, path).map_err(|source| Error::new("replace", path, source))?;
    sync_folder(path)
}

/// Writes the file if there is none; false if there is one already, which stays as it is.
pub(crate) fn write_once(path: &Path, bytes: &[u8]) -> Result<bool, Error> {
    let temporary = write_temporary(path, bytes)?;
    // A link fails if the name exists, and appears with the whole content.
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary).map_err(|source| Error::new("remove", &temporary, source))?;
    match linked {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(Error::new("write", path, source)),
    }
}

/// As [`write_once`], for a value.
pub(crate) fn write_json_once<T: Serialize>(path: &Path, value: &T) -> Result<bool, Error> {
    write_once(path, &to_json(path, value)?)
}

fn to_json<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, Error> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|source| Error::Damaged { path: path.to_owned(), source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn write_temporary(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| Error::new("write", &temporary, source))?;
    Ok(temporary)
}

/// Makes a change of names durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(|source| Error::new("sync", folder, source))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_written_once_stays() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("once");
        assert!(write_once(&path, b"first").unwrap());
        assert!(!write_once(&path, b"second").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn files_are_for_their_owner_only() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("secret");
        write_once(&path, b"x").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_replaced_file_is_read_back_and_a_damaged_one_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("value.json");
        assert_eq!(read_json::<Vec<u32>>(&path).unwrap(), None);
        replace_json(&path, &vec![1]).unwrap();
        replace_json(&path, &vec![1, 2]).unwrap();
        assert_eq!(read_json::<Vec<u32>>(&path).unwrap(), Some(vec![1, 2]));
        std::fs::write(&path, "[1,").unwrap();
        let error = read_json::<Vec<u32>>(&path).unwrap_err().to_string();
        assert!(error.contains("value.json is damaged"), "{error}");
    }
}
