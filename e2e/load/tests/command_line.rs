//! The binary: several processes as one, its output, its exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[allow(dead_code, reason = "another test uses the rest")]
mod fake;

use std::path::Path;
use std::process::{Output, Stdio};

use fake::{FakeServer, KEY, Lie, Manners};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs `load` against a server, with lines on its stdin.
async fn load(server: &FakeServer, folder: &Path, arguments: &str, stdin: &str) -> Output {
    let key = folder.join("token.key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.args(arguments.split(' ')).arg("--token-key").arg(key);
    for address in &server.addresses {
        command.args(["--url", &address.to_string()]);
    }
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = piped.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(stdin.as_bytes()).await.unwrap();
    drop(input);
    child.wait_with_output().await.unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr));
    })
}

#[tokio::test]
async fn three_processes_chat_as_one() {
    let (server, folder) = (FakeServer::start(Manners::default(), 2).await, tempfile::tempdir().unwrap());
    let arguments = "chat --pairs 10 --processes 3 --seconds 1.5 --warmup 0.2 --both --devices 2 --json";
    let output = load(&server, folder.path(), arguments, "").await;
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["connections"], 40);
    assert_eq!(report["history"]["conversations"], 10);
    assert_eq!(report["history"]["messages"], report["total"]["acked"]);
    assert!(report["done_per_s"].as_f64().unwrap() > 10.0, "{report:#}");
    assert!(report["send_to_ack"]["count"].as_u64() < report["total"]["acked"].as_u64(), "the warm-up does not count");
}

#[tokio::test]
async fn a_broken_promise_is_exit_code_1_with_an_example() {
    let manners = Manners { lie: Some(Lie::ChangesABody), ..Manners::default() };
    let (server, folder) = (FakeServer::start(manners, 1).await, tempfile::tempdir().unwrap());
    let output = load(&server, folder.path(), "chat --pairs 3 --seconds 1 --warmup 0 --tail 1", "").await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("WrongContent at ") && said.contains("another body than the sent one"), "{said}");
}

#[tokio::test]
async fn nothing_to_talk_to_is_exit_code_2() {
    let (server, folder) = (FakeServer::start(Manners::default(), 1).await, tempfile::tempdir().unwrap());
    let output = load(&server, folder.path(), "chat --pairs 1 --seconds 1 --warmup 2", "").await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("a run lasts longer than its warm-up"), "{said}");

    let output = load(&server, folder.path(), "history --pages 1 --run nobody", "").await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("was the store filled"), "{said}");
}

#[tokio::test]
async fn failover_reports_each_marked_kill() {
    let (server, folder) = (FakeServer::start(Manners::default(), 1).await, tempfile::tempdir().unwrap());
    let arguments = "failover --kills 3 --pairs 2 --seconds 1 --json";
    let output = load(&server, folder.path(), arguments, "kill 1000\nnonsense\nkill 2000\n").await;
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let kills: Vec<_> = report["outages"].as_array().unwrap().iter().map(|outage| &outage["kill_unix_ms"]).collect();
    assert_eq!(kills, [1000, 2000]);
    assert_eq!(report["outages"][0]["until_ack_ms"], 0);
}

#[tokio::test]
async fn what_is_filled_can_be_read() {
    let (server, folder) = (FakeServer::start(Manners::default(), 1).await, tempfile::tempdir().unwrap());
    let output = load(&server, folder.path(), "fill --messages 995 --pairs 10 --run full --json", "").await;
    assert_eq!(json(&output)["total"]["done"], 1000);
    let output = load(&server, folder.path(), "history --pages 100 --pairs 10 --run full --json", "").await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(json(&output)["pages"], 100);
}

#[tokio::test]
async fn idle_and_resume_say_what_they_did() {
    let (server, folder) = (FakeServer::start(Manners::default(), 1).await, tempfile::tempdir().unwrap());
    let us = std::process::id();
    let arguments = format!("idle --connections 50 --seconds 0.2 --server-pid {us} --json");
    let report = json(&load(&server, folder.path(), &arguments, "").await);
    assert_eq!((&report["connections"], &report["lost"]), (&50.into(), &0.into()));
    assert_eq!(report["servers"][0]["pid"], us);

    let output = load(&server, folder.path(), "resume --connections 4 --seconds 0.3 --json", "").await;
    let report = json(&output);
    assert!(report["resumes"].as_u64().unwrap() > 0, "{report:#}");
    assert_eq!(output.status.code(), Some(0));
}
