//! Who becomes a WebSocket, and what the others are told.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Error;

use super::*;

async fn refused_status(world: &World) -> u16 {
    match tokio_tungstenite::client_async(request(), world.dial(4096)).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("expected an HTTP error, got {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_names_the_subprotocol() {
    let world = World::new();
    let (_, response) = tokio_tungstenite::client_async(request(), world.dial(4096)).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v1.json");
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_answered_and_closed() {
    let world = World::new();
    let mut client = world.dial(64);
    client.write_all(b"POST /v1/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 404 Not Found\r\n"), "{response}");
    drop(client);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.gateway.counters().handshakes, 0);
}

#[tokio::test(start_paused = true)]
async fn above_the_connection_limit_handshakes_are_answered_503() {
    let world = World::with(Options { connections_max: 1, ..Options::default() }, keyring(), 0);
    let alice = world.alice().await;
    assert_eq!(refused_status(&world).await, 503);
    drop(alice);
    world.gateway.emptied().await;
    world.alice().await;
}

#[tokio::test(start_paused = true)]
async fn above_the_handshake_limit_connections_are_dropped() {
    let world = World::with(Options { handshakes_max: 2, ..Options::default() }, keyring(), 0);
    let _waiting = (world.dial(64), world.dial(64));
    assert_eq!(world.dial(64).read(&mut [0; 10]).await.unwrap(), 0);
    assert!(world.gateway.counters().refusals.contains(&("handshakes_max", 1)));
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.alice().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_signing_key_the_gateway_is_not_ready() {
    let keys = Keyring::new();
    let world = World::with(Options::default(), keys, 0);
    assert!(!world.gateway.is_ready());
    assert_eq!(refused_status(&world).await, 503);
    assert!(world.gateway.counters().refusals.contains(&("not_ready", 1)));
}

#[tokio::test(start_paused = true)]
async fn a_draining_gateway_takes_no_new_connection() {
    let world = World::new();
    world.gateway.drain(Duration::ZERO);
    assert_eq!(refused_status(&world).await, 503);
}
