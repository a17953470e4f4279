//! A store in one file: a line for each record, appended; rewritten when most of it is history.
//!
//! Line: 16 hexadecimal digits of XXH3-64 over the rest, a space, the record as JSON, LF.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::record::RecordWire;
use super::{Durability, Error, Record, Saved, Store};

/// Bytes of history that are always tolerated, so that a small outbox is not rewritten at every answer.
const HISTORY_LEN_MIN: usize = 64 * 1024;

/// How many times the size of what is alive the file may grow to: a rewrite then costs a fraction of the appends.
const GROWTH_MAX: usize = 4;

/// Characters of the checksum and the space behind it.
const CHECKSUM_LEN: usize = 17;

/// One client's state in one file.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
    /// Held for its lock, which ends with the process.
    _lock: File,
    saved: Saved,
    len: usize,
    /// Length right after the last rewrite.
    compact_len: usize,
}

impl FileStore {
    /// Opens or creates the file. What a crash left half-written at its end is dropped: it was never acted upon.
    ///
    /// # Errors
    /// When the file cannot be read and written, or another client has it open.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let at = |source| Error::Io { path: path.display().to_string(), source };
        let lock = File::create(beside(&path, "lock")).map_err(at)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.display().to_string() }),
            Err(TryLockError::Error(source)) => return Err(at(source)),
        }
        let saved = read(&path).map_err(at)?;
        // Written anew, the file ends with a whole line, so that what is appended is never part of a torn one.
        let (file, len) = rewrite(&path, &saved).map_err(at)?;
        Ok(Self { path, file, _lock: lock, saved, len, compact_len: len })
    }

    fn try_append(&mut self, records: &[Record], durability: Durability) -> io::Result<()> {
        let lines = to_lines(records)?;
        self.file.write_all(&lines)?;
        if durability == Durability::Synced {
            self.file.sync_data()?;
        }
        records.iter().for_each(|record| self.saved.apply(record));
        self.len += lines.len();
        if self.len > self.compact_len * GROWTH_MAX + HISTORY_LEN_MIN {
            (self.file, self.len) = rewrite(&self.path, &self.saved)?;
            self.compact_len = self.len;
        }
        Ok(())
    }
}

impl Store for FileStore {
    fn load(&self) -> Saved {
        self.saved.clone()
    }

    fn append(&mut self, records: &[Record], durability: Durability) -> Result<(), Error> {
        self.try_append(records, durability)
            .map_err(|source| Error::Io { path: self.path.display().to_string(), source })
    }
}

/// Adds up every whole line. A broken one is skipped, not the end: un-synced pages reach the disk in any order, and a
/// removal that is lost only costs a repeat.
fn read(path: &Path) -> io::Result<Saved> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Saved::default()),
        Err(error) => return Err(error),
    };
    let mut saved = Saved::default();
    let mut broken = 0_usize;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match from_line(line) {
            Some(record) => saved.apply(&record),
            None => broken += 1,
        }
    }
    if broken > 0 {
        tracing::warn!(path = %path.display(), lines = broken, "skipped broken lines of the outbox");
    }
    Ok(saved)
}

