//! The checker can fail: each lie of a server is seen, and a server that tells none passes through any disorder.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod fake;

use std::time::Duration;

use e2e_load::chat::{Config, Load, Report, Run, Senders, run};
use e2e_load::check::Kind;
use e2e_load::net::Target;
use fake::{FakeServer, KEY, Lie, Manners};

fn config(server: &FakeServer) -> Config {
    let target = Target::new(server.urls(), KEY).unwrap();
    Config {
        seconds: 2.0,
        messages_per_sender: Some(150),
        devices: 2,
        senders: Senders::Both,
        load: Load::Closed { inflight: 4 },
        answer_limit_ms: 1_000,
        tail_limit_ms: 1_000,
        backoff_max_ms: 20,
        ..Config::new(target, "t", 3)
    }
}

async fn report_on(manners: Manners, change: impl FnOnce(&mut Config)) -> Report {
    let server = FakeServer::start(manners, 2).await;
    let mut config = config(&server);
    change(&mut config);
    run(config).await.unwrap()
}

/// Runs against a server that lies and breaks connections now and then.
async fn lied_to(lie: Lie) -> Report {
    report_on(Manners { lie: Some(lie), breaks_every: Some(101), ..Manners::default() }, |_| {}).await
}

#[track_caller]
fn assert_saw(report: &Report, kinds: &[Kind]) {
    for kind in kinds {
        assert!(report.violations.count(*kind) > 0, "{kind:?} was not seen, but {:#?}", report.violations);
    }
}

#[tokio::test]
async fn an_honest_server_passes() {
    let report = report_on(Manners::default(), |_| {}).await;
    report.assert_clean();
    assert_eq!((report.total.sent, report.total.acked, report.total.done), (900, 900, 900));
    assert_eq!((report.total.delivered, report.total.echoed), (1800, 1800));
    assert_eq!((report.history.conversations, report.history.messages), (3, 900));
    assert_eq!((report.total.retries, report.unanswered), (0, 0));
}

#[tokio::test]
async fn an_honest_server_passes_through_broken_connections_refusals_and_goaways() {
    let manners =
        Manners { breaks_every: Some(37), refuses_every: Some(23), goaway_after: Some(29), ..Manners::default() };
    let report = report_on(manners, |_| {}).await;
    report.assert_clean();
    assert_eq!((report.total.acked, report.total.done, report.history.messages), (900, 900, 900));
    let total = report.total;
    assert!(total.reconnects > 0 && total.resumed > 0 && total.retries > 0 && total.goaways > 0, "{total:?}");
    assert!(total.acked_again > 0, "{total:?}");
    assert!(report.errors.contains_key("unavailable") && report.errors.contains_key("out_of_order"));
}

#[tokio::test]
async fn an_honest_server_passes_when_all_connections_break_at_once() {
    let server = FakeServer::start(Manners::default(), 2).await;
    let run = Run::connect(Config { messages_per_sender: None, ..config(&server) }).await.unwrap();
    run.start();
    let mut progress = run.progress();
    let stopper = run.stopper();
    let breaker = async {
        for round in 1..=5_u64 {
            let enough = progress.wait_for(|progress| progress.counters.acked > round * 200).await;
            enough.expect("the run goes on");
            server.cut_all();
        }
        stopper.stop();
    };
    let (report, ()) = tokio::join!(run.finish(), breaker);
    report.assert_clean();
    assert!(report.total.resumed >= 12 && report.total.fresh == 12, "{:?}", report.total);
}

#[tokio::test]
async fn an_open_loop_keeps_its_schedule() {
    let open = Load::Open { inflight: 16, per_sender_per_s: 50.0 };
    let report = report_on(Manners::default(), |config| {
        config.load = open;
        config.messages_per_sender = None;
    })
    .await;
    report.assert_clean();
    // 6 senders, 50/s each, 2 s.
    assert!((590..=606).contains(&report.total.sent), "{:?}", report.total);
    assert!(report.to_ack.quantiles().p50_ms < 500.0);
}

#[tokio::test]
async fn a_server_that_acks_and_drops_is_seen() {
    assert_saw(&lied_to(Lie::DropsAnAckedMessage).await, &[Kind::Reordered, Kind::Lost]);
}

