//! A process: a scope of tasks that can be killed, through the runtime's hook.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::runtime::{self, Hook};

thread_local! {
    static CURRENT: RefCell<Option<Process>> = const { RefCell::new(None) };
}

#[derive(Clone)]
pub(crate) struct Process {
    killed: Arc<watch::Sender<bool>>,
}

impl Process {
    pub(crate) fn new() -> Self {
        Self { killed: Arc::new(watch::Sender::new(false)) }
    }

    /// Every task of the process is dropped where it stands.
    pub(crate) fn kill(&self) {
        self.killed.send_replace(true);
    }

    /// Runs inside the process; what it spawns belongs to it.
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = CURRENT.with(|current| current.borrow_mut().replace(self.clone()));
        let output = work();
        CURRENT.with(|current| *current.borrow_mut() = before);
        output
    }

    pub(crate) async fn scope<F: Future>(self, task: F) -> Option<F::Output> {
        let mut killed = self.killed.subscribe();
        let mut task = Box::pin(task);
        let scoped = std::future::poll_fn(|context| self.enter(|| task.as_mut().poll(context)));
        tokio::select! {
            biased;
            _ = killed.wait_for(|killed| *killed) => None,
            output = scoped => Some(output),
        }
    }
}

struct Scopes(Cell<u64>);

impl Hook for Scopes {
    fn scope(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let Some(process) = CURRENT.with(|current| current.borrow().clone()) else { return task };
        Box::pin(async move {
            process.scope(task).await;
        })
    }

    fn seed(&self) -> u64 {
        self.0.set(self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        self.0.get()
    }
}

/// From here on blocking work runs inline and random numbers repeat on this thread.
pub(super) fn install(seed: u64) {
    runtime::install(Some(Rc::new(Scopes(Cell::new(seed)))));
}
