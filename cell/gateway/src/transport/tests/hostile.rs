//! Clients that do not behave.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use super::*;
use crate::session::limits::{BACKLOG_MAX, PAGE_BACKLOG_MAX};

fn fragment(opcode: Data, is_final: bool, payload: &[u8]) -> Message {
    Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(opcode), is_final))
}

#[tokio::test(start_paused = true)]
async fn fragments_make_one_message() {
    let world = World::new();
    let mut alice = world.alice().await;
    for (opcode, is_final, part) in
        [(Data::Text, false, "{\"t\":\"pi"), (Data::Continue, false, "ng\",\"id"), (Data::Continue, true, "\":3}")]
    {
        alice.socket.send(fragment(opcode, is_final, part.as_bytes())).await.unwrap();
    }
    assert_eq!(alice.hear().await[0]["id"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_past_the_limit_is_closed_with_4413_also_in_fragments() {
    let world = World::new();
    let mut alice = world.alice().await;
    alice.socket.send(Message::text("x".repeat(131_073))).await.unwrap();
    assert_eq!(alice.closed().await, (vec![], Some(4413)));

    let mut alice = world.alice().await;
    alice.socket.send(fragment(Data::Text, false, &[b'x'; 131_072])).await.unwrap();
    alice.socket.send(fragment(Data::Continue, true, b"x")).await.unwrap();
    assert_eq!(alice.closed().await, (vec![], Some(4413)));
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf8_is_closed_with_1007() {
    let world = World::new();
    let mut alice = world.alice().await;
    alice.socket.send(fragment(Data::Text, true, b"\xff")).await.unwrap();
    assert_eq!(alice.closed().await, (vec![], Some(1007)));
}

#[tokio::test(start_paused = true)]
async fn frames_against_the_rfc_are_closed_with_1002() {
    let world = World::new();
    let mut alice = world.alice().await;
    let reserved = FrameHeader { opcode: OpCode::Data(Data::Text), rsv1: true, ..FrameHeader::default() };
    alice.socket.send(Message::Frame(Frame::from_payload(reserved, "{}".into()))).await.unwrap();
    assert_eq!(alice.closed().await, (vec![], Some(1002)));
}

#[tokio::test(start_paused = true)]
async fn a_binary_message_is_malformed_and_ten_close() {
    let world = World::new();
    let mut alice = world.alice().await;
    for _ in 0..10 {
        alice.socket.send(Message::binary("x")).await.unwrap();
    }
    assert_eq!(alice.closed().await, (vec!["err".to_owned(); 10], Some(4400)));
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_is_answered_before_the_close() {
    let world = World::new();
    let mut alice = world.connect().await;
    alice.say(&hello("nonsense", None)).await;
    assert_eq!(alice.closed().await, (vec!["err".to_owned()], Some(4403)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dribbles_its_request_is_dropped_after_five_seconds() {
    let world = World::new();
    let mut client = world.dial(1024);
    let start = Instant::now();
    while client.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let dropped_after = start.elapsed().as_millis();
    assert!((5_000..=5_500).contains(&dropped_after), "{dropped_after}");
    assert_eq!(world.gateway.counters().handshakes, 0);
    assert!(world.gateway.counters().refusals.contains(&("timeout", 1)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_no_hello_is_closed_after_five_seconds() {
    let world = World::new();
    let mut client = world.connect().await;
    let start = Instant::now();
    assert_eq!(client.closed().await, (vec![], Some(4401)));
    assert!((5_000..=5_200).contains(&start.elapsed().as_millis()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dribbles_a_frame_is_idle() {
    let world = World::new();
    let mut alice = world.alice().await;
    let start = Instant::now();
    let stream = alice.socket.get_mut();
    stream.write_all(b"\x81\xfe\xff\xff\x00\x00\x00\x00").await.unwrap();
    while start.elapsed() < Duration::from_secs(60) && stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    world.gateway.emptied().await;
    assert!(start.elapsed() <= Duration::from_secs(55), "{:?}", start.elapsed());
    assert!(world.gateway.counters().closes.contains(&(4000, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_and_never_reads_is_asked_for_little_and_closed_as_idle() {
    const PAGE_LEN: usize = 900_000;
    let world = World::with(Options::default(), keyring(), PAGE_LEN);
    let mut alice = world.connect_with_room(1024).await;
    alice.say(&hello(&good_jwt("alice"), None)).await;
    assert_eq!(alice.kinds(3).await, ["welcome", "snap", "live"]);

    let (stream, start) = (alice.socket.get_mut(), Instant::now());
    let request = format!("{{\"t\":\"hist\",\"id\":1,\"conv\":\"{}\"}}", conversation());
    let mut frame = vec![0x81, 0x80 | u8::try_from(request.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(request.as_bytes());
    let flood = async { while stream.write_all(&frame).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(3600), flood).await.unwrap();

    let closed_after = start.elapsed().as_secs();
    assert!((50..=54).contains(&closed_after), "{closed_after}");
    let pages = world.home.heard(|message| matches!(message, ToHome::Command { .. }));
    assert!(pages * PAGE_LEN <= BACKLOG_MAX + PAGE_BACKLOG_MAX + 2 * PAGE_LEN, "{pages} pages");
    world.gateway.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_gets_everything_in_the_end() {
    let world = World::with(Options::default(), keyring(), 300_000);
    let mut alice = world.connect_with_room(1024).await;
    alice.say(&hello(&good_jwt("alice"), None)).await;
    alice.kinds(3).await;
    let requests: Vec<_> =
        (0..40).map(|id| format!("{{\"t\":\"hist\",\"id\":{id},\"conv\":\"{}\"}}", conversation())).collect();
    alice.say(&requests.join("\n")).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(alice.kinds(40).await, ["page"; 40]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_by_a_client_that_never_reads_costs_nothing() {
    let world = World::new();
    let mut alice = world.connect_with_room(256).await;
    alice.say(&hello(&good_jwt("alice"), None)).await;
    alice.kinds(3).await;
    let stream = alice.socket.get_mut();
    let ping = [&[0x89, 0x80 | 100, 0, 0, 0, 0][..], &[b'x'; 100]].concat();
    for _ in 0..10_000 {
        stream.write_all(&ping).await.unwrap();
    }
    let counters = world.gateway.counters();
    assert!(counters.bytes_in > 1_000_000 && counters.bytes_out < 2_000, "{counters:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_leaves_nothing_behind() {
    let world = World::new();
    drop(world.dial(1024));
    drop(world.connect().await);
    drop(world.alice().await);
    let mut half_open = world.dial(1024);
    half_open.shutdown().await.unwrap();
    assert_eq!(half_open.read(&mut [0; 10]).await.unwrap(), 0);
    world.gateway.emptied().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let counters = world.gateway.counters();
    assert_eq!((counters.connections, counters.handshakes), (0, 0));
}
