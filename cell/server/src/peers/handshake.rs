//! The first frames of a connection between processes: who calls, for what, and the proof of belonging.

use std::time::Duration;

use bytes::Bytes;
use cell_raft::seams::{Channel, Connection};
use cell_types::{CellName, ClusterId, Incarnation, ReplicaName};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

/// Version of the messages between processes; a process refuses another one by name.
const PEER_VERSION: u32 = 1;

/// Both ends are on one network; what takes longer is dead or not one of ours.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why two processes do not talk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the other process closed the connection before it answered")]
    Closed,
    #[error("the other process did not answer the handshake in time")]
    TimedOut,
    #[error("the other process sent something that is no handshake")]
    Malformed(#[source] postcard::Error),
    #[error("the other process refused: {0}")]
    Refused(Refusal),
    #[error("refused the other process: {0}")]
    Refusing(Refusal),
}

/// What the accepting side found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error("it speaks version {theirs} of the peers' protocol, not {ours}")]
    Version { theirs: u32, ours: u32 },
    #[error("its cluster token is wrong")]
    Token,
    #[error("it belongs to cluster {theirs}, not {ours}")]
    Cluster { theirs: ClusterId, ours: ClusterId },
    #[error("it belongs to incarnation {theirs} of cell {cell}, not to incarnation {ours} of {own}")]
    Cell { cell: CellName, theirs: Incarnation, own: CellName, ours: Incarnation },
    #[error("it called {called}, and this is {own}")]
    Name { called: ReplicaName, own: ReplicaName },
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Replication inside the cell.
    Raft(Channel),
    /// A gateway's sessions at their home.
    Sessions,
}

/// Who this process is, and the secret that proves it.
#[derive(Debug, Clone)]
pub struct Belonging {
    pub cluster: ClusterId,
    pub cell: CellName,
    pub incarnation: Incarnation,
    pub replica: ReplicaName,
    /// Shared by all processes of the cluster.
    pub token: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Greeting {
    version: u32,
    token: String,
    cluster: ClusterId,
    cell: CellName,
    incarnation: Incarnation,
    from: ReplicaName,
    to: ReplicaName,
    purpose: Purpose,
}

impl Belonging {
    /// Introduces this process on a connection that it dialled.
    pub async fn introduce(
        &self,
        connection: &mut Connection,
        to: &ReplicaName,
        purpose: Purpose,
    ) -> Result<(), Error> {
        let greeting = Greeting {
            version: PEER_VERSION,
            token: self.token.clone(),
            cluster: self.cluster.clone(),
            cell: self.cell.clone(),
            incarnation: self.incarnation,
            from: self.replica.clone(),
            to: to.clone(),
            purpose,
        };
        send(connection, &greeting).await?;
        match receive::<Result<(), Refusal>>(connection).await? {
            Ok(()) => Ok(()),
            Err(refusal) => Err(Error::Refused(refusal)),
        }
    }

    /// Hears who dialled and answers.
    pub async fn receive(&self, connection: &mut Connection) -> Result<(ReplicaName, Purpose), Error> {
        let greeting: Greeting = receive(connection).await?;
        let verdict = self.check(&greeting);
        send(connection, &verdict).await?;
        verdict.map_err(Error::Refusing)?;
        Ok((greeting.from, greeting.purpose))
    }

