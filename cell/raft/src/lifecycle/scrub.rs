//! Reads the whole state file now and then, so that damage is found while the other replicas are whole.

use std::sync::Arc;
use std::time::Duration;

use super::Running;
use crate::runtime::run_blocking;
use crate::volume::{core_error, guarded};

/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(3600);

/// One chunk in this time is 8 MiB/s: a gigabyte in two minutes, unnoticed beside the load.
const CHUNK_PERIOD: Duration = Duration::from_millis(125);
const CHUNK_BYTES: usize = 1 << 20;

pub(super) async fn run(running: Arc<Running>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        if let Err(error) = round(&running).await {
            return running.faults.raise_io("the scrub found the state file damaged", &error);
        }
    }
}

/// Every row of the last checkpoint is read; the core checks each.
async fn round(running: &Running) -> std::io::Result<()> {
    let reader = Arc::new(running.machine.read(cell_core::State::snapshot).map_err(core_error)?);
    let mut after = None;
    loop {
        let reader = reader.clone();
        let read = move || guarded(|| reader.chunk(after.as_deref(), CHUNK_BYTES).map_err(core_error));
        let Some(next) = run_blocking(read).await?.next else { return Ok(()) };
        after = Some(next);
        tokio::time::sleep(CHUNK_PERIOD).await;
    }
}
