//! What others want from a connection's task: messages from homes, resets, drains. Nothing is allocated while it is
//! empty.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use cell_protocol::CloseCode;
use cell_types::PlacementKey;
use futures_util::task::AtomicWaker;

use crate::home::FromHome;

/// Messages that wait for a connection's task. Homes send at most a window of events (512) and an answer to each
/// unanswered command (64); twice that, because after a failover an old home's may still be on the way; and some for
/// the rest. More is a fault of a home, and must not become ours.
const SIGNALS_MAX: usize = 2 * (512 + 64) + 64;

/// One message to a connection's task.
pub(crate) enum Signal {
    Home(FromHome),
    /// Homes of these keys changed.
    Reset(Arc<dyn Fn(PlacementKey) -> bool + Send + Sync>),
    Drain {
        within: Duration,
        why: &'static str,
    },
    Close(CloseCode),
}

/// One connection's.
#[derive(Default)]
pub(crate) struct Mailbox {
    signals: Mutex<VecDeque<Signal>>,
    waker: AtomicWaker,
}

impl Mailbox {
    pub(crate) fn push(&self, signal: Signal) {
        {
            let mut signals = self.signals();
            if signals.len() >= SIGNALS_MAX {
                signals.clear();
                signals.push_back(Signal::Close(CloseCode::Overload));
            } else if !matches!(signals.front(), Some(Signal::Close(_))) {
                signals.push_back(signal);
            }
        }
        self.wake();
    }

    /// Has the connection's task look at its mailbox and its deadlines.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// To be called before anything is looked at.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Everything that waits, in order.
    pub(crate) fn take(&self) -> VecDeque<Signal> {
        std::mem::take(&mut *self.signals())
    }

    fn signals(&self) -> MutexGuard<'_, VecDeque<Signal>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::SessionId;

    #[test]
    fn a_home_that_sends_without_end_costs_the_connection_and_no_more_memory() {
        let mailbox = Mailbox::default();
        for _ in 0..10 * SIGNALS_MAX {
            mailbox.push(Signal::Home(FromHome::NotNow { session: SessionId(1) }));
        }
        let signals = mailbox.take();
        assert_eq!(signals.len(), 1);
        assert!(matches!(signals[0], Signal::Close(CloseCode::Overload)));
    }
}
