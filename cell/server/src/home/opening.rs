//! Opening a session: decided on what a quorum has, then the mailbox goes on from the client's place.

use std::sync::Arc;

use cell_core::view::{Opening, Why};
use cell_gateway::home::{FromHome, Open, OpenFrom, Opened, SessionId};
use cell_protocol::WhyFresh;
use cell_raft::runtime::spawn;
use cell_types::{Cursor, Useq};

use super::convert;
use super::outlet::{LinkId, Outlet};
use super::service::Home;
use super::subscription::{Subscriber, Subscription};
use super::table::{Entered, Place};

impl Home {
    pub(super) fn open(self: &Arc<Self>, link: LinkId, outlet: &Arc<dyn Outlet>, open: Open) {
        let place: Place = (link, open.session);
        let subscription = Subscription::opening(Subscriber {
            user: open.user.clone(),
            device: open.device.clone(),
            order: (open.hello_at, open.hello_nonce),
            attempt: open.attempt,
            outlet: outlet.clone(),
        });
        match self.lock().table.enter(place, subscription) {
            Entered::In { replaced } => {
                for ((_, session), older) in replaced {
                    // The same `hello` over another link is the same connection, whose gateway lost its link to us.
                    if older.order != (open.hello_at, open.hello_nonce) {
                        older.outlet.push(FromHome::Replaced { session });
                    }
                }
            }
            Entered::TooLate => {
                outlet.push(FromHome::Replaced { session: open.session });
                return;
            }
            // Its gateway has asked again since, over another link, and has its answer there.
            Entered::Outdated => return,
        }
        let home = self.clone();
        spawn(async move { home.finish_open(place, open).await });
    }

    async fn finish_open(self: Arc<Self>, place: Place, open: Open) {
        if let Err(error) = self.replica.read_index().await {
            tracing::debug!(%error, "a session could not be opened now");
            self.not_now(place, open.attempt);
            return;
        }
        let cursor = match open.from {
            OpenFrom::Nothing | OpenFrom::ForeignCursor => None,
            OpenFrom::Cursor(cursor) => Some(cursor),
            OpenFrom::Sent { ep, sent, .. } => Some(Cursor { ep, useq: sent }),
        };
        let opening = match self.replica.query(|state| state.open_session(&open.user, cursor)) {
            Some(Ok(opening)) => opening,
            Some(Err(rejection)) => {
                tracing::debug!(%rejection, "a session was not opened");
                self.not_now(place, open.attempt);
                return;
            }
            None => {
                self.not_now(place, open.attempt);
                return;
            }
        };
        match plan(&open, opening) {
            Plan::Open { opened, sent, acked } => {
                {
                    let mut inner = self.lock();
                    let super::service::Inner { table, acks } = &mut *inner;
                    // Closed or replaced while it was opening: nobody waits for the answer.
                    let Some(subscription) = table.get_mut(place).filter(|now| now.attempt == open.attempt) else {
                        return;
                    };
                    subscription.open_at(sent, acked, opened.head);
                    acks.note(&subscription.user, &subscription.device, subscription.acked());
                    subscription.outlet.push(FromHome::Opened(opened));
                }
                self.catch_up(place);
            }
            Plan::Lost => {
                let mut inner = self.lock();
                if inner.table.get_mut(place).is_some_and(|now| now.attempt == open.attempt)
                    && let Some(gone) = inner.table.remove(place)
                {
                    gone.outlet.push(FromHome::Trimmed { session: place.1 });
                }
            }
        }
    }

    /// Gives this opening up; a later one of the same session has its own answer.
    fn not_now(&self, place: Place, attempt: u32) {
        let (_, session): (LinkId, SessionId) = place;
        let mut inner = self.lock();
        if inner.table.get_mut(place).is_some_and(|now| now.attempt == attempt)
            && let Some(gone) = inner.table.remove(place)
        {
            gone.outlet.push(FromHome::NotNow { session });
        }
    }
}

