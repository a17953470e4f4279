//! One device of one user: connects, resumes, and goes on through whatever happens to the servers.

use std::sync::Arc;
use std::time::Duration;

use cell_protocol::CloseCode;
use tokio::sync::watch;

use super::link::{End, Link};
use super::outbox::Outbox;
use super::shared::{Phase, Shared, SharedPair, lock};
use crate::cast::Side;
use crate::chat::config::{Load, Senders};
use crate::check::{DeviceIndex, Kind};
use crate::clock::{Nanos, SECOND};
use crate::mix::{Dice, mix_all};
use crate::net::{Backoff, Buffers, connect};

/// What makes a device a sender.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) outbox: Outbox,
    /// Open loop: the first message's time after the start, and the time between two.
    pub(super) schedule: Option<(Nanos, Nanos)>,
    pub(super) last_ack: Nanos,
    /// A refusal for good: nothing more is sent.
    pub(super) is_broken: bool,
    /// All of `messages_per_sender` are out and answered.
    pub(super) is_finished: bool,
}

/// A device of one of a pair's users.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) shared: Arc<Shared>,
    pub(super) pair: Arc<SharedPair>,
    pub(super) index: DeviceIndex,
    pub(super) side: Side,
    pub(super) user: String,
    pub(super) peer: String,
    pub(super) name: String,
    pub(super) sender: Option<Sender>,
    pub(super) dice: Dice,
    pub(super) backoff: Backoff,
    pub(super) resume_token: Option<String>,
    /// Whether it was live before.
    pub(super) was_live: bool,
    pub(super) scratch: Vec<u8>,
    /// Lines that go out next.
    pub(super) out: Vec<u8>,
    url: usize,
}

impl Device {
    pub(super) fn new(shared: Arc<Shared>, pair: Arc<SharedPair>, index: DeviceIndex) -> Self {
        let (pair_index, side, device, user, peer) = {
            let pair = lock(&pair);
            let mailbox = pair.mailbox(index);
            let side = mailbox.side;
            (pair.index, side, mailbox.device, pair.name(side).to_owned(), pair.name(side.other()).to_owned())
        };
        let config = &shared.config;
        let place = mix_all(&[config.seed, u64::from(pair_index), side as u64, u64::from(device)]);
        let sends = device == 0 && (side == Side::A || config.senders == Senders::Both);
        let sender = sends.then(|| Sender {
            outbox: Outbox::default(),
            schedule: schedule(config.load, place),
            last_ack: 0,
            is_broken: false,
            is_finished: false,
        });
        Self {
            index,
            side,
            user,
            peer,
            name: crate::check::pair::device_name(device),
            sender,
            dice: Dice::new(place),
            backoff: Backoff::new(config.backoff_max_ms),
            resume_token: None,
            was_live: false,
            scratch: Vec::new(),
            out: Vec::new(),
            // Neighbours go to different servers, so each server has senders, recipients and pairs across servers.
            url: (pair_index as usize + index.0) % config.target.urls.len(),
            shared,
            pair,
        }
    }

    /// Until the run ends.
    pub(super) async fn run(mut self) {
        let mut phase = self.shared.phase.subscribe();
        let limit = Duration::from_millis(self.shared.config.answer_limit_ms);
        while *phase.borrow_and_update() != Phase::End {
            let openings = Arc::clone(&self.shared.openings);
            let permit = openings.acquire_owned().await.expect("the semaphore is never closed");
            let url = self.shared.config.target.urls[self.url].clone();
            match connect(&url, Buffers::Chat, limit).await {
                Ok(connection) => {
                    let end = Box::pin(Link::new(permit).hold(&mut self, connection, &mut phase)).await;
                    self.ended(end);
                }
                Err(error) => {
                    drop(permit);
                    let mut stats = self.shared.stats();
                    stats.counters.connect_failures += 1;
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                    stats.last_connect_error = Some(format!("{error}{cause}"));
                }
            }
            self.wait(&mut phase).await;
        }
    }

    /// The back-off, cut short by the run's end. The next attempt goes to any server.
    async fn wait(&mut self, phase: &mut watch::Receiver<Phase>) {
        let urls = self.shared.config.target.urls.len() as u64;
        self.url = self.dice.below(urls) as usize;
        let wait = self.backoff.next(&mut self.dice);
        // A run that ended while we waited is seen by the caller, and so is a sender that is gone.
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = phase.wait_for(|phase| *phase == Phase::End) => {}
        }
    }

    /// What the end of a connection means for the next one.
    fn ended(&mut self, end: End) {
        self.out.clear();
        if let Some(sender) = &mut self.sender {
            sender.outbox.disconnected();
        }
        let mut pair = lock(&self.pair);
        let mut stats = self.shared.stats();
        let code = match end {
            End::RunOver | End::Left => return,
            End::Silent => {
                stats.counters.timeouts += 1;
                return;
            }
            End::Broken => 1006,
            End::Closed(code) => code,
        };
        *stats.closes.entry(code).or_default() += 1;
        match code {
            _ if code == CloseCode::Replaced.code() => stats.counters.replaced += 1,
            4200..=4299 => self.resume_token = None,
            4300..=4399 => {
                pair.mailbox_mut(self.index).drop_cursor();
                // Nothing of a run is old enough to be trimmed.
                pair.blame(self.index, Kind::ResumeRefused, format_args!("closed with {code}"), &mut stats.violations);
            }
            4400..=4499 => {
                self.resume_token = None;
                pair.blame(self.index, Kind::WrongClose, format_args!("closed with {code}"), &mut stats.violations);
            }
            _ => {}
        }
    }
}

fn schedule(load: Load, place: u64) -> Option<(Nanos, Nanos)> {
    match load {
        Load::Closed { .. } => None,
        Load::Open { per_sender_per_s, .. } => {
            // A rate of one message in years is a schedule without a second message.
            let interval = ((SECOND as f64 / per_sender_per_s) as Nanos).max(1);
            // Senders start anywhere in the first interval, so that the whole load is even.
            Some((place % interval, interval))
        }
    }
}
