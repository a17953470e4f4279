//! The stream of events: the application's end.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::{mpsc, watch};

use crate::event::ClientEvent;

/// What happened, in order.
///
/// An event is acked to the server only once it was taken from here. Who takes none gets, after a while, no more from the
/// server, and loses nothing; but a session that has more to catch up on than fits into the server's window then never
/// becomes live, and its sends wait. So take events beside waiting for a send, not after it.
///
/// Dropping the stream says that this process wants no events: the session acks them without it. A cursor that is kept
/// stays where the application was.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<ClientEvent>,
    taken: watch::Sender<u64>,
}

impl Events {
    pub(crate) fn new(events: mpsc::Receiver<ClientEvent>, taken: watch::Sender<u64>) -> Self {
        Self { events, taken }
    }

    /// The next event; `None` once the client has stopped and all were taken. Cancel-safe.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        let event = self.events.recv().await;
        self.count(event)
    }

    fn count(&mut self, event: Option<ClientEvent>) -> Option<ClientEvent> {
        if event.is_some() {
            self.taken.send_modify(|count| *count += 1);
        }
        event
    }
}

impl Stream for Events {
    type Item = ClientEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        self.events.poll_recv(cx).map(|event| self.count(event))
    }
}
