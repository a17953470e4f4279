//! Random pages of the conversations that `load fill` made: how long one takes, and that it is right.

use std::fmt;
use std::time::Duration;

use cell_protocol::{Answer, Command, Page};
use cell_types::{ConversationId, Cseq};
use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::cast::{Cast, Side};
use crate::check::{Kind, Pair, Violations, with_message};
use crate::clock::{Clock, SECOND};
use crate::measure::{Histogram, ProcessSample, Quantiles};
use crate::mix::Dice;
use crate::net::session::{self, Opening};
use crate::net::{Buffers, Session, Target};

/// Sessions for one lane: each reads its share of the pages of one conversation.
const SESSIONS_PER_LANE: u64 = 16;

#[derive(Debug, Clone)]
pub struct Config {
    pub target: Target,
    /// The name of the run that filled the store, its pairs and its bodies' size.
    pub run: String,
    pub pairs: u32,
    pub body_len: usize,
    pub pages: u64,
    pub limit: u64,
    /// Pages asked for at a time.
    pub at_a_time: u32,
    pub answer_limit_ms: u64,
    pub seed: u64,
    pub server_pids: Vec<u32>,
}

/// A page could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read the history of {user}")]
    Session { user: String, source: session::Error },
    #[error("{user} has no conversation: was the store filled with this --run and --pairs?")]
    Empty { user: String },
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub pages: u64,
    pub messages: u64,
    pub seconds: f64,
    pub pages_per_s: f64,
    pub time: Quantiles,
    pub server_cpu_s: f64,
    pub violations: Violations,
}

#[derive(Debug, Default)]
struct Tally {
    pages: u64,
    messages: u64,
    times: Histogram,
    violations: Violations,
}

/// Reads the pages.
pub async fn run(config: &Config) -> Result<Report, Error> {
    let clock = Clock::start();
    let cast = Cast::new(&config.run);
    let cpu = || ProcessSample::take_all(&config.server_pids).iter().map(|sample| sample.cpu_ms).sum::<u64>();
    let cpu_before = cpu();
    let sessions = (u64::from(config.at_a_time) * SESSIONS_PER_LANE).min(config.pages).max(1);
    let mut all = Tally::default();
    let mut readers = stream::iter(0..sessions)
        .map(|reader| {
            let pages = config.pages * (reader + 1) / sessions - config.pages * reader / sessions;
            Box::pin(read_pages(config, &cast, clock, reader, pages))
        })
        .buffer_unordered(config.at_a_time as usize);
    while let Some(tally) = readers.next().await {
        let Tally { pages, messages, times, violations } = tally?;
        all.pages += pages;
        all.messages += messages;
        all.times.add(&times);
        all.violations.add(violations);
    }
    let seconds = clock.now() as f64 / SECOND as f64;
    Ok(Report {
        pages: all.pages,
        messages: all.messages,
        seconds,
        pages_per_s: all.pages as f64 / seconds,
        time: all.times.quantiles(),
        server_cpu_s: cpu().saturating_sub(cpu_before) as f64 / 1000.0,
        violations: all.violations,
    })
}

