//! Setting a volume's files aside: they stay until the cell has committed this replica's replacement.

use std::io;

use super::{CORRUPT_MARKER, DIVERGED_MARKER, INCOMING_FILE, LOG_FILE, STATE_FILE};
use crate::seams::Volume;

const PREFIX: &str = "set-aside-";

/// Renames every file of the volume to `set-aside-<n>.<name>`. The next open finds an empty volume.
pub(crate) fn set_aside(volume: &dyn Volume) -> io::Result<String> {
    let number = numbers(volume)?.max().unwrap_or(0) + 1;
    // A half-received snapshot proves nothing; a marker has said what it had to say.
    for name in [INCOMING_FILE, CORRUPT_MARKER, DIVERGED_MARKER] {
        if volume.exists(name)? && name == INCOMING_FILE {
            volume.remove(name)?;
        }
    }
    // The log goes last: while it is there, an interrupted setting-aside is begun again.
    for name in [STATE_FILE, LOG_FILE] {
        if volume.exists(name)? {
            volume.rename(name, &format!("{PREFIX}{number}.{name}"))?;
        }
    }
    for name in [CORRUPT_MARKER, DIVERGED_MARKER] {
        if volume.exists(name)? {
            volume.remove(name)?;
        }
    }
    Ok(format!("{PREFIX}{number}"))
}

/// The cell has this replica back: what was set aside is of no more use.
pub(crate) fn remove_set_aside(volume: &dyn Volume) -> io::Result<usize> {
    let names: Vec<_> = volume.list()?.into_iter().filter(|name| name.starts_with(PREFIX)).collect();
    for name in &names {
        volume.remove(name)?;
    }
    Ok(names.len())
}

/// Leaves a durable note for the next start.
pub(crate) fn mark(volume: &dyn Volume, marker: &str, reason: &str) -> io::Result<()> {
    let fresh = format!("new.{marker}");
    let file = volume.open(&fresh)?;
    file.set_len(reason.len() as u64)?;
    file.write(0, reason.as_bytes())?;
    file.sync_data()?;
    drop(file);
    volume.rename(&fresh, marker)
}

/// What a marker says, if it is there.
pub(super) fn marked(volume: &dyn Volume, marker: &str) -> io::Result<Option<String>> {
    if !volume.exists(marker)? {
        return Ok(None);
    }
    let file = volume.open(marker)?;
    /// A sentence.
    const REASON_LEN_MAX: u64 = 4096;
    let mut reason = vec![0; usize::try_from(file.len()?.min(REASON_LEN_MAX)).expect("small")];
    file.read(0, &mut reason)?;
    Ok(Some(String::from_utf8_lossy(&reason).into_owned()))
}

fn numbers(volume: &dyn Volume) -> io::Result<impl Iterator<Item = u32>> {
    let names = volume.list()?;
    Ok(names.into_iter().filter_map(|name| name.strip_prefix(PREFIX)?.split('.').next()?.parse().ok()))
}
