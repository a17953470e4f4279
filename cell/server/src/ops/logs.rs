//! Structured logs on standard error, as text or JSON.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::options::LogFormat;

/// Starts logging for the process. Errors on a filter that cannot be read.
pub fn start(filter: &str, format: LogFormat) -> io::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("the log filter `{filter}` is wrong: {error}"))
    })?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match format {
        LogFormat::Text => logs.with_ansi(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    started.map_err(io::Error::other)
}