/// Pages of one random conversation.
async fn read_pages(config: &Config, cast: &Cast, clock: Clock, reader: u64, pages: u64) -> Result<Tally, Error> {
    let mut dice = Dice::new(config.seed.wrapping_mul(1_000_003).wrapping_add(reader));
    let index = dice.below(u64::from(config.pairs)) as u32;
    let user = cast.user(index, Side::A);
    let failed = |source| Error::Session { user: user.clone(), source };
    let opening = Opening {
        url: &config.target.urls[dice.below(config.target.urls.len() as u64) as usize],
        // A device of each reader: two may meet at one user.
        device: &format!("r{reader}"),
        token: config.target.token(&user),
        resume: None,
        buffers: Buffers::Chat,
        limit: Duration::from_millis(config.answer_limit_ms),
    };
    let (mut session, opened) = Session::open(opening).await.map_err(failed)?;
    let shown = opened.snapshot.and_then(|snapshot| snapshot.conversations.into_iter().next());
    let Some(conversation) = shown else { return Err(Error::Empty { user }) };
    let mut tally = Tally::default();
    let mut checker = PageCheck { pair: Pair::new(cast, index, 1, config.body_len), cast, scratch: Vec::new() };
    for _ in 0..pages {
        let page = random_page(conversation.head.get(), &mut dice);
        let command = Command::History { conversation: Ok(conversation.id), page, limit: Some(config.limit) };
        let asked = clock.now();
        let answer = session.ask(command).await.map_err(failed)?;
        tally.times.record_nanos(clock.now() - asked);
        let Answer::Page { messages, .. } = answer else {
            return Err(failed(session::Error::OutOfPlace("an answer that is no page".into())));
        };
        tally.pages += 1;
        tally.messages += messages.len() as u64;
        let due = expected(page, conversation.head.get(), config.limit);
        checker.check(conversation.id, &messages, due, &mut tally.violations);
    }
    // Everything is read: how the session ends changes nothing.
    drop(session.close().await);
    Ok(tally)
}

fn random_page(head: u64, dice: &mut Dice) -> Page {
    let at = Cseq::new(1 + dice.below(head));
    if dice.below(2) == 0 { Page::Before(at) } else { Page::After(at) }
}

/// The first number of the page and how many it has.
fn expected(page: Page, head: u64, limit: u64) -> (u64, u64) {
    match page {
        Page::Before(at) => {
            let first = at.get().saturating_sub(limit).max(1);
            (first, at.get() - first)
        }
        Page::After(at) => (at.get() + 1, limit.min(head - at.get())),
        _ => unreachable!("only these two are asked for"),
    }
}

struct PageCheck<'a> {
    pair: Pair,
    cast: &'a Cast,
    scratch: Vec<u8>,
}

impl PageCheck<'_> {
    fn check(
        &mut self,
        conversation: ConversationId,
        messages: &[cell_protocol::MessageView],
        (first, count): (u64, u64),
        violations: &mut Violations,
    ) {
        let place = format!("history of {}", self.pair.name(Side::A));
        if messages.len() as u64 != count {
            let detail = format_args!("{} messages instead of {count} from {first}", messages.len());
            violations.push(Kind::Lost, &place, detail);
        }
        for (view, due) in messages.iter().zip(first..) {
            if view.cseq.get() != due || view.conversation != conversation {
                violations.push(Kind::CseqGap, &place, format_args!("{} where {due} was due", view.cseq));
            }
            let identified = with_message(view, |message| self.pair.identify(self.cast, message, &mut self.scratch));
            if let Err((kind, detail)) = identified {
                violations.push(kind, &place, detail);
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pages, messages, seconds, pages_per_s, server_cpu_s, .. } = self;
        writeln!(
            f,
            "{pages} pages, {messages} messages in {seconds:.1} s: {pages_per_s:.0} pages/s, servers {server_cpu_s:.2} CPU-seconds"
        )?;
        let Quantiles { p50_ms, p99_ms, p999_ms, max_ms, .. } = self.time;
        writeln!(f, "a page, ms: p50 {p50_ms:.2}  p99 {p99_ms:.2}  p99.9 {p999_ms:.2}  max {max_ms:.2}")?;
        writeln!(f, "violations: {}", self.violations.total())?;
        self.violations.examples.iter().try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_full_unless_the_conversation_ends() {
        assert_eq!(expected(Page::Before(Cseq::new(100)), 200, 50), (50, 50));
        assert_eq!(expected(Page::Before(Cseq::new(10)), 200, 50), (1, 9));
        assert_eq!(expected(Page::Before(Cseq::new(1)), 200, 50), (1, 0));
        assert_eq!(expected(Page::After(Cseq::new(100)), 200, 50), (101, 50));
        assert_eq!(expected(Page::After(Cseq::new(180)), 200, 50), (181, 20));
        assert_eq!(expected(Page::After(Cseq::new(200)), 200, 50), (201, 0));
    }
}
