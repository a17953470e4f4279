//! The events on their way to the application, and how far it has taken them.
//!
//! **Invariant:** a mailbox entry counts as taken only when it and all before it were handed over and taken.

use std::collections::VecDeque;

use cell_types::Useq;

use crate::event::ClientEvent;

/// Mailbox events that wait for the application: twice the window that servers keep to, so only a server that keeps to
/// none is not read any more.
pub(super) const FEED_LEN_MAX: usize = 1024;

/// News about the connection that wait for the application; the oldest go first, the latest say it all.
const NEWS_MAX: usize = 16;

/// A place in the mailbox. A snapshot begins a new generation; places of earlier ones mean nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) generation: u64,
    pub(super) useq: Useq,
}

#[derive(Debug)]
enum Item {
    /// About the connection.
    News(ClientEvent),
    /// From the mailbox, or the snapshot that replaces it; `None` for a kind that the application would not know.
    Mail(Option<ClientEvent>, Mark),
    /// About the outbox.
    Failure(ClientEvent),
}

#[derive(Debug, Default)]
pub(super) struct Feed {
    queue: VecDeque<Item>,
    /// Handed over, not taken yet.
    handed: VecDeque<(bool, Option<Mark>)>,
    /// The last place that was taken with all before it.
    taken: Option<Mark>,
    failures: usize,
    /// Nobody takes anything any more.
    is_unheard: bool,
}

impl Feed {
    /// The application dropped its stream: nothing waits for it any more.
    pub(super) fn unheard(&mut self) {
        let queued = self.queue.drain(..).filter_map(|item| match item {
            Item::Mail(_, mark) => Some(mark),
            Item::News(_) | Item::Failure(_) => None,
        });
        let last = self.handed.drain(..).filter_map(|(_, mark)| mark).chain(queued).last();
        self.taken = last.or(self.taken);
        self.failures = 0;
        self.is_unheard = true;
    }

    pub(super) fn push_news(&mut self, event: ClientEvent) {
        if self.is_unheard {
            return;
        }
        let is_news = |item: &Item| matches!(item, Item::News(_));
        if self.queue.iter().filter(|item| is_news(item)).count() >= NEWS_MAX
            && let Some(oldest) = self.queue.iter().position(is_news)
        {
            self.queue.remove(oldest);
        }
        self.queue.push_back(Item::News(event));
    }

    pub(super) fn push_mail(&mut self, event: Option<ClientEvent>, mark: Mark) {
        if self.is_unheard {
            self.taken = Some(mark);
            return;
        }
        self.queue.push_back(Item::Mail(event, mark));
        self.skip_silent();
    }

    /// A snapshot replaces all mail that was not handed over.
    pub(super) fn push_reset(&mut self, event: ClientEvent, mark: Mark) {
        self.queue.retain(|item| !matches!(item, Item::Mail(..)));
        self.push_mail(Some(event), mark);
    }

    pub(super) fn push_failure(&mut self, event: ClientEvent) {
        if self.is_unheard {
            return;
        }
        self.failures += 1;
        self.queue.push_back(Item::Failure(event));
    }

    /// Failed sends that the application has not taken; they count against the outbox's limit.
    pub(super) fn failures(&self) -> usize {
        self.failures
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= FEED_LEN_MAX
    }

    /// Hands the next event over.
    pub(super) fn next(&mut self) -> Option<ClientEvent> {
        let (event, handed) = match self.queue.pop_front()? {
            Item::News(event) => (Some(event), (false, None)),
            Item::Failure(event) => (Some(event), (true, None)),
            Item::Mail(event, mark) => (event, (false, Some(mark))),
        };
        self.handed.push_back(handed);
        self.skip_silent();
        event
    }

    /// The application took this many.
    pub(super) fn take(&mut self, count: u64) {
        for _ in 0..count {
            let Some((is_failure, mark)) = self.handed.pop_front() else { break };
            self.failures = self.failures.saturating_sub(usize::from(is_failure));
            self.taken = mark.or(self.taken);
        }
        self.skip_silent();
    }

    /// How far the application is; or, once it listens no more, how far it would be.
    pub(super) fn taken(&self) -> Option<Mark> {
        self.taken
    }

    pub(super) fn is_unheard(&self) -> bool {
        self.is_unheard
    }

    /// What the application is not told counts as taken with what came before it.
    fn skip_silent(&mut self) {
        while let Some(Item::Mail(None, mark)) = self.queue.front() {
            match self.handed.back_mut() {
                Some((_, last)) => *last = Some(*mark),
                None => self.taken = Some(*mark),
            }
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(useq: u64) -> Mark {
        Mark { generation: 0, useq: Useq::new(useq) }
    }

    fn taken(feed: &Feed) -> u64 {
        feed.taken().map_or(0, |mark| mark.useq.get())
    }

    #[test]
    fn handing_over_is_not_taking() {
        let mut feed = Feed::default();
        feed.push_mail(Some(ClientEvent::Live), mark(1));
        feed.push_mail(Some(ClientEvent::Live), mark(2));
        assert!(feed.next().is_some() && feed.next().is_some() && feed.next().is_none());
        assert_eq!(taken(&feed), 0);
        feed.take(1);
        assert_eq!(taken(&feed), 1);
        feed.take(1);
        assert_eq!(taken(&feed), 2);
    }

    #[test]
    fn an_unknown_kind_is_taken_with_what_came_before_it() {
        let mut feed = Feed::default();
        feed.push_mail(None, mark(1));
        assert_eq!(taken(&feed), 1, "nothing came before");
        feed.push_mail(Some(ClientEvent::Live), mark(2));
        feed.push_mail(None, mark(3));
        assert_eq!(taken(&feed), 1);
        feed.next();
        assert!(feed.is_empty());
        assert_eq!(taken(&feed), 1);
        feed.take(1);
        assert_eq!(taken(&feed), 3);
    }

    #[test]
    fn news_do_not_pile_up_and_never_drop_mail() {
        let mut feed = Feed::default();
        feed.push_mail(Some(ClientEvent::Replaced), mark(1));
        for _ in 0..100 {
            feed.push_news(ClientEvent::Live);
        }
        assert_eq!(feed.queue.len(), NEWS_MAX + 1);
        assert_eq!(feed.next(), Some(ClientEvent::Replaced));
    }
}
