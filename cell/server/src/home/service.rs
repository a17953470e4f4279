//! The home as a service: takes what gateways say, tells them what happened.

use std::sync::{Arc, Mutex, MutexGuard};

use cell_core::Effect;
use cell_core::view::MailboxPage;
use cell_gateway::home::{FromHome, SessionId, ToHome};
use cell_raft::seams::Clock;
use cell_raft::{EffectSink, Replica};
use cell_types::Useq;
use tokio::sync::watch;

use super::acks::PendingAcks;
use super::convert;
use super::execute::Asked;
use super::outlet::{LinkId, Outlet};
use super::table::{Place, Table};
use crate::ops::Meters;

/// Entries of one read of a mailbox: a window's worth is read in a few.
const ENTRIES_PER_READ_MAX: usize = 128;
/// Bytes of one read of a mailbox.
const BYTES_PER_READ_MAX: usize = 256 << 10;

/// The leader-side service of a cell. Every replica has one; only the leader's holds sessions.
pub struct Home {
    pub(super) replica: Replica,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) meters: Arc<Meters>,
    inner: Mutex<Inner>,
    keyring_changed: watch::Sender<u64>,
    cell_changed: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) table: Table,
    pub(super) acks: PendingAcks,
}

/// What the metrics show of a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    pub sessions: usize,
    pub acks_waiting: usize,
}

/// Connects a replica's effects to the home that is made after it.
#[derive(Default)]
pub struct HomeSlot(std::sync::OnceLock<Arc<Home>>);

impl HomeSlot {
    fn fill(&self, home: &Arc<Home>) {
        assert!(self.0.set(home.clone()).is_ok(), "a slot is filled once");
    }
}

impl EffectSink for HomeSlot {
    fn applied(&self, effects: Vec<Effect>) {
        // Effects from before the home exists are those of replay: nobody is subscribed yet.
        if let Some(home) = self.0.get() {
            home.applied(effects);
        }
    }
}

impl Home {
    pub fn new(replica: Replica, clock: Arc<dyn Clock>, meters: Arc<Meters>, slot: &HomeSlot) -> Arc<Self> {
        let home = Arc::new(Self {
            replica,
            clock,
            meters,
            inner: Mutex::default(),
            keyring_changed: watch::Sender::new(0),
            cell_changed: watch::Sender::new(0),
        });
        slot.fill(&home);
        home
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic happens under this lock")
    }

    /// Takes a message of a gateway's session, in the order of the link. Never blocks.
    pub fn take(self: &Arc<Self>, link: LinkId, outlet: &Arc<dyn Outlet>, message: ToHome) {
        match message {
            ToHome::Open(open) => self.open(link, outlet, open),
            ToHome::Acknowledge { session, upto } => self.acknowledge((link, session), upto),
            ToHome::Command { session, trace, request, user, command } => {
                let asked = Asked { trace, session, request };
                self.execute(outlet, asked, user, command);
            }
            ToHome::Close { session } => {
                self.lock().table.remove((link, session));
            }
        }
    }

    /// A gateway's link broke: its sessions are gone from here, and come back over the next one.
    pub fn drop_link(&self, link: LinkId) {
        self.lock().table.remove_link(link);
    }

    /// This replica does not lead any more: sessions re-subscribe at the new leader.
    pub(super) fn abdicate(&self) {
        let mut inner = self.lock();
        inner.acks.clear();
        // Whoever subscribed meanwhile, because this replica leads again, asks anew as well.
        for ((_, session), gone) in inner.table.drain() {
            gone.outlet.push(FromHome::NotNow { session });
        }
    }

    pub fn stats(&self) -> Stats {
        let inner = self.lock();
        Stats { sessions: inner.table.len(), acks_waiting: inner.acks.len() }
    }

    /// Counts up whenever the signing keys changed.
    pub fn keyring_changes(&self) -> watch::Receiver<u64> {
        self.keyring_changed.subscribe()
    }

    /// Counts up whenever the cell's ranges, settings or replicas changed.
    pub fn cell_changes(&self) -> watch::Receiver<u64> {
        self.cell_changed.subscribe()
    }

    fn acknowledge(self: &Arc<Self>, place: Place, upto: Useq) {
        let mut inner = self.lock();
        let Inner { table, acks } = &mut *inner;
        let Some(subscription) = table.get_mut(place) else { return };
        if !subscription.acknowledges(upto) {
            return;
        }
        acks.note(&subscription.user, &subscription.device, subscription.acked());
        let behind = subscription.wants_more();
        drop(inner);
        if behind {
            self.catch_up(place);
        }
    }

    /// Sends what is in the mailbox and fits the window, until the session has everything or its window is full.
    pub(super) fn catch_up(&self, place: Place) {
        loop {
            let (user, after, (entries_max, bytes_max)) = {
                let mut inner = self.lock();
                match inner.table.get_mut(place) {
                    Some(subscription) if subscription.wants_more() => {
                        (subscription.user.clone(), subscription.sent(), subscription.room())
                    }
                    _ => return,
                }
            };
            let (entries_max, bytes_max) = (entries_max.min(ENTRIES_PER_READ_MAX), bytes_max.min(BYTES_PER_READ_MAX));
            let page = self.replica.query(|state| state.mailbox(&user, after, entries_max, bytes_max));
            let entries = match page {
                Some(MailboxPage::Entries(entries)) => entries,
                Some(MailboxPage::Trimmed) => {
                    if let Some(gone) = self.lock().table.remove(place) {
                        gone.outlet.push(FromHome::Trimmed { session: place.1 });
                    }
                    return;
                }
                // The replica stops: this session finds the next leader.
                None => return,
            };
            if entries.is_empty() {
                return;
            }
            let mut inner = self.lock();
            let Some(subscription) = inner.table.get_mut(place).filter(|subscription| subscription.sent() == after)
            else {
                // Somebody else sent meanwhile: start over from where the session is now.
                drop(inner);
                continue;
            };
            let mut events = Vec::with_capacity(entries.len());
            for (useq, entry) in &entries {
                subscription.sends(*useq, convert::frame_len(entry));
                events.push(convert::event(*useq, entry));
            }
            self.meters.events_sent(events.len());
            subscription.outlet.push(FromHome::Events { session: place.1, events });
        }
    }

    fn applied(&self, effects: Vec<Effect>) {
        let mut inner = self.lock();
        let table = &mut inner.table;
        for effect in effects {
            match effect {
                Effect::Appended { user, useq, entry } => table.for_user(&user, |place, subscription| {
                    if subscription.hears(useq) {
                        subscription.sends(useq, convert::frame_len(&entry));
                        self.meters.events_sent(1);
                        let events = vec![convert::event(useq, &entry)];
                        subscription.outlet.push(FromHome::Events { session: place.1, events });
                    }
                }),
                Effect::Trimmed { user, floor } => {
                    let mut below = Vec::new();
                    table.for_user(&user, |place, subscription| {
                        if subscription.sent() < floor {
                            below.push(place);
                        }
                    });
                    for place in below {
                        close_trimmed(table, place);
                    }
                }
                Effect::KeyringChanged => self.keyring_changed.send_modify(|changes| *changes += 1),
                Effect::CellChanged => self.cell_changed.send_modify(|changes| *changes += 1),
            }
        }
    }
}

fn close_trimmed(table: &mut Table, place: Place) {
    let (_, session): (LinkId, SessionId) = place;
    if let Some(gone) = table.remove(place) {
        gone.outlet.push(FromHome::Trimmed { session });
    }
}
