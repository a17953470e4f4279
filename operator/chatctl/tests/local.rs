//! `chatctl` with real processes: what a person on one machine does.
#![expect(clippy::unwrap_used, reason = "a failed arrangement is a failed test")]

mod support;

use std::collections::BTreeSet;

use rustix::process::Signal;
use support::{Folder, PATIENCE, Person, is_alive, pid_of, replicas, signal};
use tokio::time::{Instant, sleep};

const ANY_PORT: &[&str] = &["--listen", "127.0.0.1:0"];
const ONE_REPLICA: &[&str] = &["--listen", "127.0.0.1:0", "--replicas", "1"];

#[tokio::test]
async fn a_cluster_starts_is_looked_at_and_stops() {
    let folder = Folder::new();
    assert_eq!(folder.status().await.0, 4, "nothing runs yet");
    let mut up = folder.up(ANY_PORT).await;

    let (code, status) = folder.status().await;
    assert_eq!((code, &status["ready"], &status["cluster"]), (0, &true.into(), &"local".into()));
    let cell = &status["cells"][0];
    assert_eq!(cell["name"], "c0");
    assert!(cell["leader"].as_str().unwrap().starts_with("c0-"));
    assert_eq!(cell["ranges"][0]["end"], "10000000000000000");
    let ports: BTreeSet<_> = replicas(&status).iter().map(|replica| replica["client"].to_string()).collect();
    assert_eq!(ports.len(), 3);

    let token = folder.run(&["token", "alice", "--ttl", "15m"]).await;
    assert_eq!(String::from_utf8(token.stdout).unwrap().trim().split('.').count(), 3);

    let second = folder.run(&["up"]).await;
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains(&format!("process {}", up.pid())), "{error}");

    assert_eq!(folder.run(&["down"]).await.status.code(), Some(0));
    assert_eq!(up.ended().await, Some(0));
    assert_eq!(folder.status().await.0, 4);
    assert_eq!(folder.run(&["down"]).await.status.code(), Some(4));
}

#[tokio::test]
async fn a_replica_that_is_killed_is_started_again() {
    let folder = Folder::new();
    let _up = folder.up(ANY_PORT).await;
    let killed = pid_of(&replicas(&folder.status().await.1)[1]);
    signal(killed, Signal::KILL);
    let back = |replica: &serde_json::Value| replica["role"] != "down" && replica["pid"] != killed;
    folder.status_until("the replica is back", |code, status| code == 0 && replicas(status).iter().all(back)).await;
}

#[tokio::test]
async fn a_cluster_that_is_started_again_has_the_same_addresses_and_founding() {
    let folder = Folder::new();
    let up = folder.up(ANY_PORT).await;
    let clients =
        |status: &serde_json::Value| -> Vec<_> { replicas(status).iter().map(|r| r["client"].clone()).collect() };
    let before = clients(&folder.status().await.1);
    let founding = std::fs::read(folder.path().join("c0.founding.json")).unwrap();
    folder.run(&["down"]).await;
    drop(up);
    let _up = folder.up(&[]).await;
    assert_eq!(clients(&folder.status().await.1), before);
    assert_eq!(std::fs::read(folder.path().join("c0.founding.json")).unwrap(), founding);
}

#[tokio::test]
async fn when_up_is_killed_its_replicas_end_and_the_next_up_goes_on() {
    let folder = Folder::new();
    let mut up = folder.up(ANY_PORT).await;
    let pids: Vec<u32> = replicas(&folder.status().await.1).iter().map(pid_of).collect();
    signal(up.pid(), Signal::KILL);
    up.ended().await;
    let deadline = Instant::now() + PATIENCE;
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(Instant::now() < deadline, "replicas outlive `up`");
        sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(folder.status().await.0, 4);
    let _up = folder.up(&[]).await;
}

#[tokio::test]
async fn a_replica_whose_folder_is_gone_heals() {
    let folder = Folder::new();
    drop(folder.up(ANY_PORT).await);
    std::fs::remove_dir_all(folder.path().join("c0-2")).unwrap();
    let _up = folder.up(&[]).await;
    let well = |status: &serde_json::Value| {
        status["conditions"].as_array().unwrap().iter().all(|c| c["type"] != "Degraded" || c["status"] == "False")
    };
    folder.status_until("all replicas are members", |code, status| code == 0 && well(status)).await;
}

