//! One timer wheel for the process: coarse ticks, O(1) to arm, nothing to disarm.
//!
//! An entry only wakes a connection's task, which looks at its own deadlines; activity just moves those. So a busy
//! connection arms an entry now and then, not with every frame.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::mailbox::Mailbox;

/// How late a deadline may be noticed. The shortest ones are 100 ms retries.
const TICK_MS: u64 = 100;

/// One turn of the wheel is 51 s, so the usual deadlines (25 s heartbeat, 50 s idle) need one entry; later ones are
/// looked at once a turn.
const SLOTS: usize = 512;

pub(crate) struct Wheel {
    start: Instant,
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    slots: Box<[Vec<Arc<Mailbox>>]>,
    /// Slots up to this tick have fired.
    fired: u64,
    /// The tick that the task waits for; `u64::MAX` only while no entry is armed.
    waits_for: u64,
    is_stopped: bool,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        let inner = Inner { slots, fired: 0, waits_for: u64::MAX, is_stopped: false };
        Self { start: Instant::now(), inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// Milliseconds since the wheel was made; never jumps.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Wakes the mailbox's task at `at_ms` or up to a tick later; not later than a turn of the wheel from now. Returns
    /// when that will be.
    pub(crate) fn arm(&self, at_ms: u64, mailbox: &Arc<Mailbox>) -> u64 {
        let now = self.now_ms() / TICK_MS;
        let mut inner = self.inner();
        if inner.waits_for == u64::MAX {
            // Empty: the ticks that nobody waited for have passed.
            inner.fired = inner.fired.max(now);
        }
        let first = inner.fired.max(now) + 1;
        let last = inner.fired + SLOTS as u64;
        let tick = at_ms.div_ceil(TICK_MS).max(first).min(last);
        inner.slots[slot(tick)].push(Arc::clone(mailbox));
        if tick < inner.waits_for {
            inner.waits_for = tick;
            self.changed.notify_one();
        }
        tick * TICK_MS
    }

    /// Fires entries until [`Self::stop`].
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let waits_for = {
                let mut inner = self.inner();
                if inner.is_stopped {
                    return;
                }
                inner.waits_for = inner.next_tick().unwrap_or(u64::MAX);
                inner.waits_for
            };
            if waits_for == u64::MAX {
                self.changed.notified().await;
            } else if timeout_at(self.instant(waits_for), self.changed.notified()).await.is_err() {
                for mailbox in self.fire(waits_for) {
                    mailbox.wake();
                }
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.inner().is_stopped = true;
        self.changed.notify_one();
    }

    fn fire(&self, upto: u64) -> Vec<Arc<Mailbox>> {
        let mut inner = self.inner();
        let mut due = Vec::new();
        // After a long pause of the process every slot is due, once.
        for tick in inner.fired + 1..=upto.min(inner.fired + SLOTS as u64) {
            due.append(&mut inner.slots[slot(tick)]);
        }
        inner.fired = inner.fired.max(upto);
        due
    }

    fn instant(&self, tick: u64) -> Instant {
        self.start + Duration::from_millis(tick * TICK_MS)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next_tick(&self) -> Option<u64> {
        (self.fired + 1..=self.fired + SLOTS as u64).find(|tick| !self.slots[slot(*tick)].is_empty())
    }
}

fn slot(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).expect("below the number of slots")
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    /// Waits until the mailbox is woken.
    async fn woken(mailbox: &Mailbox) {
        let mut is_first = true;
        poll_fn(|cx| {
            mailbox.register(cx.waker());
            if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    fn wheel() -> Arc<Wheel> {
        let wheel = Arc::new(Wheel::new());
        tokio::spawn(Arc::clone(&wheel).run());
        wheel
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_fires_at_its_time_or_up_to_a_tick_later() {
        let wheel = wheel();
        for at_ms in [1, 99, 100, 101, 5_000, 25_000] {
            let mailbox = Arc::new(Mailbox::default());
            let due = wheel.now_ms() + at_ms;
            let said = wheel.arm(due, &mailbox);
            woken(&mailbox).await;
            assert!((due..=due + TICK_MS).contains(&wheel.now_ms()), "{at_ms}: due {due}, was {}", wheel.now_ms());
            assert_eq!(said, wheel.now_ms());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_entry_does_not_wait_for_a_later_one() {
        let wheel = wheel();
        let (late, early) = (Arc::new(Mailbox::default()), Arc::new(Mailbox::default()));
        wheel.arm(40_000, &late);
        tokio::task::yield_now().await;
        wheel.arm(1_000, &early);
        woken(&early).await;
        assert_eq!(wheel.now_ms(), 1_000);
        woken(&late).await;
        assert_eq!(wheel.now_ms(), 40_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_beyond_a_turn_is_looked_at_after_a_turn() {
        let wheel = wheel();
        let mailbox = Arc::new(Mailbox::default());
        wheel.arm(u64::MAX, &mailbox);
        woken(&mailbox).await;
        assert_eq!(wheel.now_ms(), SLOTS as u64 * TICK_MS);
    }

    #[tokio::test(start_paused = true)]
    async fn entries_armed_after_a_quiet_time_fire_on_time() {
        let wheel = wheel();
        tokio::time::sleep(Duration::from_secs(1000)).await;
        let mailbox = Arc::new(Mailbox::default());
        let due = wheel.now_ms() + 300;
        wheel.arm(due, &mailbox);
        woken(&mailbox).await;
        assert_eq!(wheel.now_ms(), due);
    }
}
