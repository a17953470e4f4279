//! What waits to be written to a link: taken whole, so that one write carries everything that came up meanwhile.

use std::sync::Mutex;

use tokio::sync::Notify;

/// A queue that its users bound: a session has a window and a number of unanswered commands.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: Mutex<Vec<T>>,
    filled: Notify,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), filled: Notify::new() }
    }
}

impl<T> Queue<T> {
    pub(super) fn push(&self, item: T) {
        let first = {
            let mut waiting = self.waiting.lock().expect("no panic happens under this lock");
            waiting.push(item);
            waiting.len() == 1
        };
        if first {
            self.filled.notify_one();
        }
    }

    /// Waits until something is there and takes all of it.
    pub(super) async fn take(&self) -> Vec<T> {
        loop {
            let taken = std::mem::take(&mut *self.waiting.lock().expect("no panic happens under this lock"));
            if !taken.is_empty() {
                return taken;
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_pushed_comes_out_together_and_in_order() {
        let queue = Queue::default();
        queue.push(1);
        queue.push(2);
        assert_eq!(queue.take().await, [1, 2]);
        queue.push(3);
        assert_eq!(queue.take().await, [3]);
    }
}