#[tokio::test]
async fn a_cell_of_one_whose_files_are_gone_is_said_loudly_and_not_founded_again() {
    let folder = Folder::new();
    let mut up = folder.up(ONE_REPLICA).await;
    assert_eq!(folder.run(&["down"]).await.status.code(), Some(0));
    up.ended().await;
    std::fs::remove_dir_all(folder.path().join("c0-0")).unwrap();
    let mut up = folder.start(&[]);
    up.line_with("BLOCKED: 1 of 1 volumes of c0 are gone").await;
    let (code, status) = folder.status().await;
    assert_eq!((code, &status["ready"]), (3, &false.into()));
}

#[tokio::test]
async fn a_cell_of_one_says_what_it_cannot_survive() {
    let folder = Folder::new();
    let mut up = folder.start(ONE_REPLICA);
    assert!(up.line_with("one replica").await.contains("losing its files loses every message"));
}

#[tokio::test]
async fn the_number_of_replicas_changes_at_a_later_start() {
    let folder = Folder::new();
    drop(folder.up(ONE_REPLICA).await);
    let three = |code: i32, status: &serde_json::Value| {
        code == 0 && replicas(status).len() == 3 && replicas(status).iter().all(|replica| replica["role"] != "down")
    };
    let up = folder.up(&["--replicas", "3"]).await;
    folder
        .status_until("three voters", |code, status| {
            let converged = status["conditions"]
                .as_array()
                .unwrap()
                .iter()
                .all(|c| c["type"] != "Progressing" || c["status"] == "False");
            three(code, status) && converged
        })
        .await;
    drop(up);
    let mut up = folder.up(&["--replicas", "1"]).await;
    up.line_with("its cell needs the files of c0-2 no more").await;
    up.line_with("its cell needs the files of c0-1 no more").await;
    assert!(folder.path().join("set-aside").exists() && !folder.path().join("c0-1").exists());
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new();
    let output = folder.run(&["up", "--listen", &address]).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains(&format!("{address} is in use")), "{error}");
}

#[tokio::test]
async fn a_file_with_an_unknown_field_is_refused_and_nothing_is_started() {
    let folder = Folder::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text =
        "apiVersion: chatcells.dev/v1alpha1\nkind: ChatCluster\nmetadata: { name: local }\nspec: { replica: 3 }\n";
    std::fs::write(file.path(), text).unwrap();
    let output = folder.run(&["up", "-f", file.path().to_str().unwrap()]).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("spec.replica: unknown field") && error.contains("line 4"), "{error}");
    assert!(!folder.path().exists());
}

#[tokio::test]
async fn commands_of_a_later_version_say_so() {
    let folder = Folder::new();
    for command in [&["scale", "4"][..], &["move", "00-ff", "--to", "c1"], &["rebalance"], &["drain", "c0"], &["top"]] {
        let output = folder.run(command).await;
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("comes with many cells"), "{command:?}");
    }
}

#[tokio::test]
async fn two_people_chat_and_go_on_when_the_leader_is_killed() {
    let folder = Folder::new();
    let _up = folder.up(ANY_PORT).await;
    let mut alice = Person::joins(&folder, "alice", "bob").await;
    let mut bob = Person::joins(&folder, "bob", "alice").await;
    alice.types("hello").await;
    bob.hears("alice: hello").await;
    alice.hears("✓ hello").await;
    alice.hears("✓✓ (read) hello").await;

    let status = folder.status().await.1;
    let leader = replicas(&status).into_iter().find(|replica| replica["role"] == "leader").unwrap();
    signal(pid_of(&leader), Signal::KILL);
    bob.types("still there?").await;
    alice.hears("bob: still there?").await;
    alice.types("yes").await;
    let between = bob.hears("alice: yes").await;
    assert!(!between.iter().any(|line| line.starts_with("alice: ") && line != "alice: yes"), "{between:?}");
}
