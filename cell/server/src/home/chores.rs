//! What the leader does by itself: writes acks, keeps the keyring, sweeps mailboxes; and what it stops doing when it
//! does not lead any more.

use std::sync::Arc;
use std::time::Duration;

use cell_core::record::{Acknowledge, Sweep};
use cell_core::{Command, Reply};
use cell_raft::Role;
use cell_raft::runtime::spawn;
use cell_types::PlacementKey;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::acks::FLUSH_INTERVAL;
use super::keyring::Keys;
use super::service::Home;

/// A sweep of the whole key space begins this often: what it removes is days old.
const SWEEP_PERIOD: Duration = Duration::from_secs(600);

/// Users and conversations of one entry: a few milliseconds of work in `apply`.
const SWEEP_ENTITIES_MAX: u32 = 256;

/// How often the keyring is looked at.
const KEYRING_PERIOD: Duration = Duration::from_secs(1);

/// A connected device is marked as seen this often; devices are forgotten after days.
const SEEN_PERIOD: Duration = Duration::from_secs(3600);

impl Home {
    /// Runs until the process ends.
    pub fn start_chores(self: &Arc<Self>, keys: Keys) {
        spawn(self.clone().flush_acks());
        spawn(self.clone().keep_keyring(keys));
        spawn(self.clone().sweep());
        spawn(self.clone().watch_leadership());
    }

    fn leads(&self) -> bool {
        self.replica.status().borrow().role == Role::Leader
    }

    async fn flush_acks(self: Arc<Self>) {
        let mut ticks = interval(FLUSH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Instant::now();
        loop {
            ticks.tick().await;
            if seen.elapsed() >= SEEN_PERIOD {
                seen = Instant::now();
                self.note_connected();
            }
            let devices = self.lock().acks.take();
            if devices.is_empty() {
                continue;
            }
            let command = Command::Acknowledge(Acknowledge { devices: devices.clone() });
            if let Err(error) = self.replica.propose(command).await {
                tracing::debug!(%error, "acks were not written now");
                if self.leads() {
                    self.lock().acks.put_back(devices);
                }
            }
        }
    }

    fn note_connected(&self) {
        let mut inner = self.lock();
        let super::service::Inner { table, acks } = &mut *inner;
        for subscription in table.iter() {
            acks.note(&subscription.user, &subscription.device, subscription.acked());
        }
    }

    async fn keep_keyring(self: Arc<Self>, keys: Keys) {
        let mut ticks = interval(KEYRING_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !self.leads() || self.replica.read_index().await.is_err() {
                continue;
            }
            // The keyring is led by placement key 0: only its owner keeps it.
            let known = self.replica.query(|state| {
                let owner = state.ranges().iter().any(|(range, _)| range.contains(PlacementKey::CLUSTER));
                owner.then(|| state.signing_keys()).transpose()
            });
            let Some(known) = known.flatten() else { continue };
            if let Some(step) = keys.next_step(&known, self.clock.now())
                && let Err(error) = self.replica.propose(step).await
            {
                tracing::debug!(%error, "the keyring was not changed now");
            }
        }
    }

    async fn sweep(self: Arc<Self>) {
        let mut ticks = interval(SWEEP_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once, while the cell has better things to do.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let mut from = Vec::new();
            while self.leads() {
                let sweep = Command::Sweep(Sweep { from: std::mem::take(&mut from), entities_max: SWEEP_ENTITIES_MAX });
                match self.replica.propose(sweep).await {
                    Ok(Reply::Swept { next }) if !next.is_empty() => from = next,
                    Ok(_) => break,
                    Err(error) => {
                        tracing::debug!(%error, "a sweep ended early");
                        break;
                    }
                }
            }
        }
    }

    async fn watch_leadership(self: Arc<Self>) {
        let mut status = self.replica.status();
        let mut term_led = None;
        loop {
            let leads = {
                let status = status.borrow_and_update();
                (status.role == Role::Leader).then_some(status.term)
            };
            if leads != term_led {
                // Sessions of a former term re-subscribe: their gateways saw the change as well.
                if term_led.is_some() {
                    self.abdicate();
                }
                term_led = leads;
            }
            if status.changed().await.is_err() {
                return;
            }
        }
    }
}
