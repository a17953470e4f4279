//! Idle sessions, resumes and pages against the server in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[allow(dead_code, reason = "another test uses the rest")]
mod fake;

use e2e_load::chat::{Config, run};
use e2e_load::check::Kind;
use e2e_load::modes::{history, idle, resume};
use e2e_load::net::Target;
use fake::{FakeServer, KEY, Lie, Manners};

fn target(server: &FakeServer) -> Target {
    Target::new(server.urls(), KEY).unwrap()
}

fn resume_config(server: &FakeServer) -> resume::Config {
    resume::Config {
        target: target(server),
        run: "t".into(),
        users: 5,
        events: 10,
        at_a_time: 2,
        rate_per_s: None,
        seconds: 0.5,
        answer_limit_ms: 2_000,
        server_pids: vec![],
    }
}

#[tokio::test]
async fn devices_come_back_and_get_their_ten_events() {
    let server = FakeServer::start(Manners::default(), 2).await;
    let report = resume::run(&resume_config(&server)).await.unwrap();
    assert!(report.violations.is_empty(), "{:?}", report.violations);
    assert_eq!((report.failures, report.last_failure), (0, None));
    assert!(report.resumes > 10, "{}", report.resumes);
}

#[tokio::test]
async fn resumes_at_a_rate_are_spread_evenly() {
    let server = FakeServer::start(Manners::default(), 1).await;
    let config = resume::Config { rate_per_s: Some(40.0), ..resume_config(&server) };
    let report = resume::run(&config).await.unwrap();
    assert!((18..=20).contains(&report.resumes), "{}", report.resumes);
}

#[tokio::test]
async fn a_resume_without_all_events_is_seen() {
    let server = FakeServer::start(Manners { lie: Some(Lie::ResumesTooLate), ..Manners::default() }, 1).await;
    let report = resume::run(&resume_config(&server)).await.unwrap();
    assert!(report.violations.count(Kind::UseqGap) > 0, "{report:?}");
}

#[tokio::test]
async fn idle_sessions_are_held() {
    let server = FakeServer::start(Manners::default(), 2).await;
    let config = idle::Config {
        target: target(&server),
        run: "t".into(),
        first: 0,
        count: 100,
        answer_limit_ms: 2_000,
        seed: 1,
    };
    let outcome = idle::Held::open(config).await.unwrap().finish();
    assert_eq!((outcome.opened, outcome.lost), (100, 0));
}

async fn pages_of(lie: Option<Lie>) -> history::Report {
    let server = FakeServer::start(Manners { lie, ..Manners::default() }, 1).await;
    let fill = Config { messages_per_sender: Some(130), verify: false, ..Config::new(target(&server), "t", 2) };
    run(fill).await.unwrap().assert_clean();
    let config = history::Config {
        target: target(&server),
        run: "t".into(),
        pairs: 2,
        body_len: 150,
        pages: 200,
        limit: 50,
        at_a_time: 2,
        answer_limit_ms: 2_000,
        seed: 1,
        server_pids: vec![],
    };
    history::run(&config).await.unwrap()
}

#[tokio::test]
async fn pages_of_a_filled_store_are_read_and_right() {
    let report = pages_of(None).await;
    assert!(report.violations.is_empty(), "{:?}", report.violations);
    assert_eq!(report.pages, 200);
    assert!(report.messages > 2_000, "{}", report.messages);
}

#[tokio::test]
async fn a_page_that_lacks_a_message_is_seen() {
    let report = pages_of(Some(Lie::HidesOneFromHistory)).await;
    assert!(report.violations.count(Kind::Lost) > 0, "{:?}", report.violations);
}
