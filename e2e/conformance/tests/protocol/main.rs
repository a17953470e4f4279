//! The protocol on one real cluster of three replicas: first everything that leaves it alone, at the same time, then what
//! kills its processes.

mod devices;
mod failover;
mod flow;
mod frames;
mod history;
mod lists;
mod opening;
mod receipts;
mod sending;

use e2e_conformance::checks::alone;
use e2e_conformance::{Checks, World};
use e2e_faults::LocalCluster;

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_holds() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let world = World::of(&mut cluster).await?;

    let mut checks = Checks::new(&world);
    checks.start(opening::tokens_are_judged);
    checks.start(opening::a_resume_token_is_good_at_every_gateway_and_for_its_device_only);
    checks.start(opening::a_cursor_is_honoured_or_told_why_not);
    checks.start(opening::a_first_session_is_told_everything_in_a_snapshot);
    checks.start(opening::other_ways_in_are_not_found);
    checks.start(frames::a_body_is_kept_byte_for_byte);
    checks.start(frames::what_a_body_may_not_be_is_refused);
    checks.start(frames::broken_frames_end_a_connection_with_their_code);
    checks.start(frames::malformed_frames_are_answered_and_the_tenth_in_a_row_closes);
    checks.start(sending::every_device_gets_the_conversation_and_then_the_message);
    checks.start(sending::a_repeat_is_answered_as_the_first_time);
    checks.start(sending::a_mid_is_the_senders_and_the_conversations);
    checks.start(sending::a_message_waits_for_the_one_it_comes_after);
    checks.start(sending::more_than_the_limit_in_flight_is_refused_and_the_rest_keeps_its_order);
    checks.start(sending::a_chat_with_oneself_has_one_member);
    checks.start(sending::who_is_no_member_finds_nothing);
    checks.start(history::pages_go_in_every_direction);
    checks.start(history::a_page_of_large_messages_ends_early);
    checks.start(lists::conversations_are_listed_by_activity);
    checks.start(receipts::reading_is_a_maximum_that_both_sides_hear_of);
    checks.start(receipts::a_send_raises_ones_own_read_without_an_event);
    checks.start(receipts::what_a_device_acked_is_delivered);
    checks.start(flow::a_window_is_512_events_and_acks_open_it);
    checks.start(flow::a_window_is_a_mebibyte);
    checks.start(flow::the_window_holds_during_replay);
    checks.start(devices::the_later_hello_of_a_device_wins);
    checks.start(devices::thirty_three_devices_are_served);
    checks.hold().await;

    alone(failover::the_client_of_a_killed_gateway_goes_on_at_another(&mut cluster, &world)).await?;
    alone(failover::clients_of_other_gateways_miss_nothing_when_the_leader_is_killed(&mut cluster, &world)).await?;
    alone(failover::a_replaced_connection_stays_replaced_after_a_failover(&mut cluster, &world)).await?;
    alone(failover::without_a_majority_nothing_is_acknowledged_and_status_says_so(&mut cluster, &world)).await?;
    alone(failover::what_was_acknowledged_survives_the_death_of_all(&mut cluster, &world)).await?;
    alone(failover::before_a_planned_end_comes_a_goaway(cluster, &world)).await
}