/// What follows from what the state says of the cursor.
enum Plan {
    Open {
        opened: Opened,
        sent: Useq,
        acked: Useq,
    },
    /// A connection that goes on has a place that the mailbox does not have any more: the client must start over.
    Lost,
}

fn plan(open: &Open, opening: Opening) -> Plan {
    let (session, attempt) = (open.session, open.attempt);
    match (open.from, opening) {
        (OpenFrom::Sent { sent, acked, .. }, Opening::Resumed { ep, head }) => {
            Plan::Open { opened: Opened { session, attempt, ep, head, fresh: None }, sent, acked }
        }
        (OpenFrom::Sent { .. }, Opening::Fresh { .. }) => Plan::Lost,
        (from, Opening::Resumed { ep, head }) => {
            // A resume acks: entries up to its cursor are the device's.
            let useq = if let OpenFrom::Cursor(cursor) = from { cursor.useq } else { Useq::ZERO };
            Plan::Open { opened: Opened { session, attempt, ep, head, fresh: None }, sent: useq, acked: useq }
        }
        (from, Opening::Fresh { ep, head, why, snapshot, at }) => {
            let why = match (from, why) {
                (OpenFrom::ForeignCursor, Why::New) => WhyFresh::Epoch,
                (_, why) => convert::why(why),
            };
            let fresh = Some((why, convert::snapshot(at, snapshot)));
            // The snapshot's place counts as acked.
            Plan::Open { opened: Opened { session, attempt, ep, head, fresh }, sent: at, acked: at }
        }
    }
}

#[cfg(test)]
mod tests {
    use cell_core::view::ConversationPage;
    use cell_types::{HistoryEpoch, Timestamp};

    use super::*;

    const EP: HistoryEpoch = HistoryEpoch::new(1);

    fn open(from: OpenFrom) -> Open {
        Open {
            session: SessionId(1),
            user: "alice".parse().unwrap(),
            device: "phone".parse().unwrap(),
            hello_at: Timestamp::from_millis(1),
            hello_nonce: 0,
            attempt: 1,
            from,
        }
    }

    fn fresh(why: Why) -> Opening {
        let snapshot = ConversationPage { conversations: Vec::new(), next: None };
        Opening::Fresh { ep: EP, head: Useq::new(9), why, snapshot, at: Useq::new(9) }
    }

    #[test]
    fn a_resume_goes_on_after_its_cursor_and_acks_it() {
        let from = OpenFrom::Cursor(Cursor { ep: EP, useq: Useq::new(5) });
        let Plan::Open { opened, sent, acked } = plan(&open(from), Opening::Resumed { ep: EP, head: Useq::new(9) })
        else {
            panic!("lost")
        };
        assert_eq!((opened.fresh, sent, acked), (None, Useq::new(5), Useq::new(5)));
    }

    #[test]
    fn a_snapshot_counts_as_acked_up_to_its_place() {
        let Plan::Open { opened, sent, acked } = plan(&open(OpenFrom::Nothing), fresh(Why::New)) else {
            panic!("lost")
        };
        assert_eq!((opened.fresh.unwrap().0, sent, acked), (WhyFresh::New, Useq::new(9), Useq::new(9)));
    }

    #[test]
    fn a_cursor_that_no_server_made_is_of_another_epoch() {
        let Plan::Open { opened, .. } = plan(&open(OpenFrom::ForeignCursor), fresh(Why::New)) else { panic!("lost") };
        assert_eq!(opened.fresh.unwrap().0, WhyFresh::Epoch);
    }

    #[test]
    fn a_connection_that_cannot_go_on_where_it_was_starts_over() {
        let from = OpenFrom::Sent { ep: EP, sent: Useq::new(5), acked: Useq::new(5) };
        assert!(matches!(plan(&open(from), fresh(Why::Trimmed)), Plan::Lost));
    }
}
