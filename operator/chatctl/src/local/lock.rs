//! One `up` per folder: a lock that the kernel gives back when its holder ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

use super::data_dir::DataDir;
use super::file;

/// A look whether somebody holds the lock holds it for a moment itself; `up` outwaits that.
const ATTEMPTS: u32 = 10;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(30);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("another `chatctl up` ({}) runs on {}; stop it with `chatctl down`, or choose another folder with --data", holder(*.pid), .root.display())]
    Held { root: PathBuf, pid: Option<u32> },
    #[error(transparent)]
    File(#[from] file::Error),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "process unknown".to_owned(), |pid| format!("process {pid}"))
}

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) async fn acquire(dir: &DataDir) -> Result<Self, Error> {
        let path = dir.lock();
        let failed = |source| file::Error::new("lock", &path, source);
        let mut open = OpenOptions::new();
        let mut file =
            open.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        let mut attempts = ATTEMPTS;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source).into()),
                Err(TryLockError::WouldBlock) if attempts == 0 => {
                    return Err(Error::Held { root: dir.root().to_owned(), pid: read_pid(&mut file) });
                }
                Err(TryLockError::WouldBlock) => attempts -= 1,
            }
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
        let mut write_pid = || {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(std::process::id().to_string().as_bytes())
        };
        write_pid().map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Who holds the lock of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Nobody,
    /// Seen to have the lock file open.
    Process(u32),
    /// Somebody, but not the process that the file names: it is only just starting, or not visible from here.
    Unknown,
}

/// Looks who holds the lock, without waiting.
pub(crate) fn holder_of(dir: &DataDir) -> Result<Holder, Error> {
    let path = dir.lock();
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(source) => return Err(file::Error::new("open", &path, source).into()),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => {
            let pid = read_pid(&mut file).filter(|pid| has_open(*pid, &file));
            Ok(pid.map_or(Holder::Unknown, Holder::Process))
        }
        Err(TryLockError::Error(source)) => Err(file::Error::new("lock", &path, source).into()),
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// A process id may have been given to a stranger since it was written down; the stranger does not have this file open.
fn has_open(pid: u32, file: &File) -> bool {
    let Ok(ours) = file.metadata() else { return false };
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let same = |theirs: std::fs::Metadata| (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino());
    descriptors.flatten().any(|entry| std::fs::metadata(entry.path()).is_ok_and(same))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_lock_is_refused_and_names_the_holder() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        assert_eq!(holder_of(&dir).unwrap(), Holder::Nobody);
        let lock = Lock::acquire(&dir).await.unwrap();
        assert_eq!(holder_of(&dir).unwrap(), Holder::Process(std::process::id()));
        let error = Lock::acquire(&dir).await.unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(lock);
        assert_eq!(holder_of(&dir).unwrap(), Holder::Nobody);
        Lock::acquire(&dir).await.unwrap();
    }

    #[tokio::test]
    async fn a_process_that_does_not_have_the_lock_open_is_not_called_its_holder() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        let _lock = Lock::acquire(&dir).await.unwrap();
        // Process 1 is not one of ours.
        std::fs::write(dir.lock(), "1").unwrap();
        assert_eq!(holder_of(&dir).unwrap(), Holder::Unknown);
    }
}