#[tokio::test]
async fn a_message_shown_twice_is_seen() {
    assert_saw(&lied_to(Lie::ShowsOneTwice).await, &[Kind::Duplicated]);
}

#[tokio::test]
async fn a_message_stored_twice_is_seen() {
    assert_saw(&lied_to(Lie::StoresOneTwice).await, &[Kind::Duplicated, Kind::CseqMismatch]);
}

#[tokio::test]
async fn two_events_in_each_others_place_are_seen() {
    assert_saw(&lied_to(Lie::SwapsTwoEvents).await, &[Kind::UseqGap, Kind::UseqRepeated, Kind::Reordered]);
}

#[tokio::test]
async fn two_messages_stored_in_the_wrong_order_are_seen() {
    // Between two senders there is no order to keep.
    let manners = Manners { lie: Some(Lie::SwapsTwoMessages), ..Manners::default() };
    assert_saw(&report_on(manners, |config| config.senders = Senders::One).await, &[Kind::Reordered]);
}

#[tokio::test]
async fn a_skipped_useq_is_seen() {
    assert_saw(&lied_to(Lie::SkipsAUseq).await, &[Kind::UseqGap]);
}

#[tokio::test]
async fn a_resume_that_is_off_by_one_is_seen() {
    assert_saw(&lied_to(Lie::ResumesTooLate).await, &[Kind::UseqGap]);
    assert_saw(&lied_to(Lie::ResumesTooEarly).await, &[Kind::UseqRepeated]);
}

#[tokio::test]
async fn an_event_lost_at_a_reconnect_is_seen() {
    assert_saw(&lied_to(Lie::LosesOneAtReconnect).await, &[Kind::HeadTooLow, Kind::UseqGap]);
}

#[tokio::test]
async fn a_changed_body_is_seen() {
    assert_saw(&lied_to(Lie::ChangesABody).await, &[Kind::WrongContent]);
}

#[tokio::test]
async fn an_ack_with_another_number_is_seen() {
    assert_saw(&lied_to(Lie::AcksAnotherCseq).await, &[Kind::CseqMismatch]);
}

#[tokio::test]
async fn a_message_that_the_history_lacks_is_seen() {
    assert_saw(&lied_to(Lie::HidesOneFromHistory).await, &[Kind::CseqGap, Kind::Lost]);
}

#[tokio::test]
async fn a_delivery_reported_before_its_ack_is_seen() {
    assert_saw(&lied_to(Lie::ReportsDeliveryTooEarly).await, &[Kind::DeliveredTooEarly]);
}

#[tokio::test]
async fn a_message_forgotten_after_its_ack_is_seen() {
    assert_saw(&lied_to(Lie::ForgetsTheNewest).await, &[Kind::Duplicated, Kind::Lost]);
}

#[tokio::test]
async fn a_cursor_that_is_not_honoured_is_seen_and_nothing_else() {
    let report = lied_to(Lie::RefusesToResume).await;
    assert_saw(&report, &[Kind::ResumeRefused]);
    assert_eq!(report.violations.total(), report.violations.count(Kind::ResumeRefused), "{:#?}", report.violations);
}

#[tokio::test]
async fn a_device_that_is_left_out_is_seen() {
    assert_saw(&lied_to(Lie::SkipsADevice).await, &[Kind::UseqGap]);
}

#[tokio::test]
async fn servers_that_are_not_there_are_named() {
    let target = Target::new(vec!["127.0.0.1:1".parse().unwrap()], KEY).unwrap();
    let config = Config { connect_limit_ms: 300, ..Config::new(target, "t", 1) };
    let error = run(config).await.unwrap_err().to_string();
    assert!(error.starts_with("0 of 2 sessions became live") && error.contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_stop_ends_the_sending_early() {
    let server = FakeServer::start(Manners::default(), 1).await;
    let run = Run::connect(Config { seconds: 60.0, messages_per_sender: None, ..config(&server) }).await.unwrap();
    run.start();
    run.stopper().stop();
    let report = tokio::time::timeout(Duration::from_secs(20), run.finish()).await.unwrap();
    report.assert_clean();
}
