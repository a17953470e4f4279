//! Clients that behave.

use super::*;
use crate::test_support::send;

#[tokio::test(start_paused = true)]
async fn a_client_opens_a_session_sends_receives_and_goes() {
    let world = World::new();
    let mut alice = world.alice().await;
    alice.say(&send(7, "bob")).await;
    assert_eq!(alice.hear().await[0]["id"], 7);

    world.gateway.deliver(FromHome::Events { session: world.session(), events: vec![event(1, 10)] });
    assert_eq!(alice.hear().await[0]["u"], 1);
    alice.say("{\"t\":\"ack\",\"u\":1}").await;

    alice.socket.close(None).await.unwrap();
    assert_eq!(alice.closed().await, (vec![], None));
    world.gateway.emptied().await;
    let session = world.session();
    let acked = ToHome::Acknowledge { session, upto: Useq::new(1) };
    assert_eq!(world.home.heard(|message| *message == acked), 1);
    assert_eq!(world.home.heard(|message| *message == ToHome::Close { session }), 1);
    let counters = world.gateway.counters();
    assert_eq!((counters.connections, counters.handshakes, counters.accepted, counters.fresh), (0, 0, 1, 1));
    assert_eq!((counters.frames_in, counters.frames_out), (3, 5));
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_ready_together_come_in_one_message() {
    let world = World::new();
    let mut alice = world.alice().await;
    for useq in 1..=100 {
        world.gateway.deliver(FromHome::Events { session: world.session(), events: vec![event(useq, 100)] });
    }
    assert_eq!(alice.hear().await.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn messages_stay_below_64_kib_and_a_longer_frame_comes_alone() {
    let world = World::with(Options::default(), keyring(), 900_000);
    let mut alice = world.alice().await;
    let events = (1..=100).map(|useq| event(useq, 1000)).collect();
    world.gateway.deliver(FromHome::Events { session: world.session(), events });
    assert_eq!(alice.hear().await.len() + alice.hear().await.len(), 100);

    let conv = conversation();
    alice.say(&format!("{{\"t\":\"hist\",\"id\":1,\"conv\":\"{conv}\"}}\n{{\"t\":\"ping\",\"id\":2}}")).await;
    assert_eq!(alice.hear().await[0]["t"], "pong");
    let page = alice.hear().await;
    assert_eq!((page.len(), &page[0]["t"]), (1, &"page".into()));
}

#[tokio::test(start_paused = true)]
async fn what_comes_right_behind_the_hello_is_not_lost() {
    let world = World::new();
    let mut alice = world.connect().await;
    alice.socket.feed(Message::text(hello(&good_jwt("alice"), None))).await.unwrap();
    alice.socket.feed(Message::text("{\"t\":\"ping\",\"id\":1}")).await.unwrap();
    alice.socket.feed(Message::text("{\"t\":\"ping\",\"id\":2}")).await.unwrap();
    alice.socket.flush().await.unwrap();
    assert_eq!(alice.kinds(5).await, ["welcome", "snap", "live", "pong", "pong"]);
}

#[tokio::test(start_paused = true)]
async fn websocket_pings_are_answered() {
    let world = World::new();
    let mut alice = world.alice().await;
    alice.socket.send(Message::Ping("x".into())).await.unwrap();
    assert_eq!(alice.socket.next().await.unwrap().unwrap(), Message::Pong("x".into()));
}

#[tokio::test(start_paused = true)]
async fn pings_and_pongs_are_no_sign_of_life_but_an_empty_object_is() {
    let world = World::new();
    let mut alice = world.alice().await;
    let start = Instant::now();
    tokio::time::sleep(Duration::from_secs(40)).await;
    alice.say("{}").await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    alice.socket.send(Message::Pong("x".into())).await.unwrap();
    let (frames, code) = alice.closed().await;
    assert_eq!((frames, code), (vec!["{}".to_owned(); 3], Some(4000)));
    let closed_after = start.elapsed().as_millis();
    assert!((90_000..=90_200).contains(&closed_after), "{closed_after}");
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_not_noticed_by_the_client() {
    let world = World::new();
    let mut alice = world.alice().await;
    world.gateway.deliver(FromHome::Events { session: world.session(), events: vec![event(1, 10)] });
    assert_eq!(alice.kinds(1).await, ["ev"]);
    world.gateway.reset(|_| true);
    world.gateway.deliver(FromHome::Events { session: world.session(), events: vec![event(1, 10), event(2, 10)] });
    assert_eq!(alice.hear().await[0]["u"], 2);
    assert_eq!(world.home.heard(|message| matches!(message, ToHome::Open(_))), 2);
}

#[tokio::test(start_paused = true)]
async fn a_drain_sends_each_client_away_and_takes_no_new_one() {
    let world = World::new();
    let mut alice = world.alice().await;
    world.gateway.drain(Duration::from_secs(5));
    assert!(!world.gateway.is_ready());
    assert_eq!(alice.closed().await, (vec!["goaway".to_owned()], Some(4001)));
    drop(alice);
    world.gateway.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_at_once_and_waits_for_clients_no_longer_than_three_seconds() {
    let world = World::new();
    let mut reads = world.alice().await;
    let _ignores = world.alice().await;
    let start = Instant::now();
    world.gateway.shutdown();
    assert_eq!(reads.closed().await, (vec![], Some(4001)));
    world.gateway.emptied().await;
    assert!(start.elapsed() <= Duration::from_millis(3_200));
}
