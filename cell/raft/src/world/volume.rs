//! A volume in memory that survives its process, and fails on demand.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use crate::seams::Volume;

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<String, Arc<Mutex<Vec<u8>>>>,
    /// Handles of an earlier process are dead.
    power: u64,
    sync_fails: bool,
    is_full: bool,
    syncs: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryVolume(Arc<Mutex<Disk>>);

impl MemoryVolume {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// The process is gone: its handles fail from now on.
    pub(crate) fn cut_power(&self) {
        self.disk().power += 1;
    }

    pub(crate) fn wipe(&self) {
        self.disk().files.clear();
    }

    pub(crate) fn fail_syncs(&self, fails: bool) {
        self.disk().sync_fails = fails;
    }

    pub(crate) fn fill_up(&self, full: bool) {
        self.disk().is_full = full;
    }

    /// A copy of all files as they are now.
    pub(crate) fn copy(&self) -> BTreeMap<String, Vec<u8>> {
        self.disk().files.iter().map(|(name, file)| (name.clone(), file.lock().unwrap().clone())).collect()
    }

    pub(crate) fn put_back(&self, files: BTreeMap<String, Vec<u8>>) {
        self.disk().files = files.into_iter().map(|(name, bytes)| (name, Arc::new(Mutex::new(bytes)))).collect();
    }

    /// Changes a file behind the process' back.
    pub(crate) fn damage(&self, name: &str, damage: impl FnOnce(&mut Vec<u8>)) {
        damage(&mut self.disk().files[name].lock().unwrap());
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.disk().files.keys().cloned().collect()
    }
}

impl Volume for MemoryVolume {
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        let mut disk = self.disk();
        let power = disk.power;
        let file = disk.files.entry(name.to_owned()).or_default().clone();
        Ok(Box::new(Handle { volume: self.clone(), file, power }))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(self.disk().files.contains_key(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        let file = disk.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk().files.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[derive(Debug)]
struct Handle {
    volume: MemoryVolume,
    file: Arc<Mutex<Vec<u8>>>,
    power: u64,
}

impl Handle {
    fn check(&self, grows: bool) -> io::Result<()> {
        let disk = self.volume.disk();
        if disk.power != self.power {
            return Err(io::Error::other("power lost"));
        }
        if grows && disk.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

fn place(offset: u64, len: usize) -> std::ops::Range<usize> {
    let start = usize::try_from(offset).unwrap();
    start..start + len
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.check(false)?;
        Ok(self.file.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check(false)?;
        let file = self.file.lock().unwrap();
        let bytes = file.get(place(offset, out.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut file = self.file.lock().unwrap();
        self.check(len > file.len() as u64)?;
        file.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check(false)?;
        let mut disk = self.volume.disk();
        disk.syncs += 1;
        if disk.sync_fails { Err(io::Error::other("fsync failed")) } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(true)?;
        let mut file = self.file.lock().unwrap();
        let bytes = file.get_mut(place(offset, data.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(data);
        Ok(())
    }
}
