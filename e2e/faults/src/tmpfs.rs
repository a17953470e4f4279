//! A small disk: a tmpfs mounted on a replica's folder, filled up and emptied at will.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// What takes the space that others should not have.
const BALLAST: &str = "ballast";

/// Written at a time, down to single bytes when space gets short.
const CHUNK: usize = 64 * 1024;

/// A mounted tmpfs; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Creates the folder and mounts `size_mib` MiB on it. Needs root.
    pub fn mount(folder: &Path, size_mib: u32) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let size = format!("size={size_mib}m,mode=0700");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).status()?;
        anyhow::ensure!(done.success(), "failed to mount a tmpfs on {}: {done}", folder.display());
        Ok(Self { folder: folder.to_owned() })
    }

    /// Takes all the space that is left.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::options().append(true).create(true).open(self.ballast())?;
        let mut len = CHUNK;
        while len > 0 {
            match ballast.write(&vec![b'x'; len]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => len /= 2,
                Err(error) => return Err(error).context("failed to fill the disk"),
            }
        }
        Ok(())
    }

    /// Gives the space back.
    pub fn free(&self) -> anyhow::Result<()> {
        fs::remove_file(self.ballast()).context("failed to free the disk")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join(BALLAST)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a process of the cluster may still be on its way out.
        let done = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        if !done.as_ref().is_ok_and(std::process::ExitStatus::success) {
            eprintln!("failed to unmount {}: {done:?}", self.folder.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::may_administer;

    #[test]
    fn a_small_disk_is_full_until_it_is_freed() {
        if !may_administer("mounting a tmpfs") {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let disk = SmallDisk::mount(&path, 1).unwrap();
        disk.fill().unwrap();
        assert_eq!(fs::write(path.join("a"), b"a").unwrap_err().kind(), ErrorKind::StorageFull);
        disk.free().unwrap();
        fs::write(path.join("a"), b"a").unwrap();
        drop(disk);
        assert!(!path.join("a").exists());
    }
}
