//! The client against a server on loopback that drops connections wherever it likes.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fake;

use std::time::Duration;

use cell_client::store::{Durability, Record, Saved, Store};
use cell_client::{Client, ClientEvent, Error, Events, StopReason, from_body};
use fake::{Fake, Faults, user};
use tokio::time::timeout;

const NO_FAULTS: Faults = Faults { drops: 0, refuse_one_in: 0, repeat_one_in: 0, bob_answers_one_in: 0 };

/// What every wait of these tests may take.
const TIME_MAX: Duration = Duration::from_secs(60);

async fn connect(fake: &Fake) -> (Client, Events) {
    Client::builder("phone".parse().unwrap()).url(&fake.url).token("jwt").connect().await.unwrap()
}

async fn next(events: &mut Events) -> ClientEvent {
    timeout(TIME_MAX, events.next()).await.expect("an event comes").expect("the client lives")
}

/// The next messages' bodies.
async fn messages(events: &mut Events, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        match next(events).await {
            ClientEvent::Message(message) => bodies.push(from_body(&message).unwrap()),
            ClientEvent::SendFailed { why, .. } => panic!("{why}"),
            _ => {}
        }
    }
    bodies
}

/// One run through every fault that a server may show.
async fn run_through_faults(seed: u64) {
    const SENDS: usize = 200;
    const FROM_BOB: usize = 100;
    let faults = Faults { drops: 15, refuse_one_in: 15, repeat_one_in: 7, bob_answers_one_in: 2 };
    let fake = Fake::start(seed, faults).await;
    let (client, mut events) = connect(&fake).await;
    let sending = tokio::spawn(async move {
        let mut handles = Vec::new();
        for n in 0..SENDS {
            handles.push(client.send(user("bob"), &format!("alice {n}")).await.unwrap());
        }
        let mut answers = Vec::new();
        for handle in handles {
            answers.push(handle.await.unwrap().cseq.get());
        }
        (client, answers)
    });
    let seen = timeout(TIME_MAX, messages(&mut events, SENDS + FROM_BOB)).await;
    let seen = seen.unwrap_or_else(|_| panic!("seed {seed}: all messages come: {:?}", fake.world()));
    let (client, answers) = timeout(TIME_MAX, sending).await.unwrap().unwrap();

    let world = fake.world();
    let stored: Vec<String> = world.messages.iter().map(|message| from_body(message).unwrap()).collect();
    assert_eq!(seen, stored, "seed {seed}: every event once, in the mailbox's order");
    let of_alice: Vec<_> = stored.iter().filter(|body| body.starts_with("alice")).cloned().collect();
    let expected: Vec<_> = (0..SENDS).map(|n| format!("alice {n}")).collect();
    assert_eq!(of_alice, expected, "seed {seed}: every send once, in the order of the sends");
    let answered: Vec<_> = answers.iter().map(|cseq| stored[usize::try_from(*cseq).unwrap() - 1].clone()).collect();
    assert_eq!(answered, expected, "seed {seed}: every answer names its message");
    assert_eq!(world.broken, Vec::<String>::new(), "seed {seed}");
    assert!(world.hellos > 5, "seed {seed}: the faults happened");
    drop(client);
}

#[tokio::test]
async fn nothing_is_lost_doubled_or_reordered_while_connections_drop_at_any_frame() {
    let runs: Vec<_> = (0..8).map(|seed| tokio::spawn(run_through_faults(seed))).collect();
    for run in runs {
        run.await.unwrap();
    }
}

#[tokio::test]
async fn what_was_sent_without_a_server_arrives_after_a_restart_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("outbox");
    let builder = || Client::builder("phone".parse().unwrap()).token("jwt").outbox(&outbox).keep_cursor();
    let (client, events) = builder().url("ws://127.0.0.1:1/v1/ws").connect().await.unwrap();
    for n in 0..3 {
        // Nobody waits for the answer, which does not come in this process.
        drop(client.send(user("bob"), &format!("alice {n}")).await.unwrap());
    }
    client.close().await;
    drop((client, events));

    let fake = Fake::start(1, NO_FAULTS).await;
    let (client, mut events) = builder().url(&fake.url).connect().await.unwrap();
    assert_eq!(messages(&mut events, 3).await, ["alice 0", "alice 1", "alice 2"]);
    client.close().await;
    fake.until(|world| world.acked.get() == 3).await;

    fake.bob_says("while you were away");
    let (_client, mut events) = builder().url(&fake.url).connect().await.unwrap();
    assert_eq!(messages(&mut events, 1).await, ["while you were away"], "the cursor was kept");
    assert_eq!(fake.world().messages.len(), 4);
}

