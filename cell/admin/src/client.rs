//! A planner's side: one replica's admin port, asked in typed terms, with a time-out on every call.

use std::time::Duration;

use cell_types::ReplicaName;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use crate::model::{Fence, Found, HandOver, SetVoters, Status};
use crate::wire::admin_client::AdminClient;
use crate::{Refusal, Token, convert, wire};

/// A dial within one machine or data centre takes milliseconds; a planner that waits longer looks stuck.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A status is answered from memory.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// A change waits for a quorum and, in the worst case, for one election.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{address}` is not host:port")]
    Address { address: String, source: tonic::transport::Error },
    /// The replica answered, and refused.
    #[error(transparent)]
    Refused(Refusal),
    /// The replica does not know this token.
    #[error("the token was refused")]
    Unauthenticated,
    /// Nothing answers there, or it broke off. A change may or may not have been made; all of them may be repeated.
    #[error("failed to reach the replica: {0}")]
    Unreachable(String),
    /// As for [`Error::Unreachable`].
    #[error("no answer in time")]
    TimedOut,
    /// The answer makes no sense: another version, or another service.
    #[error("failed to understand the answer: {0}")]
    Malformed(String),
}

/// Asks one replica. Cheap to clone; connects at the first call and again whenever the connection broke.
#[derive(Debug, Clone)]
pub struct Client {
    inner: AdminClient<Channel>,
    bearer: MetadataValue<Ascii>,
    fence: Fence,
}

impl Client {
    /// `address` is `host:port` of the replica's admin listener. Must be called within a tokio runtime.
    pub fn new(address: &str, token: &Token, fence: Fence) -> Result<Self, Error> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|source| Error::Address { address: address.to_owned(), source })?
            .connect_timeout(CONNECT_TIMEOUT);
        Ok(Self { inner: AdminClient::new(endpoint.connect_lazy()), bearer: token.bearer(), fence })
    }

    pub async fn status(&self) -> Result<Status, Error> {
        let request = self.request(wire::StatusRequest { fence: Some((&self.fence).into()) }, STATUS_TIMEOUT);
        let answer = self.inner.clone().status(request).await.map_err(|rpc| Error::from(&rpc))?;
        answer.into_inner().try_into().map_err(|error: convert::Error| Error::Malformed(error.to_string()))
    }

    pub async fn found(&self, found: &Found) -> Result<(), Error> {
        let request = self.request(convert::found_request(&self.fence, found), CHANGE_TIMEOUT);
        self.inner.clone().found(request).await.map(drop).map_err(|rpc| Error::from(&rpc))
    }

    pub async fn hand_over(&self, hand_over: &HandOver) -> Result<(), Error> {
        let to = hand_over.to.as_ref().map(ReplicaName::to_string);
        let request = self.request(wire::HandOverRequest { fence: Some((&self.fence).into()), to }, CHANGE_TIMEOUT);
        self.inner.clone().hand_over(request).await.map(drop).map_err(|rpc| Error::from(&rpc))
    }

    pub async fn set_voters(&self, set: SetVoters) -> Result<(), Error> {
        let message = wire::SetVotersRequest { fence: Some((&self.fence).into()), voters: set.voters.get() };
        let request = self.request(message, CHANGE_TIMEOUT);
        self.inner.clone().set_voters(request).await.map(drop).map_err(|rpc| Error::from(&rpc))
    }

    /// The time-out travels with the request, so that the replica gives up too.
    fn request<T>(&self, message: T, timeout: Duration) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request
    }
}

impl From<&tonic::Status> for Error {
    fn from(rpc: &tonic::Status) -> Self {
        if let Some(refusal) = Refusal::from_rpc(rpc) {
            return Self::Refused(refusal);
        }
        match rpc.code() {
            Code::Unauthenticated => Self::Unauthenticated,
            Code::DeadlineExceeded | Code::Cancelled => Self::TimedOut,
            Code::Unavailable | Code::Unknown | Code::Internal => Self::Unreachable(rpc.message().to_owned()),
            code => Self::Malformed(format!("{code:?}: {}", rpc.message())),
        }
    }
}
