//! How many clusters the tests of one process have at a time: most of a test is waiting, but two cores are soon busy.

use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

/// More than two clusters with their chats would slow each other down beyond the limits of the tests.
const CLUSTERS_MAX: u32 = 2;

static CLUSTERS: Semaphore = Semaphore::const_new(CLUSTERS_MAX as usize);

static STARTS: Mutex<()> = Mutex::const_new(());

/// Kept while a cluster runs.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "gives the turn back when dropped")] SemaphorePermit<'static>);

impl Turn {
    pub(crate) async fn take() -> Self {
        Self::of(1).await
    }

    /// Nobody else has a cluster.
    pub(crate) async fn take_all() -> Self {
        Self::of(CLUSTERS_MAX).await
    }

    async fn of(count: u32) -> Self {
        Self(CLUSTERS.acquire_many(count).await.expect("the semaphore is never closed"))
    }
}

/// Kept while a cluster starts: two that look for free ports at the same moment may find the same ones.
pub(crate) async fn to_start() -> MutexGuard<'static, ()> {
    STARTS.lock().await
}
