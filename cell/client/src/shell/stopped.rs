//! What is left of the task once its session has stopped: the last events, and a clear answer to whoever asks.

use tokio::sync::mpsc;

use super::Request;
use super::task::Task;

impl Task {
    /// Runs until all handles are gone and the application has the last events.
    pub(super) async fn run_stopped(mut self) {
        self.answer_closed();
        let mut has_clients = true;
        while has_clients || (self.is_heard && self.session.has_event()) {
            if self.is_heard && !self.session.has_event() {
                // The application's stream ends; a closed sender in its place sends nothing.
                (self.events, _) = mpsc::channel(1);
                self.is_heard = false;
            }
            match self.next_request(&mut has_clients).await {
                Some(request) => {
                    self.request(request);
                    self.perform_all().await;
                    self.answer_closed();
                }
                None => tracing::trace!("the stopped client handed an event over or lost a handle"),
            }
        }
    }

    /// Hands one event over, or gives a request.
    async fn next_request(&mut self, has_clients: &mut bool) -> Option<Request> {
        let has_event = self.is_heard && self.session.has_event();
        tokio::select! {
            request = self.requests.recv(), if *has_clients => {
                *has_clients = request.is_some();
                request
            }
            permit = self.events.reserve(), if has_event => {
                match permit {
                    Ok(permit) => if let Some(event) = self.session.next_event() { permit.send(event) },
                    Err(_) => self.is_heard = false,
                }
                None
            }
        }
    }

    fn answer_closed(&mut self) {
        for done in std::mem::take(&mut self.closed) {
            // Who asked may have stopped waiting.
            done.send(()).unwrap_or_default();
        }
    }
}
