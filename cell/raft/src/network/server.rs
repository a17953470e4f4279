//! The accepting side of a link: answers questions concurrently, feeds appends to Raft in order.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use cell_types::ReplicaName;
use futures_util::{StreamExt, stream};
use openraft::raft::{AppendEntriesRequest, StreamAppendError};
use tokio::sync::{Semaphore, mpsc};

use super::frame::{self, Frame};
use super::message::Appended;
use super::{APPENDS_IN_FLIGHT_MAX, REQUESTS_MAX, Refusal, Request, Response};
use crate::machine::Machine;
use crate::runtime::spawn;
use crate::seams::Connection;
use crate::types::TypeConfig;

type Raft = openraft::Raft<TypeConfig, Machine>;

/// What answers questions.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The running Raft of the node `to`, or why there is none.
    fn raft(&self, to: u64) -> Result<Raft, Refusal>;

    fn answer(&self, from: &ReplicaName, to: u64, request: Request) -> impl Future<Output = Response> + Send;
}

/// Serves a connection until it breaks.
pub(crate) async fn serve<H: Handler>(handler: Arc<H>, from: ReplicaName, connection: Connection) {
    let Connection { outgoing, mut incoming } = connection;
    let room = Arc::new(Semaphore::new(REQUESTS_MAX));
    let mut session: Option<Session> = None;
    while let Some(bytes) = incoming.recv().await {
        match Frame::decode(bytes) {
            Ok(Frame::Request { id, to, body }) => {
                let Ok(room) = room.clone().acquire_owned().await else { return };
                let (handler, from, outgoing) = (handler.clone(), from.clone(), outgoing.clone());
                spawn(async move {
                    let answer = match frame::decode(&body) {
                        Ok(request) => handler.answer(&from, to, request).await,
                        Err(error) => Response::Refused(Refusal::Failed(error.to_string())),
                    };
                    // The asker may be gone.
                    drop(outgoing.send(Frame::Response { id, body: frame::encode(&answer) }.encode()).await);
                    drop(room);
                });
            }
            Ok(Frame::Append { session: id, to, body }) => {
                let current = match session.take() {
                    Some(current) if current.id == id => current,
                    _ => Session::begin(&*handler, id, to, &outgoing),
                };
                current.append(body).await;
                session = Some(current);
            }
            Ok(Frame::Response { .. } | Frame::Appended { .. }) | Err(_) => {
                tracing::warn!(%from, "a peer sent a frame that makes no sense; its connection is closed");
                return;
            }
        }
    }
}

/// One stream of appends. It ends with the first that is not a success; later frames of it are void.
struct Session {
    id: u64,
    appends: mpsc::Sender<AppendEntriesRequest<TypeConfig>>,
}

impl Session {
    fn begin<H: Handler>(handler: &H, id: u64, to: u64, outgoing: &mpsc::Sender<Bytes>) -> Self {
        let (appends, waiting) = mpsc::channel(APPENDS_IN_FLIGHT_MAX);
        let raft = handler.raft(to);
        let outgoing = outgoing.clone();
        spawn(async move {
            let say = |answer: Appended| {
                let frame = Frame::Appended { session: id, body: frame::encode(&answer) }.encode();
                outgoing.send(frame)
            };
            let raft = match raft {
                Ok(raft) => raft,
                Err(refusal) => return drop(say(Appended::Refused(refusal)).await),
            };
            let input = stream::unfold(waiting, |mut waiting| async move { Some((waiting.recv().await?, waiting)) });
            let mut answers = Box::pin(raft.stream_append(input));
            while let Some(answer) = answers.next().await {
                let answer = match answer {
                    Ok(Ok(matching)) => Appended::Ok(matching),
                    Ok(Err(StreamAppendError::Conflict(at))) => Appended::Conflict(at),
                    Ok(Err(StreamAppendError::HigherVote(vote))) => Appended::HigherVote(vote),
                    Err(fatal) => Appended::Refused(Refusal::Failed(fatal.to_string())),
                };
                if say(answer).await.is_err() {
                    return;
                }
            }
        });
        Self { id, appends }
    }

    async fn append(&self, body: Bytes) {
        match frame::decode_append(body) {
            // An ended session takes nothing: its sender has been told why, or has heard nothing and gives up.
            Ok(request) => drop(self.appends.send(request).await),
            Err(error) => tracing::warn!(%error, "an append was dropped"),
        }
    }
}
