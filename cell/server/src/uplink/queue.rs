//! What waits to be written to a link: taken whole, so that one write carries everything that came up meanwhile.

use std::sync::Mutex;

use tokio::sync::Notify;

use super::weight::Weigh;

/// Bytes that wait at most. A link that cannot keep up ends, and its sessions go on over the next one from where they
/// are: better than memory for a window of every session.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// The queue of one link.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    filled: Notify,
}

#[derive(Debug)]
struct Waiting<T> {
    items: Vec<T>,
    bytes: usize,
    is_overfull: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let waiting = Waiting { items: Vec::new(), bytes: 0, is_overfull: false };
        Self { waiting: Mutex::new(waiting), filled: Notify::new() }
    }
}

impl<T: Weigh> Queue<T> {
    /// Never blocks; what comes after too much is dropped, because the link ends.
    pub(super) fn push(&self, item: T) {
        let wakes = {
            let mut waiting = self.waiting.lock().expect("no panic happens under this lock");
            if waiting.is_overfull {
                return;
            }
            waiting.bytes += item.weight();
            waiting.items.push(item);
            waiting.is_overfull = waiting.bytes > WAITING_BYTES_MAX;
            waiting.items.len() == 1 || waiting.is_overfull
        };
        if wakes {
            self.filled.notify_one();
        }
    }

    /// Waits until something is there and takes all of it. `None` once too much has come up.
    pub(super) async fn take(&self) -> Option<Vec<T>> {
        loop {
            {
                let mut waiting = self.waiting.lock().expect("no panic happens under this lock");
                if waiting.is_overfull {
                    return None;
                }
                if !waiting.items.is_empty() {
                    waiting.bytes = 0;
                    return Some(std::mem::take(&mut waiting.items));
                }
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for usize {
        fn weight(&self) -> usize {
            *self
        }
    }

    #[tokio::test]
    async fn what_was_pushed_comes_out_together_and_in_order() {
        let queue = Queue::default();
        queue.push(1usize);
        queue.push(2);
        assert_eq!(queue.take().await, Some(vec![1, 2]));
        queue.push(3);
        assert_eq!(queue.take().await, Some(vec![3]));
    }

    #[tokio::test]
    async fn a_link_that_cannot_keep_up_ends() {
        let queue = Queue::default();
        queue.push(WAITING_BYTES_MAX);
        assert_eq!(queue.take().await, Some(vec![WAITING_BYTES_MAX]));
        queue.push(WAITING_BYTES_MAX);
        queue.push(1);
        assert_eq!(queue.take().await, None);
        queue.push(1);
        assert_eq!(queue.take().await, None);
    }
}
