//! What this process asks of the operating system about itself.

use std::io;
use std::path::Path;

use rustix::process::{Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};

/// Asks for SIGKILL when the parent ends. Call from the main thread, before others start: the kernel ties the request
/// to the thread that makes it. Errors if the parent is gone already.
pub fn die_with_parent() -> io::Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the request; then this process has another parent by now.
    if parent.is_none() || getppid() != parent {
        return Err(io::Error::other("the process that started this replica has ended"));
    }
    Ok(())
}

/// Raises the soft limit of open files to the hard one; returns it.
pub fn raise_open_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// Reads a secret that another process wrote; white space around it does not count.
pub fn read_secret(path: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        io::Error::new(error.kind(), format!("failed to read the secret {}: {error}", path.display()))
    })?;
    let text = text.trim();
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the secret {} is empty", path.display())));
    }
    Ok(text.to_owned())
}

/// This process's id.
pub fn id() -> u32 {
    std::process::id()
}
