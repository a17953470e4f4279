//! Client and service over a real socket: what passes, what is refused, and what a client is told.
#![expect(clippy::unwrap_used, reason = "a failed arrangement is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use cell_admin::client::Error;
use cell_admin::{
    Admin, CellIdentity, Client, Fence, Found, HandOver, OperatorTerm, OwnedRange, Refusal, SetVoters, Status, Token,
};
use cell_types::{Epoch, Incarnation, KeyRange, Lifecycle, NodeId, ReplicaCount, Role, VolumeId};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A replica that writes down what it is asked, and leads nothing.
#[derive(Clone, Default)]
struct Recorder {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Admin for Recorder {
    fn identity(&self) -> CellIdentity {
        identity("local", "c0", 1)
    }

    async fn status(&self) -> Status {
        status()
    }

    async fn found(&self, found: Found) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push(format!("{found:?}"));
        Ok(())
    }

    async fn hand_over(&self, _: HandOver) -> Result<(), Refusal> {
        Err(Refusal::NotLeader { leader: Some("c0-1".parse().unwrap()) })
    }

    async fn set_voters(&self, set: SetVoters) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push(format!("{set:?}"));
        Ok(())
    }
}

fn identity(cluster: &str, cell: &str, incarnation: u64) -> CellIdentity {
    CellIdentity {
        cluster: cluster.parse().unwrap(),
        cell: cell.parse().unwrap(),
        incarnation: Incarnation::new(incarnation),
    }
}

fn status() -> Status {
    Status {
        identity: identity("local", "c0", 1),
        replica: "c0-0".parse().unwrap(),
        volume: VolumeId::new(7),
        node: Some(NodeId::new(1)),
        lifecycle: Lifecycle::Running,
        role: Role::Follower,
        leader: Some("c0-1".parse().unwrap()),
        raft_term: 4,
        ranges: vec![OwnedRange { range: KeyRange::ALL, epoch: Epoch::new(1) }],
        voters: BTreeSet::from(["c0-0".parse().unwrap(), "c0-1".parse().unwrap()]),
        voters_wanted: Some(ReplicaCount::Three),
        log_index: 10,
        committed_index: 9,
        applied_index: 8,
        durable_index: 7,
        serving: true,
        messages: vec!["all is well".into()],
        connections: 3,
        process: 4242,
        operator_term: OperatorTerm::default(),
    }
}

fn found() -> Found {
    Found {
        founders: BTreeMap::from([("c0-0".parse().unwrap(), VolumeId::new(7))]),
        voters: ReplicaCount::One,
        ranges: vec![OwnedRange { range: KeyRange::ALL, epoch: Epoch::new(1) }],
    }
}

async fn serve(recorder: Recorder) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let service = cell_admin::service(recorder, TOKEN.parse().unwrap());
    tokio::spawn(
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)),
    );
    address
}

fn client(address: &str, token: &str, identity: CellIdentity, term: u64) -> Client {
    let token: Token = token.parse().unwrap();
    Client::new(address, &token, Fence { identity, term: OperatorTerm::new(term) }).unwrap()
}

#[tokio::test]
async fn a_status_arrives_as_it_was_given_with_the_highest_term_seen() {
    let address = serve(Recorder::default()).await;
    let client = client(&address, TOKEN, identity("local", "c0", 1), 3);
    assert_eq!(client.status().await.unwrap(), status());
    client.set_voters(SetVoters { voters: ReplicaCount::Three }).await.unwrap();
    assert_eq!(client.status().await.unwrap().operator_term, OperatorTerm::new(3));
}

#[tokio::test]
async fn a_founding_arrives_as_it_was_sent() {
    let recorder = Recorder::default();
    let address = serve(recorder.clone()).await;
    client(&address, TOKEN, identity("local", "c0", 1), 1).found(&found()).await.unwrap();
    assert_eq!(*recorder.asked.lock().unwrap(), [format!("{:?}", found())]);
}

#[tokio::test]
async fn a_call_for_another_cluster_cell_or_incarnation_is_refused_and_changes_nothing() {
    let recorder = Recorder::default();
    let address = serve(recorder.clone()).await;
    for other in [identity("other", "c0", 1), identity("local", "c1", 1), identity("local", "c0", 2)] {
        let client = client(&address, TOKEN, other, 1);
        assert!(matches!(client.found(&found()).await, Err(Error::Refused(Refusal::OtherCell(_)))));
        assert!(matches!(client.status().await, Err(Error::Refused(Refusal::OtherCell(_)))));
    }
    assert!(recorder.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_older_planner_may_look_but_change_nothing() {
    let recorder = Recorder::default();
    let address = serve(recorder.clone()).await;
    let (old, new) = (
        client(&address, TOKEN, identity("local", "c0", 1), 4),
        client(&address, TOKEN, identity("local", "c0", 1), 5),
    );
    new.found(&found()).await.unwrap();
    assert!(matches!(old.found(&found()).await, Err(Error::Refused(Refusal::StaleTerm(_)))));
    assert!(old.status().await.is_ok());
    assert_eq!(recorder.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_without_the_clusters_token_is_refused() {
    let address = serve(Recorder::default()).await;
    let stranger = client(&address, "fedcba9876543210fedcba9876543210", identity("local", "c0", 1), 1);
    assert!(matches!(stranger.status().await, Err(Error::Unauthenticated)));
    assert!(matches!(stranger.found(&found()).await, Err(Error::Unauthenticated)));
}

#[tokio::test]
async fn a_follower_names_the_leader() {
    let address = serve(Recorder::default()).await;
    let error = client(&address, TOKEN, identity("local", "c0", 1), 1).hand_over(&HandOver { to: None }).await;
    assert!(
        matches!(error, Err(Error::Refused(Refusal::NotLeader { leader: Some(leader) })) if leader.as_str() == "c0-1")
    );
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_unreachable() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = client(&unused.to_string(), TOKEN, identity("local", "c0", 1), 1);
    assert!(matches!(client.status().await, Err(Error::Unreachable(_))));
}
