//! The tests' server in memory as a process: measures the generator alone. Prints its addresses.

#![allow(clippy::unwrap_used, reason = "it runs the server of the tests, which panics where they would fail")]

#[path = "../tests/fake/mod.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod fake;

use fake::{FakeServer, KEY, Manners};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = FakeServer::start(Manners::default(), 2).await;
    println!("key {KEY}");
    server.addresses.iter().for_each(|address| println!("url {address}"));
    std::future::pending::<()>().await;
}
