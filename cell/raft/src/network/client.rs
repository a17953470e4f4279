//! openraft's network: one client per target and purpose, on the shared links.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use openraft::OptionalSend;
use openraft::alias::SnapshotOf;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::append::Pipeline;
use super::link::Link;
use super::{Error, Links, Request, Response, snapshot};
use crate::machine::{Machine, Snapshot};
use crate::seams::Channel;
use crate::types::{Member, TypeConfig, Vote};

/// Makes openraft's clients.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) links: Links,
    pub(crate) machine: Machine,
}

impl Network {
    fn client(&self, target: u64, member: &Member, channel: Channel) -> Client {
        Client {
            target,
            appends: self.links.to(&member.replica, channel),
            small: self.links.to(&member.replica, Channel::Heartbeat),
            bulk: self.links.to(&member.replica, Channel::Bulk),
            machine: self.machine.clone(),
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, member: &Member) -> Client {
        self.client(target, member, Channel::Log)
    }

    async fn new_heartbeat_client(&mut self, target: u64, member: &Member) -> Client {
        self.client(target, member, Channel::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, member: &Member) -> Client {
        self.client(target, member, Channel::Bulk)
    }
}

pub(crate) struct Client {
    target: u64,
    appends: Arc<Link>,
    /// Votes and transfers must not wait behind a large append.
    small: Arc<Link>,
    bulk: Arc<Link>,
    machine: Machine,
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = Snapshot;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let mut answers = self.stream_append(stream::iter([request]), option).await?;
        match answers.next().await {
            None => Err(rpc_error(Error::Broken)),
            Some(Err(error)) => Err(error),
            Some(Ok(Ok(matching))) => Ok(AppendEntriesResponse::PartialSuccess(matching)),
            Some(Ok(Err(StreamAppendError::Conflict(_)))) => Ok(AppendEntriesResponse::Conflict),
            Some(Ok(Err(StreamAppendError::HigherVote(vote)))) => Ok(AppendEntriesResponse::HigherVote(vote)),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>>, RPCError<TypeConfig>>,
    >
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let wire = self.appends.connected().await.map_err(rpc_error)?;
            let pipeline = Pipeline::open(wire, self.target, input).map_err(rpc_error)?;
            let answers = stream::unfold(Some(pipeline), |pipeline| async move {
                let mut pipeline = pipeline?;
                let answer = pipeline.next().await?;
                // After anything but a success, what was sent behind it is void.
                let rest = matches!(answer, Ok(Ok(_))).then_some(pipeline);
                Some((answer.map_err(rpc_error), rest))
            });
            Ok(answers.boxed())
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(&Request::Vote(request), option).await? {
            Response::Vote(response) => Ok(response),
            _ => Err(rpc_error(Error::Malformed)),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(&Request::PreVote(request), option).await? {
            Response::Vote(response) => Ok(response),
            _ => Err(rpc_error(Error::Malformed)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, Snapshot>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let Snapshot::Outgoing(reader) = snapshot.snapshot else {
            return Err(rpc_error(Error::Malformed).into());
        };
        let sent = tokio::select! {
            closed = cancel => return Err(closed.into()),
            sent = snapshot::send(&self.bulk, self.target, vote, &reader, &self.machine) => sent,
        };
        sent.map_err(|error| rpc_error(error).into())
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(&Request::TransferLeader(request), option).await? {
            Response::TransferLeader(response) => Ok(response),
            _ => Err(rpc_error(Error::Malformed)),
        }
    }
}

impl Client {
    async fn ask(&self, request: &Request, option: RPCOption) -> Result<Response, RPCError<TypeConfig>> {
        self.small.request(self.target, request, option.soft_ttl()).await.map_err(rpc_error)
    }
}

/// Whoever cannot be reached is left alone for a moment; a broken connection is made again at once.
fn rpc_error(error: Error) -> RPCError<TypeConfig> {
    match error {
        Error::Unreachable(..) | Error::Refused(_) => RPCError::Unreachable(Unreachable::new(&error)),
        Error::Broken | Error::TimedOut | Error::Malformed => RPCError::Network(NetworkError::new(&error)),
    }
}
