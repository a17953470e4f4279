//! A few clients that send now and then, to see when a cell serves again.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use cell_protocol::{Answer, Command, Target as To};
use cell_types::Body;
use e2e_load::cast::{Cast, Side};
use e2e_load::net::session::{Error, Opening};
use e2e_load::net::{Buffers, Session, Target, Url};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::wait::await_condition;

/// Clients on each server: so many that most of them are silent when the leader dies, and speak soon after.
const CLIENTS_PER_SERVER: u32 = 8;

/// Of each client; together they send every few milliseconds, which is the resolution of what is measured.
const BETWEEN_SENDS: Duration = Duration::from_millis(60);

/// For connecting and for each answer; a client whose send is not answered in time asks again.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

const OPEN_LIMIT: Duration = Duration::from_secs(10);

const BODY_LEN: usize = 60;

/// The clients; they stop when this is dropped.
#[derive(Debug)]
pub struct Trickle {
    /// When the last one of the acked sends went out.
    acked: watch::Receiver<Option<Instant>>,
    _clients: JoinSet<()>,
}

impl Trickle {
    /// `run` tells the users of several trickles apart.
    pub async fn start(target: &Target, servers: Vec<SocketAddr>, run: u32) -> anyhow::Result<Self> {
        let (teller, acked) = watch::channel(None);
        let mut clients = JoinSet::new();
        for server in servers {
            let url: Url = server.to_string().parse()?;
            for number in 0..CLIENTS_PER_SERVER {
                let cast = Cast::new(&format!("trickle-{run}-{}", server.port()));
                let client = Client { target: target.clone(), url: url.clone(), cast, number, acked: teller.clone() };
                // A replica that has just been started takes no clients for a moment.
                let session = await_condition("a client is served", OPEN_LIMIT, async || {
                    client.open().await.map_err(|error| format!("{error:#}"))
                });
                let session = session.await?;
                clients.spawn(client.send_on(session));
            }
        }
        Ok(Self { acked, _clients: clients })
    }

    /// Waits for the ack of a send that went out after `moment`. How long after it the ack came.
    pub async fn wait_acked_after(&mut self, moment: Instant, limit: Duration) -> anyhow::Result<Duration> {
        let acked = self.acked.wait_for(|sent| sent.is_some_and(|sent| sent > moment));
        let came = timeout(limit, acked).await.context("nobody is served")?.map(|_| moment.elapsed());
        came.context("all clients have ended")
    }
}

struct Client {
    target: Target,
    url: Url,
    cast: Cast,
    number: u32,
    acked: watch::Sender<Option<Instant>>,
}

impl Client {
    async fn open(&self) -> anyhow::Result<Session> {
        let token = self.target.token(&self.cast.user(self.number, Side::A));
        let opening =
            Opening { url: &self.url, device: "d0", token, resume: None, buffers: Buffers::Chat, limit: ANSWER_LIMIT };
        Ok(Session::open(opening).await?.0)
    }

    /// Never ends; errors of a dying cell are what this waits out.
    async fn send_on(self, mut session: Session) {
        for number in 0.. {
            sleep(BETWEEN_SENDS).await;
            let sent = Instant::now();
            match session.ask(self.command(number)).await {
                Ok(Answer::Sent { .. }) => {
                    self.acked.send_modify(|last| *last = Some(last.map_or(sent, |last| last.max(sent))));
                }
                Ok(other) => eprintln!("a send was answered with {other:?}"),
                // An election is on, mostly.
                Err(Error::Refused(refusal)) if refusal.code.is_temporary() => {}
                Err(Error::Refused(refusal)) => eprintln!("a send was refused: {refusal:?}"),
                Err(_) => {
                    if let Ok(opened) = self.open().await {
                        session = opened;
                    }
                }
            }
        }
    }

    fn command(&self, number: u32) -> Command {
        let (mut mid, mut body) = (Vec::new(), Vec::new());
        self.cast.write_mid(self.number, Side::A, number, &mut mid);
        self.cast.write_body(self.number, Side::A, number, BODY_LEN, &mut body);
        let mid = String::from_utf8_lossy(&mid).parse().expect("the cast makes UUIDs");
        let body = Body::from_checked(body.into());
        let to = self.cast.user(self.number, Side::B).parse().expect("the cast makes user ids");
        Command::Send { to: To::User(to), mid, body, after: None }
    }
}