    fn check(&self, greeting: &Greeting) -> Result<(), Refusal> {
        if greeting.version != PEER_VERSION {
            return Err(Refusal::Version { theirs: greeting.version, ours: PEER_VERSION });
        }
        // The token comes before everything that would tell a stranger about this cluster.
        if !same_secret(&greeting.token, &self.token) {
            return Err(Refusal::Token);
        }
        if greeting.cluster != self.cluster {
            return Err(Refusal::Cluster { theirs: greeting.cluster.clone(), ours: self.cluster.clone() });
        }
        if (&greeting.cell, greeting.incarnation) != (&self.cell, self.incarnation) {
            return Err(Refusal::Cell {
                cell: greeting.cell.clone(),
                theirs: greeting.incarnation,
                own: self.cell.clone(),
                ours: self.incarnation,
            });
        }
        // A port that another replica took over must not be mistaken for the old one.
        if greeting.to != self.replica {
            return Err(Refusal::Name { called: greeting.to.clone(), own: self.replica.clone() });
        }
        Ok(())
    }
}

/// Compares in a time that does not depend on where the texts differ.
fn same_secret(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

async fn send<T: Serialize>(connection: &Connection, message: &T) -> Result<(), Error> {
    let frame = postcard::to_stdvec(message).expect("handshakes hold only plain data");
    connection.outgoing.send(Bytes::from(frame)).await.map_err(|_| Error::Closed)
}

async fn receive<T: for<'de> Deserialize<'de>>(connection: &mut Connection) -> Result<T, Error> {
    let frame = timeout(HANDSHAKE_TIMEOUT, connection.incoming.recv()).await.map_err(|_| Error::TimedOut)?;
    postcard::from_bytes(&frame.ok_or(Error::Closed)?).map_err(Error::Malformed)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn belonging(replica: &str) -> Belonging {
        Belonging {
            cluster: "local".parse().unwrap(),
            cell: "c0".parse().unwrap(),
            incarnation: Incarnation::new(1),
            replica: replica.parse().unwrap(),
            token: "secret".into(),
        }
    }

    fn pair() -> (Connection, Connection) {
        let (a, b) = (mpsc::channel(4), mpsc::channel(4));
        (Connection { outgoing: a.0, incoming: b.1 }, Connection { outgoing: b.0, incoming: a.1 })
    }

    async fn meet(caller: Belonging, callee: Belonging) -> (Result<(), Error>, Result<(ReplicaName, Purpose), Error>) {
        let (mut here, mut there) = pair();
        let called = "c0-1".parse().unwrap();
        tokio::join!(caller.introduce(&mut here, &called, Purpose::Sessions), callee.receive(&mut there))
    }

    #[tokio::test]
    async fn two_replicas_of_one_cell_learn_each_others_purpose() {
        let (introduced, received) = meet(belonging("c0-0"), belonging("c0-1")).await;
        introduced.unwrap();
        assert_eq!(received.unwrap(), ("c0-0".parse().unwrap(), Purpose::Sessions));
    }

    #[tokio::test]
    async fn a_stranger_is_refused_and_told_why() {
        type Change = fn(&mut Belonging);
        type Expected = fn(&Refusal) -> bool;
        let strangers: [(Change, Expected); 4] = [
            (|b| b.token = "guess!".into(), |r| *r == Refusal::Token),
            (|b| b.cluster = "other".parse().unwrap(), |r| matches!(r, Refusal::Cluster { .. })),
            (|b| b.incarnation = Incarnation::new(2), |r| matches!(r, Refusal::Cell { .. })),
            (|b| b.cell = "c1".parse().unwrap(), |r| matches!(r, Refusal::Cell { .. })),
        ];
        for (change, expected) in strangers {
            let mut caller = belonging("c0-0");
            change(&mut caller);
            let (introduced, received) = meet(caller, belonging("c0-1")).await;
            assert!(matches!(introduced, Err(Error::Refused(refusal)) if expected(&refusal)));
            assert!(matches!(received, Err(Error::Refusing(refusal)) if expected(&refusal)));
        }
    }

    #[tokio::test]
    async fn a_call_that_reaches_another_slot_is_refused() {
        let (introduced, _) = meet(belonging("c0-0"), belonging("c0-2")).await;
        assert!(matches!(introduced, Err(Error::Refused(Refusal::Name { .. }))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_given_up() {
        let (mut here, _there) = pair();
        let called = "c0-1".parse().unwrap();
        assert!(matches!(
            belonging("c0-0").introduce(&mut here, &called, Purpose::Sessions).await,
            Err(Error::TimedOut)
        ));
    }
}
