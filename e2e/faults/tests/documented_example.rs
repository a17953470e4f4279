//! The example in the Rust client's documentation, run against a real cluster.

use std::time::Duration;

use anyhow::Context;
use e2e_faults::chatctl::Chatctl;
use e2e_faults::{LocalCluster, Options};
use tokio::process::Command;
use tokio::time::timeout;

/// A connection, a durable message, its own event: well below a second each.
const EXAMPLE_LIMIT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn the_client_s_example_sends_a_message_and_sees_it_arrive() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::start(Options::default()).await?;
    let client = cluster.follower().await?.client;
    let token =
        Command::new(Chatctl::find()?.path()).args(["token", "alice", "--data"]).arg(cluster.data()).output().await?;
    anyhow::ensure!(token.status.success(), "no token: {}", String::from_utf8_lossy(&token.stderr));
    let token = String::from_utf8(token.stdout)?;

    let mut example = Command::new(env!("CARGO_BIN_EXE_hello"));
    example.arg(format!("ws://{client}/v1/ws")).arg(token.trim()).arg("bob").kill_on_drop(true);
    let output = timeout(EXAMPLE_LIMIT, example.output()).await.context("the example did not end")??;
    let said = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("durable as number 1 of ") && said.contains("alice: hello"), "{said}");
    cluster.finish().await
}
