//! After a run: reads each pair's history from the first message to the last and compares it with what was acked.

use std::sync::Arc;
use std::time::Duration;

use cell_protocol::{Answer, Command, Page, PageMore};
use cell_types::{ConversationId, Cseq};
use futures_util::{StreamExt, stream};

use super::report::HistoryFigures;
use super::shared::{Shared, SharedPair, lock};
use crate::cast::Side;
use crate::check::{HistoryCheck, Kind, with_message};
use crate::clock::MILLI;
use crate::mix::Dice;
use crate::net::session::{Error, Opened, Opening};
use crate::net::{Backoff, Buffers, Session};

/// Pairs at a time: enough to keep the servers busy.
const AT_A_TIME: usize = 32;

/// The largest page there is.
const PAGE_LIMIT: u64 = cell_protocol::limits::HISTORY_LIMIT_MAX;

/// A device of its own, so that the run's cursors stay as they are.
const DEVICE: &str = "check";

/// Reads the histories of all pairs.
pub(super) async fn verify(shared: &Shared, pairs: &[Arc<SharedPair>]) -> HistoryFigures {
    let mut all = stream::iter(pairs).map(|pair| Box::pin(verify_pair(shared, pair))).buffer_unordered(AT_A_TIME);
    let mut figures = HistoryFigures::default();
    while let Some(one) = all.next().await {
        figures.add(&one);
    }
    figures
}

/// Reads one history, whatever happens to the servers meanwhile, within the limit for the tail.
async fn verify_pair(shared: &Shared, shared_pair: &SharedPair) -> HistoryFigures {
    let (index, conversation) = {
        let pair = lock(shared_pair);
        (pair.index, pair.conversation().map(str::to_owned))
    };
    // Without a conversation nothing was ever acked or shown.
    let Some(conversation) = conversation else { return HistoryFigures::default() };
    // Both sides see the same history; half of the runs' pairs are asked from each.
    let side = if index.is_multiple_of(2) { Side::A } else { Side::B };
    let mut check = HistoryCheck::new(format!("history of {}", shared.cast.user(index, side)));
    let mut figures = HistoryFigures { conversations: 1, ..HistoryFigures::default() };
    let Ok(conversation) = conversation.parse::<ConversationId>() else {
        blame(shared, Kind::BadFrame, index, &format!("{conversation} is no conversation's id"));
        return figures;
    };
    let give_up_at = shared.clock.now() + shared.config.tail_limit_ms * MILLI;
    let mut dice = Dice::new(shared.config.seed ^ u64::from(index));
    let mut backoff = Backoff::new(shared.config.backoff_max_ms);
    loop {
        match attempt(shared, shared_pair, side, conversation, &mut check, &mut figures, &mut dice).await {
            Ok(()) => break,
            Err(error) if !error.is_temporary() => {
                blame(shared, Kind::Refused, index, &error.to_string());
                return figures;
            }
            Err(error) if shared.clock.now() >= give_up_at => {
                blame(shared, Kind::TimedOut, index, &format!("history not read to its end: {error}"));
                return figures;
            }
            Err(_) => tokio::time::sleep(backoff.next(&mut dice)).await,
        }
    }
    check.finish(&lock(shared_pair), &mut shared.stats().violations);
    figures
}

fn blame(shared: &Shared, kind: Kind, index: u32, detail: &str) {
    shared.stats().violations.push(kind, &shared.cast.user(index, Side::A), detail);
}

/// Goes on where the last attempt stopped.
async fn attempt(
    shared: &Shared,
    shared_pair: &SharedPair,
    side: Side,
    conversation: ConversationId,
    check: &mut HistoryCheck,
    figures: &mut HistoryFigures,
    dice: &mut Dice,
) -> Result<(), Error> {
    let target = &shared.config.target;
    let user = lock(shared_pair).name(side).to_owned();
    let opening = Opening {
        url: &target.urls[dice.below(target.urls.len() as u64) as usize],
        device: DEVICE,
        token: target.token(&user),
        resume: None,
        buffers: Buffers::Chat,
        limit: Duration::from_millis(shared.config.answer_limit_ms),
    };
    let (mut session, opened) = Session::open(opening).await?;
    check_snapshot(shared, shared_pair, conversation, &opened);
    loop {
        let page = Page::After(Cseq::new(u64::from(check.after())));
        let command = Command::History { conversation: Ok(conversation), page, limit: Some(PAGE_LIMIT) };
        let Answer::Page { messages, more: PageMore::OneWay(more), .. } = session.ask(command).await? else {
            return Err(Error::OutOfPlace("an answer that is no page".into()));
        };
        figures.pages += 1;
        figures.messages += messages.len() as u64;
        {
            let mut pair = lock(shared_pair);
            let mut stats = shared.stats();
            for view in &messages {
                with_message(view, |message| check.message(&shared.cast, &mut pair, message, &mut stats.violations));
            }
        }
        if !more {
            break;
        }
        if messages.is_empty() {
            return Err(Error::OutOfPlace("an empty page that promises more".into()));
        }
    }
    // Everything is read: how the session ends changes nothing.
    drop(session.close().await);
    Ok(())
}

/// A new device's snapshot must show the conversation with everything that was acked.
fn check_snapshot(shared: &Shared, shared_pair: &SharedPair, conversation: ConversationId, opened: &Opened) {
    let pair = lock(shared_pair);
    let last_acked = |side: Side| {
        let ledger = pair.ledger(side);
        ledger.acked_below().checked_sub(1).and_then(|number| ledger.cseq(number)).map_or(0, u64::from)
    };
    let acked = last_acked(Side::A).max(last_acked(Side::B));
    // A snapshot is refused only to a cursor, and this device has one if an attempt before it failed.
    let Some(snapshot) = &opened.snapshot else { return };
    let shown = snapshot.conversations.iter().find(|view| view.id == conversation).map(|view| view.head.get());
    if shown.unwrap_or(0) < acked {
        let detail = format!("a snapshot shows {shown:?}, {acked} was acked");
        blame(shared, Kind::HeadTooLow, pair.index, &detail);
    }
}