/// Replaces the file in one step: a crash leaves the old one or the new one.
fn rewrite(path: &Path, saved: &Saved) -> io::Result<(File, usize)> {
    let lines = to_lines(&saved.to_records())?;
    let new_path = beside(path, "new");
    let mut new = File::create(&new_path)?;
    new.write_all(&lines)?;
    new.sync_all()?;
    std::fs::rename(&new_path, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok((OpenOptions::new().append(true).open(path)?, lines.len()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn to_lines(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        let wire = RecordWire::new(record).ok_or(io::ErrorKind::InvalidData)?;
        let json = serde_json::to_vec(&wire)?;
        write!(lines, "{:016x} ", xxh3_64(&json))?;
        lines.extend_from_slice(&json);
        lines.push(b'\n');
    }
    Ok(lines)
}

fn from_line(line: &[u8]) -> Option<Record> {
    let (checksum, json) = line.split_at_checked(CHECKSUM_LEN)?;
    let checksum = str::from_utf8(checksum).ok()?.strip_suffix(' ')?;
    if u64::from_str_radix(checksum, 16).ok()? != xxh3_64(json) {
        return None;
    }
    serde_json::from_slice::<RecordWire<'_>>(json).ok()?.into_record()
}

#[cfg(test)]
mod tests {
    use cell_protocol::Resume;
    use cell_types::{MessageId, Timestamp, Useq};

    use super::*;
    use crate::body::to_body;
    use crate::store::SavedSend;

    fn send(n: u128) -> Record {
        let body = to_body(&format!("message {n}")).unwrap();
        let to = "bob".parse::<cell_types::UserId>().unwrap().into();
        Record::Send(SavedSend { mid: MessageId::from_u128(n), to, body, tried: None })
    }

    fn done(n: u128) -> Record {
        Record::Done(MessageId::from_u128(n))
    }

    fn mids(store: &FileStore) -> Vec<u128> {
        store.load().sends.iter().map(|send| send.mid.as_u128()).collect()
    }

    #[test]
    fn what_was_appended_is_there_after_a_restart_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mut store = FileStore::open(&path).unwrap();
        let tried = Record::Tried { mid: MessageId::from_u128(2), at: Timestamp::from_millis(7) };
        let cursor = Record::Cursor(Resume { ep: "k1".into(), useq: Useq::new(9) });
        let user = Record::User("alice".parse().unwrap());
        store.append(&[user, send(1), send(2), send(3), done(1), tried, cursor], Durability::Synced).unwrap();
        let before = store.load();
        drop(store);

        let store = FileStore::open(&path).unwrap();
        assert_eq!(store.load(), before);
        assert_eq!(mids(&store), [2, 3]);
        assert_eq!(before.sends[0].tried, Some(Timestamp::from_millis(7)));
        assert_eq!(before.user, Some("alice".parse().unwrap()));
        assert_eq!(before.cursor, Some(Resume { ep: "k1".into(), useq: Useq::new(9) }));
    }

    #[test]
    fn a_file_torn_at_any_byte_gives_the_whole_records_before_the_tear_and_takes_new_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let lines = to_lines(&[send(1), send(2)]).unwrap();
        let first_len = to_lines(&[send(1)]).unwrap().len();
        // Every place near an end of a line, some of the rest: each costs a few writes to the disk.
        let near_an_end = |at: usize| [0, first_len, lines.len()].iter().any(|end| at.abs_diff(*end) < 4);
        for torn in (0..lines.len()).filter(|at| at % 11 == 0 || near_an_end(*at)) {
            std::fs::write(&path, &lines[..torn]).unwrap();
            let mut store = FileStore::open(&path).unwrap();
            // A line whose LF alone is missing is whole.
            let whole = usize::from(torn + 1 >= first_len) + usize::from(torn + 1 >= lines.len());
            assert_eq!(mids(&store).len(), whole, "torn at {torn}");
            store.append(&[send(3)], Durability::Synced).unwrap();
            drop(store);
            assert_eq!(mids(&FileStore::open(&path).unwrap()).last(), Some(&3));
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_record_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mut bytes = to_lines(&[send(1), send(2), send(3)]).unwrap();
        let len = bytes.len();
        bytes[len / 2] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(mids(&FileStore::open(&path).unwrap()), [1, 3]);
    }

    #[test]
    fn the_file_stays_small_however_many_sends_went_through_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mut store = FileStore::open(&path).unwrap();
        store.append(&[send(1)], Durability::Lazy).unwrap();
        for n in 2..3_000 {
            store.append(&[send(n), done(n)], Durability::Lazy).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() < 128 * 1024);
        assert_eq!(mids(&store), [1]);
    }

    #[test]
    fn a_second_client_on_the_same_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let _first = FileStore::open(&path).unwrap();
        assert!(matches!(FileStore::open(&path), Err(Error::InUse { .. })));
    }
}
