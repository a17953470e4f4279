//! CPU time and memory of processes, as /proc tells them.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Milliseconds of a tick in /proc/PID/stat: USER_HZ is 100 on every Linux, whatever the kernel's own tick.
const TICK_MS: u64 = 10;

/// `utime` and `stime` in /proc/PID/stat, counted after the command's name: fields 14 and 15 of proc_pid_stat(5).
const UTIME_AFTER_NAME: usize = 11;

/// Reading /proc failed: mostly the process is gone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read {path}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} has not the expected form")]
    Form { path: String },
}

/// One look at a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSample {
    pub pid: u32,
    /// User and system time since it began.
    pub cpu_ms: u64,
    /// Resident memory.
    pub rss_kib: u64,
}

impl ProcessSample {
    pub fn take(pid: u32) -> Result<Self, Error> {
        let (stat, status) = (format!("/proc/{pid}/stat"), format!("/proc/{pid}/status"));
        let cpu_ms = cpu_ms(&read(&stat)?).ok_or(Error::Form { path: stat })?;
        let rss_kib = rss_kib(&read(&status)?).ok_or(Error::Form { path: status })?;
        Ok(Self { pid, cpu_ms, rss_kib })
    }

    /// Those of the processes that live.
    pub fn take_all(pids: &[u32]) -> Vec<Self> {
        pids.iter().filter_map(|pid| Self::take(*pid).ok()).collect()
    }
}

/// CPU time of this process so far; 0 where there is no /proc.
pub fn own_cpu_ms() -> u64 {
    ProcessSample::take(std::process::id()).map_or(0, |sample| sample.cpu_ms)
}

fn read(path: &str) -> Result<String, Error> {
    std::fs::read_to_string(Path::new(path)).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// The name is in brackets and may hold anything, so the fields are counted from its end.
fn cpu_ms(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(UTIME_AFTER_NAME);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * TICK_MS)
}

/// A zombie has no memory and no such line.
fn rss_kib(status: &str) -> Option<u64> {
    let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmRSS:")) else { return Some(0) };
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_brackets_in_its_name_is_read_correctly() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 1 0 5 6 7 18446744073709551615";
        assert_eq!(cpu_ms(stat), Some(3000));
    }

    #[test]
    fn this_process_has_memory() {
        let sample = ProcessSample::take(std::process::id()).unwrap();
        assert!(sample.rss_kib > 100, "{sample:?}");
    }

    #[test]
    fn a_process_that_is_gone_is_left_out() {
        assert_eq!(ProcessSample::take_all(&[u32::MAX]), []);
    }
}
