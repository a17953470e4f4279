//! Replication as a pipeline: several appends are in flight on one connection, answered in order.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::frame::{Frame, decode, encode_append};
use super::link::Wire;
use super::message::Appended;
use super::{APPEND_PROGRESS_TIMEOUT, APPENDS_IN_FLIGHT_BYTES_MAX, APPENDS_IN_FLIGHT_MAX, Error};
use crate::types::TypeConfig;

/// Sends requests as they come and answers as they arrive, until either ends.
pub(super) struct Pipeline<S> {
    wire: Arc<Wire>,
    session: u64,
    answers: mpsc::Receiver<bytes::Bytes>,
    /// The node that must take them.
    to: u64,
    input: Option<S>,
    /// Sizes of what is not answered yet.
    in_flight: VecDeque<usize>,
    bytes_in_flight: usize,
    /// When the connection counts as dead.
    deadline: Instant,
}

impl<S> Pipeline<S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    pub(super) fn open(wire: Arc<Wire>, to: u64, input: S) -> Result<Self, Error> {
        let (session, answers) = wire.open_session()?;
        let (input, in_flight, bytes_in_flight) = (Some(input), VecDeque::new(), 0);
        let deadline = Instant::now() + APPEND_PROGRESS_TIMEOUT;
        Ok(Self { wire, session, answers, to, input, in_flight, bytes_in_flight, deadline })
    }

    /// The next answer; `None` after the answer to the last request.
    pub(super) async fn next(&mut self) -> Option<Result<StreamAppendResult<TypeConfig>, Error>> {
        loop {
            let has_room = self.in_flight.len() < APPENDS_IN_FLIGHT_MAX
                && (self.bytes_in_flight < APPENDS_IN_FLIGHT_BYTES_MAX || self.in_flight.is_empty());
            let is_waiting = !self.in_flight.is_empty();
            if !is_waiting && self.input.is_none() {
                return None;
            }
            let input = &mut self.input;
            tokio::select! {
                biased;
                answer = timeout_at(self.deadline, self.answers.recv()), if is_waiting => {
                    return Some(self.answered(answer.map_err(|_| Error::TimedOut)));
                }
                request = async { input.as_mut().expect("guarded").next().await }, if has_room && input.is_some() => {
                    match request {
                        None => self.input = None,
                        Some(request) => {
                            if let Err(error) = self.send(&request).await {
                                return Some(Err(error));
                            }
                        }
                    }
                }
            }
        }
    }

    async fn send(&mut self, request: &AppendEntriesRequest<TypeConfig>) -> Result<(), Error> {
        let body = encode_append(request);
        if self.in_flight.is_empty() {
            self.deadline = Instant::now() + APPEND_PROGRESS_TIMEOUT;
        }
        self.bytes_in_flight += body.len();
        self.in_flight.push_back(body.len());
        let frame = Frame::Append { session: self.session, to: self.to, body };
        timeout_at(self.deadline, self.wire.send(frame)).await.map_err(|_| Error::TimedOut)?
    }

    fn answered(
        &mut self,
        answer: Result<Option<bytes::Bytes>, Error>,
    ) -> Result<StreamAppendResult<TypeConfig>, Error> {
        let body = answer?.ok_or(Error::Broken)?;
        self.bytes_in_flight -= self.in_flight.pop_front().unwrap_or(0);
        self.deadline = Instant::now() + APPEND_PROGRESS_TIMEOUT;
        match decode(&body)? {
            Appended::Ok(matching) => Ok(Ok(matching)),
            Appended::Conflict(at) => Ok(Err(StreamAppendError::Conflict(at))),
            Appended::HigherVote(vote) => Ok(Err(StreamAppendError::HigherVote(vote))),
            Appended::Refused(refusal) => Err(Error::Refused(refusal)),
        }
    }
}