#[tokio::test]
async fn who_takes_no_events_gets_no_more_and_can_still_send() {
    let fake = Fake::start(1, NO_FAULTS).await;
    let (client, mut events) = connect(&fake).await;
    while next(&mut events).await != ClientEvent::Live {}
    for n in 0..300 {
        fake.bob_says(&format!("bob {n}"));
    }
    let sent = client.send(user("bob"), "hello").await.unwrap();
    timeout(TIME_MAX, sent).await.unwrap().unwrap();
    assert_eq!(fake.world().acked.get(), 0, "nothing was taken, so nothing is acked");
    assert_eq!(messages(&mut events, 301).await.len(), 301);
    fake.until(|world| world.acked.get() == 301).await;
}

#[tokio::test]
async fn who_dropped_the_stream_can_send_for_ever_and_misses_nothing_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(1, NO_FAULTS).await;
    let builder = || Client::builder("phone".parse().unwrap()).url(&fake.url).token("jwt");
    let builder = || builder().outbox(folder.path().join("outbox")).keep_cursor();
    let (client, mut events) = builder().connect().await.unwrap();
    fake.bob_says("taken");
    messages(&mut events, 1).await;
    drop(events);
    for n in 0..200 {
        timeout(TIME_MAX, client.send(user("bob"), &n.to_string()).await.unwrap()).await.unwrap().unwrap();
    }
    client.close().await;

    let (_client, mut events) = builder().connect().await.unwrap();
    assert_eq!(messages(&mut events, 200).await[0], "0");
}

#[tokio::test]
async fn a_replaced_client_says_so_ends_its_stream_and_sends_no_more() {
    let fake = Fake::start(1, NO_FAULTS).await;
    fake.world().close_live_with = Some(4105);
    let (client, mut events) = connect(&fake).await;
    while next(&mut events).await != ClientEvent::Replaced {}
    assert_eq!(timeout(TIME_MAX, events.next()).await.unwrap(), None);
    let refused = client.send(user("bob"), "hello").await;
    assert!(matches!(refused, Err(Error::Stopped(StopReason::Replaced))));
    assert!(matches!(client.ping().await, Err(Error::Stopped(StopReason::Replaced))));
    assert_eq!(fake.world().hellos, 1);
}

#[tokio::test]
async fn queries_are_answered_through_reconnections() {
    let fake = Fake::start(1, Faults { drops: 3, ..NO_FAULTS }).await;
    let (client, _events) = connect(&fake).await;
    for _ in 0..150 {
        timeout(TIME_MAX, client.ping()).await.unwrap().unwrap();
    }
    assert!(fake.world().hellos >= 3);
}

#[tokio::test]
async fn a_client_that_is_closed_acks_what_was_taken_and_answers_waiting_sends() {
    let fake = Fake::start(1, NO_FAULTS).await;
    let (client, mut events) = connect(&fake).await;
    fake.bob_says("hello");
    messages(&mut events, 1).await;
    client.close().await;
    fake.until(|world| world.acked.get() == 1).await;
    assert!(matches!(client.ping().await, Err(Error::Stopped(StopReason::Closed))));
}

/// A disk that is full from the start.
struct FullDisk;

impl Store for FullDisk {
    fn load(&self) -> Saved {
        Saved::default()
    }

    fn append(&mut self, records: &[Record], _: Durability) -> Result<(), cell_client::store::Error> {
        if records.iter().all(|record| matches!(record, Record::User(_))) {
            return Ok(());
        }
        let source = std::io::ErrorKind::StorageFull.into();
        Err(cell_client::store::Error::Io { path: "outbox".into(), source })
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_never_sent() {
    let fake = Fake::start(1, NO_FAULTS).await;
    let builder = Client::builder("phone".parse().unwrap()).url(&fake.url).token("jwt").store(FullDisk);
    let (client, mut events) = builder.connect().await.unwrap();
    while next(&mut events).await != ClientEvent::Live {}
    let refused = client.send(user("bob"), "hello").await;
    assert!(matches!(refused, Err(Error::Stopped(StopReason::Store { .. }))), "{refused:?}");
    assert!(matches!(next(&mut events).await, ClientEvent::Stopped { why: StopReason::Store { .. } }));
    assert_eq!(fake.world().messages.len(), 0);
}

#[tokio::test]
async fn a_client_without_a_server_says_that_it_tries_again() {
    let builder = Client::builder("phone".parse().unwrap()).urls(["ws://127.0.0.1:1/v1/ws", "no url"]).token("jwt");
    let (_client, mut events) = builder.connect().await.unwrap();
    for _ in 0..4 {
        assert!(matches!(next(&mut events).await, ClientEvent::Reconnecting { .. }));
    }
    let nowhere = Client::builder("phone".parse().unwrap()).token("jwt").connect().await;
    assert!(matches!(nowhere, Err(Error::NoUrl)));
}
