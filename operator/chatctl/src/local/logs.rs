//! The replicas' logs: each writes to its own file by itself, so that a paused `up` pauses no replica; `up` only keeps the
//! files short and, if asked, shows what is added.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use cell_types::ReplicaName;

use super::data_dir::DataDir;
use super::file;

/// A day of a quiet replica; the same again is kept of what was before.
const LOG_LEN_MAX: u64 = 16 << 20;

/// Read at one time when showing.
const SHOW_LEN_MAX: u64 = 1 << 20;

/// Opens a replica's log for its process. Every write goes to the end, wherever that is by then.
pub(crate) fn open(dir: &DataDir, replica: &ReplicaName) -> Result<File, file::Error> {
    let path = dir.log(replica);
    let folder = path.parent().expect("a log lies in a folder");
    std::fs::create_dir_all(folder).map_err(|source| file::Error::new("make the folder", folder, source))?;
    let open = OpenOptions::new().create(true).append(true).open(&path);
    open.map_err(|source| file::Error::new("open", &path, source))
}

/// Keeps the logs of these replicas short.
pub(crate) fn rotate<'a>(
    dir: &DataDir,
    replicas: impl IntoIterator<Item = &'a ReplicaName>,
) -> Result<(), file::Error> {
    for replica in replicas {
        let path = dir.log(replica);
        if std::fs::metadata(&path).is_ok_and(|log| log.len() > LOG_LEN_MAX) {
            rotate_one(&path).map_err(|source| file::Error::new("rotate", &path, source))?;
        }
    }
    Ok(())
}

/// Copies, then empties: the process keeps the file open. A line written in between is lost, which a log bears.
fn rotate_one(path: &Path) -> io::Result<()> {
    std::fs::copy(path, earlier(path))?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

fn earlier(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// Where each log has been shown up to.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    upto: BTreeMap<ReplicaName, u64>,
}

impl Shown {
    /// Begins at the present ends.
    pub(crate) fn from_now<'a>(dir: &DataDir, replicas: impl IntoIterator<Item = &'a ReplicaName>) -> Self {
        let len = |replica: &ReplicaName| std::fs::metadata(dir.log(replica)).map_or(0, |log| log.len());
        Self { upto: replicas.into_iter().map(|replica| (replica.clone(), len(replica))).collect() }
    }

    /// The whole lines that were added since the last call.
    pub(crate) fn added(&mut self, dir: &DataDir) -> Result<Vec<String>, file::Error> {
        let mut lines = Vec::new();
        for (replica, upto) in &mut self.upto {
            let path = dir.log(replica);
            let text = match read_from(&path, upto) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(file::Error::new("read", &path, source)),
                Ok(text) => text,
            };
            lines.extend(text.lines().map(|line| format!("[{replica}] {line}")));
        }
        Ok(lines)
    }
}

fn read_from(path: &Path, upto: &mut u64) -> io::Result<String> {
    let mut log = File::open(path)?;
    if log.metadata()?.len() < *upto {
        // It was emptied.
        *upto = 0;
    }
    log.seek(SeekFrom::Start(*upto))?;
    let mut bytes = Vec::new();
    log.take(SHOW_LEN_MAX).read_to_end(&mut bytes)?;
    // The last line may be half written; a longer one than is read at a time is shown in pieces.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole > 0 || u64::try_from(bytes.len()).is_ok_and(|len| len < SHOW_LEN_MAX) {
        bytes.truncate(whole);
    }
    *upto += u64::try_from(bytes.len()).unwrap_or(0);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn dir() -> (tempfile::TempDir, DataDir, ReplicaName) {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        (temp, dir, "c0-0".parse().unwrap())
    }

    #[test]
    fn a_log_past_its_limit_is_kept_once_and_goes_on_from_nothing() {
        let (_temp, dir, replica) = dir();
        let mut log = open(&dir, &replica).unwrap();
        log.set_len(LOG_LEN_MAX + 1).unwrap();
        rotate(&dir, [&replica]).unwrap();
        log.write_all(b"after\n").unwrap();
        assert_eq!(std::fs::read(dir.log(&replica)).unwrap(), b"after\n");
        assert_eq!(std::fs::metadata(earlier(&dir.log(&replica))).unwrap().len(), LOG_LEN_MAX + 1);
    }

    #[test]
    fn what_is_added_is_shown_once_in_whole_lines() {
        let (_temp, dir, replica) = dir();
        let mut log = open(&dir, &replica).unwrap();
        log.write_all(b"before\n").unwrap();
        let mut shown = Shown::from_now(&dir, [&replica]);
        log.write_all(b"one\ntw").unwrap();
        assert_eq!(shown.added(&dir).unwrap(), ["[c0-0] one"]);
        assert!(shown.added(&dir).unwrap().is_empty());
        log.write_all(b"o\n").unwrap();
        assert_eq!(shown.added(&dir).unwrap(), ["[c0-0] two"]);
        log.set_len(0).unwrap();
        log.write_all(b"new\n").unwrap();
        assert_eq!(shown.added(&dir).unwrap(), ["[c0-0] new"]);
    }
}
