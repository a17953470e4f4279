//! A replica's side: checks token, identity and operator term, then calls the replica in typed terms.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status as Rpc};

use crate::model::{CellIdentity, Fence, Found, HandOver, OperatorTerm, SetVoters, Status};
use crate::wire::admin_server::{Admin as WireAdmin, AdminServer};
use crate::{Refusal, Token, convert, wire};

/// What a replica answers. Token, identity and term have been checked before any of these is called.
pub trait Admin: Send + Sync + 'static {
    /// The cell this process was started for; never changes.
    fn identity(&self) -> CellIdentity;

    /// Answers from memory, in any state of the replica.
    fn status(&self) -> impl Future<Output = Status> + Send;

    fn found(&self, found: Found) -> impl Future<Output = Result<(), Refusal>> + Send;

    fn hand_over(&self, hand_over: HandOver) -> impl Future<Output = Result<(), Refusal>> + Send;

    fn set_voters(&self, set: SetVoters) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// The tower service of a replica, for [`tonic::transport::Server::add_service`].
pub type Service<A> = InterceptedService<AdminServer<Checked<A>>, TokenCheck>;

/// Serves `admin` to callers that show `token`.
pub fn service<A: Admin>(admin: A, token: Token) -> Service<A> {
    let checked = Checked { admin, term_seen: AtomicU64::new(0) };
    InterceptedService::new(AdminServer::new(checked), TokenCheck { token: Arc::new(token) })
}

/// Refuses calls that do not show the token.
#[derive(Debug, Clone)]
pub struct TokenCheck {
    token: Arc<Token>,
}

impl Interceptor for TokenCheck {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Rpc> {
        let shown = request.metadata().get("authorization");
        if shown.is_some_and(|header| self.token.matches(header.as_bytes())) {
            Ok(request)
        } else {
            Err(Rpc::unauthenticated("this call needs the cluster's token"))
        }
    }
}

/// Adds the checks of identity and term to a replica.
#[derive(Debug)]
pub struct Checked<A> {
    admin: A,
    /// The highest operator term since this process started: an older planner's changes are refused.
    term_seen: AtomicU64,
}

impl<A: Admin> Checked<A> {
    fn check_identity(&self, fence: &Fence) -> Result<(), Refusal> {
        let own = self.admin.identity();
        if fence.identity == own {
            Ok(())
        } else {
            Err(Refusal::OtherCell(format!("the call is for {}, this process is of {own}", fence.identity)))
        }
    }

    fn check(&self, fence: Result<Fence, convert::Error>) -> Result<(), Rpc> {
        let fence = fence.map_err(|error| malformed(&error))?;
        self.check_identity(&fence).map_err(Refusal::into_rpc)?;
        let term = fence.term.get();
        let seen = self.term_seen.fetch_max(term, Ordering::Relaxed);
        if term < seen {
            let why = format!("the call carries operator term {term}, the highest seen is {seen}");
            return Err(Refusal::StaleTerm(why).into_rpc());
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl<A: Admin> WireAdmin for Checked<A> {
    async fn status(&self, request: Request<wire::StatusRequest>) -> Result<Response<wire::StatusResponse>, Rpc> {
        let fence = Fence::try_from(request.into_inner().fence).map_err(|error| malformed(&error))?;
        // Anyone of the cluster may look, also with an older term.
        self.check_identity(&fence).map_err(Refusal::into_rpc)?;
        let mut status = self.admin.status().await;
        status.operator_term = OperatorTerm::new(self.term_seen.load(Ordering::Relaxed));
        Ok(Response::new(status.into()))
    }

    async fn found(&self, request: Request<wire::FoundRequest>) -> Result<Response<wire::Empty>, Rpc> {
        let mut request = request.into_inner();
        self.check(request.fence.take().try_into())?;
        answer(self.admin.found(request.try_into().map_err(|error| malformed(&error))?).await)
    }

    async fn hand_over(&self, request: Request<wire::HandOverRequest>) -> Result<Response<wire::Empty>, Rpc> {
        let mut request = request.into_inner();
        self.check(request.fence.take().try_into())?;
        answer(self.admin.hand_over(request.try_into().map_err(|error| malformed(&error))?).await)
    }

    async fn set_voters(&self, request: Request<wire::SetVotersRequest>) -> Result<Response<wire::Empty>, Rpc> {
        let mut request = request.into_inner();
        self.check(request.fence.take().try_into())?;
        answer(self.admin.set_voters(request.try_into().map_err(|error| malformed(&error))?).await)
    }
}

fn malformed(error: &convert::Error) -> Rpc {
    Rpc::invalid_argument(error.to_string())
}

fn answer(result: Result<(), Refusal>) -> Result<Response<wire::Empty>, Rpc> {
    result.map(|()| Response::new(wire::Empty {})).map_err(Refusal::into_rpc)
}
