//! The planner's rules, one sentence each.
#![expect(clippy::unwrap_used, reason = "a failed arrangement is a failed test")]

mod support;

use cell_types::Lifecycle::{Empty, Failed, Founding, Joining, Removed, Running};
use cell_types::Role;
use operator_plan::action::Gate;
use operator_plan::{Verb, assess};
use support::{Seen, desired, record, replica};

fn no_actions() -> Vec<String> {
    Vec::new()
}

/// The gates at which a plan is blocked.
fn gates(seen: &Seen, replicas: u32) -> Vec<Gate> {
    let gate = |verb| if let Verb::Blocked { gate, .. } = verb { Some(gate) } else { None };
    seen.actions(replicas).into_iter().filter_map(|action| gate(action.verb)).collect()
}

#[test]
fn a_new_cluster_starts_every_replica_and_founds_nothing_yet() {
    assert_eq!(
        Seen::nothing().planned(3),
        ["start c0-0", "start c0-1", "start c0-2", "wait for c0-0"],
        "volumes are asked before a cell is founded"
    );
}

#[test]
fn founders_are_recorded_when_all_volumes_say_that_they_are_empty() {
    let actions = Seen::empty(3).actions(3);
    assert_eq!(actions.len(), 1);
    assert_eq!(actions[0].verb, Verb::RecordFounders(record(3)));
}

#[test]
fn nobody_is_recorded_while_one_volume_has_not_been_asked() {
    assert_eq!(Seen::empty(2).silent(2).planned(3), ["wait for c0-2", "wait for c0-2"]);
    assert_eq!(Seen::empty(2).backing_off(2).planned(3), ["wait for c0-2", "wait for c0-2"]);
}

#[test]
fn a_volume_that_nobody_wants_any_more_is_asked_too() {
    assert_eq!(Seen::empty(1).stopped(1).planned(1), ["start c0-1", "wait for c0-1"]);
}

#[test]
fn founders_are_told_only_what_is_recorded() {
    let actions = Seen::empty(3).recorded(3).actions(3);
    let told: Vec<_> = (0..3).map(|n| Verb::Found { replica: replica(n), record: record(3) }).collect();
    assert_eq!(actions.into_iter().map(|action| action.verb).collect::<Vec<_>>(), told);
}

#[test]
fn a_founder_that_obeyed_is_not_told_again() {
    let seen = Seen::empty(3).answering(1, Founding).recorded(3);
    assert_eq!(seen.planned(3), ["tell c0-0 to found its cell", "tell c0-2 to found its cell"]);
}

#[test]
fn founders_are_told_when_all_of_them_answer() {
    assert_eq!(Seen::empty(2).silent(2).recorded(3).planned(3), ["wait for c0-2", "wait for c0-2"]);
}

#[test]
fn a_founding_that_all_obeyed_is_waited_for() {
    let seen = Seen::nothing().answering(0, Founding).recorded(1);
    assert_eq!(seen.planned(1), ["wait for c0"]);
}

#[test]
fn a_changed_wish_does_not_change_a_recorded_founding() {
    let actions = Seen::empty(3).recorded(1).actions(3);
    assert_eq!(actions[0].verb, Verb::Found { replica: replica(0), record: record(1) });
}

#[test]
fn a_founders_volume_that_is_gone_before_the_founding_is_confirmed_blocks_and_names_what_clears_it() {
    let seen = Seen::empty(3).wiped(1, Empty).recorded(3);
    assert_eq!(gates(&seen, 3), [Gate::FoundingOnce]);
    let text = seen.actions(3)[0].to_string();
    assert!(text.contains("founder c0-1 is gone") && text.contains("Put the files of c0-1 back"), "{text}");
}

#[test]
fn a_volume_that_was_told_of_founders_nobody_has_recorded_blocks() {
    assert_eq!(gates(&Seen::empty(3).answering(2, Founding), 3), [Gate::FoundingOnce]);
}

#[test]
fn a_founding_is_confirmed_when_one_replica_has_seen_it() {
    let mut seen = Seen::serving(3);
    seen.0.founding_confirmed = false;
    assert_eq!(seen.planned(3), ["remember that c0 is founded"]);
}

#[test]
fn a_founded_cell_whose_record_is_lost_is_left_as_it_is() {
    let mut seen = Seen::serving(3);
    seen.0.founding = None;
    seen.0.founding_confirmed = false;
    assert_eq!(seen.planned(3), no_actions());
}

#[test]
fn a_founded_cell_on_wiped_volumes_is_never_founded_again() {
    let seen = Seen::nothing().wiped(0, Empty).wiped(1, Empty).wiped(2, Empty).recorded(3).confirmed();
    assert_eq!(gates(&seen, 3), [Gate::QuorumLost]);
    assert!(seen.actions(3).iter().all(|action| !matches!(action.verb, Verb::Found { .. } | Verb::RecordFounders(_))));
}

#[test]
fn a_cell_of_one_whose_volume_is_gone_is_said_loudly() {
    let seen = Seen::nothing().wiped(0, Empty).recorded(1).confirmed();
    assert_eq!(gates(&seen, 1), [Gate::QuorumLost]);
    let health = assess(&desired(1), &seen.observed());
    assert!(!health.is_ready());
    assert!(health.conditions.iter().any(|c| c.reason == "QuorumLost" && c.message.contains("c0-0")), "{health:?}");
}

#[test]
fn two_of_three_volumes_gone_is_a_lost_quorum_and_one_is_not() {
    let two = Seen::serving(3).wiped(1, Joining).wiped(2, Joining);
    let mut leaderless = two.clone();
    leaderless.status(0).role = Role::Follower;
    assert_eq!(gates(&leaderless, 3), [Gate::QuorumLost]);
    let mut one = Seen::serving(3).wiped(2, Joining);
    one.status(0).role = Role::Follower;
    assert_eq!(one.planned(3), ["wait for c0", "wait for c0-2"]);
}

#[test]
fn replicas_that_are_silent_are_not_counted_as_lost() {
    let mut seen = Seen::serving(3).silent(1).silent(2);
    seen.status(0).role = Role::Follower;
    assert_eq!(gates(&seen, 3), []);
}

#[test]
fn a_replica_that_was_told_and_runs_does_not_keep_the_others_from_being_told() {
    let seen = Seen::empty(3).answering(0, Running).recorded(3);
    assert_eq!(seen.planned(3), ["tell c0-1 to found its cell", "tell c0-2 to found its cell"]);
}

#[test]
fn replicas_that_come_back_after_a_restart_are_not_called_lost() {
    let mut seen = Seen::empty(3).recorded(3).confirmed();
    for ordinal in 0..3 {
        seen.status(ordinal).lifecycle = Joining;
        seen.status(ordinal).node = Some(cell_types::NodeId::new(u64::from(ordinal) + 1));
    }
    assert_eq!(gates(&seen, 3), []);
}

#[test]
fn nothing_is_called_lost_while_one_replica_is_silent() {
    let seen = Seen::nothing().silent(0).wiped(1, Joining).wiped(2, Joining).recorded(3).confirmed();
    assert_eq!(gates(&seen, 3), []);
}

#[test]
fn a_converged_cell_plans_nothing() {
    for replicas in [1, 3, 5] {
        assert_eq!(Seen::serving(replicas).planned(replicas), no_actions());
    }
}

#[test]
fn a_replica_that_ended_is_started_after_its_back_off() {
    assert_eq!(Seen::serving(3).stopped(2).planned(3), ["start c0-2"]);
    assert_eq!(Seen::serving(3).backing_off(2).planned(3), ["wait for c0-2"]);
}

#[test]
fn a_replica_without_a_volume_is_started_to_join() {
    let mut seen = Seen::serving(3);
    seen.0.slots.remove(&replica(2));
    let actions = seen.actions(3);
    assert_eq!(actions.len(), 1);
    assert!(actions[0].to_string().contains("joins its cell"), "{}", actions[0]);
}

#[test]
fn a_replica_that_is_joining_is_waited_for() {
    assert_eq!(Seen::serving(3).wiped(2, Joining).planned(3), ["wait for c0-2"]);
}

#[test]
fn a_replica_that_failed_blocks_with_its_own_words_and_nothing_else_stops() {
    let mut seen = Seen::serving(3).answering(2, Failed);
    seen.status(2).messages = vec!["state.redb belongs to another cluster".into()];
    assert_eq!(gates(&seen, 3), [Gate::ReplicaFailed]);
    assert!(seen.actions(3)[0].to_string().contains("another cluster"));
    assert!(assess(&desired(3), &seen.observed()).is_ready());
}

#[test]
fn a_volume_whose_replica_was_removed_for_ever_is_set_aside() {
    assert_eq!(Seen::serving(3).answering(2, Removed).planned(3), ["set the volume of c0-2 aside"]);
}

#[test]
fn a_removed_volume_stays_while_its_cell_has_no_leader() {
    let mut seen = Seen::serving(3).answering(2, Removed);
    seen.status(0).role = Role::Follower;
    assert!(!seen.planned(3).contains(&"set the volume of c0-2 aside".to_owned()));
}

#[test]
fn growing_starts_the_new_slots_and_raises_the_number_of_voters() {
    assert_eq!(Seen::serving(1).planned(3), ["start c0-1", "start c0-2", "set the voters of c0 to 3"]);
}

#[test]
fn growing_from_one_to_five_goes_by_three() {
    assert!(Seen::serving(1).planned(5).contains(&"set the voters of c0 to 3".to_owned()));
    let half_way = Seen::serving(3).answering(3, Joining).answering(4, Joining);
    assert!(half_way.planned(5).contains(&"set the voters of c0 to 5".to_owned()));
}

#[test]
fn the_next_step_waits_until_the_voters_are_those_of_the_last() {
    let seen = Seen::serving(3).led(0, 0..2, 3);
    assert_eq!(seen.planned(5), ["start c0-3", "start c0-4", "wait for c0"]);
}

#[test]
fn shrinking_first_lowers_the_number_of_voters_and_stops_nothing() {
    assert_eq!(Seen::serving(5).planned(3), ["set the voters of c0 to 3"]);
    assert_eq!(Seen::serving(3).planned(1), ["set the voters of c0 to 1"]);
}

#[test]
fn shrinking_from_five_to_one_goes_by_three() {
    assert_eq!(Seen::serving(5).planned(1), ["set the voters of c0 to 3"]);
}

#[test]
fn shrinking_waits_until_those_who_stay_are_well() {
    let seen = Seen::serving(5).silent(1);
    assert_eq!(seen.planned(3), ["wait for c0-1", "wait for c0-1"]);
}

#[test]
fn a_leader_that_is_to_leave_hands_over_first() {
    assert_eq!(Seen::serving(3).led(2, 0..3, 3).planned(1), ["hand over from c0-2 to c0-0"]);
    assert_eq!(Seen::serving(5).led(1, 0..5, 5).planned(1), ["hand over from c0-1 to c0-0"]);
}

#[test]
fn a_slot_that_lost_its_place_to_a_later_one_gets_it_back() {
    let displaced = Seen::serving(3).answering(1, Joining).answering(3, Running).led(0, [0, 2, 3], 3);
    assert_eq!(displaced.planned(3), ["set the voters of c0 to 5", "wait for c0-1"]);
    let both = Seen::serving(3).answering(3, Running).led(0, 0..4, 5);
    assert_eq!(both.planned(3), ["set the voters of c0 to 3"]);
}

#[test]
fn a_replica_that_still_votes_is_never_stopped() {
    let seen = Seen::serving(5).led(0, 0..4, 3);
    assert_eq!(seen.planned(3), ["wait for c0", "stop c0-4"], "c0-3 votes");
}

#[test]
fn the_highest_ordinal_leaves_first_and_only_one_at_a_time() {
    let seen = Seen::serving(5).led(0, 0..3, 3);
    assert_eq!(seen.planned(3), ["stop c0-4"]);
    assert_eq!(seen.clone().stopped(4).planned(3), ["set the volume of c0-4 aside"]);
    let mut gone = seen;
    gone.0.slots.remove(&replica(4));
    assert_eq!(gone.planned(3), ["stop c0-3"]);
}

#[test]
fn a_leader_that_is_to_leave_is_not_stopped_while_it_leads() {
    let seen = Seen::serving(3).led(2, 0..2, 1);
    assert!(!seen.planned(1).contains(&"stop c0-2".to_owned()));
}

#[test]
fn a_slot_that_left_is_stopped_only_on_the_leaders_word() {
    let mut seen = Seen::serving(5).led(0, 0..3, 3);
    seen.status(0).role = Role::Follower;
    assert_eq!(seen.planned(3), ["wait for c0"]);
}

#[test]
fn of_two_leaders_the_one_with_the_higher_term_is_believed() {
    let mut seen = Seen::serving(3);
    seen.status(2).role = Role::Leader;
    seen.status(2).raft_term = 2;
    seen.status(2).voters_wanted = Some(support::count(1));
    assert_eq!(seen.planned(3), ["wait for c0"], "the newer leader is to have one voter and has three");
}

#[test]
fn every_action_says_why() {
    for seen in
        [Seen::nothing(), Seen::empty(3), Seen::serving(1), Seen::serving(3).silent(1), Seen::empty(3).recorded(3)]
    {
        for action in seen.actions(3) {
            assert!(action.why.len() > 10, "{action:?}");
        }
    }
}

#[test]
fn ready_means_a_leader_that_serves_and_an_owner_of_every_key() {
    let ready = |seen: &Seen| assess(&desired(3), &seen.observed()).is_ready();
    assert!(ready(&Seen::serving(3)));
    assert!(ready(&Seen::serving(3).silent(1)), "one of three may be down");
    assert!(!ready(&Seen::serving(3).silent(1).silent(2)), "a leader alone can do nothing");
    assert!(!ready(&Seen::serving(3).silent(1).wiped(2, Empty)), "a wiped voter confirms nothing");
    let mut no_range = Seen::serving(3);
    no_range.status(0).ranges.clear();
    assert!(!ready(&no_range));
    let mut no_leader = Seen::serving(3);
    no_leader.status(0).role = Role::Follower;
    assert!(!ready(&no_leader));
    let mut half = Seen::serving(3);
    let upper = cell_types::KeyRange::new(cell_types::PlacementKey::new(1 << 63), 1 << 64).unwrap();
    half.status(0).ranges = vec![(upper, cell_types::Epoch::new(1))];
    assert!(!ready(&half));
    half.status(0).serving = false;
    assert!(!ready(&half));
}

#[test]
fn a_replica_that_is_down_degrades_a_ready_cell() {
    let health = assess(&desired(3), &Seen::serving(3).stopped(2).observed());
    let degraded = health.conditions.iter().find(|condition| condition.reason == "ReplicasDown").unwrap();
    assert!(health.is_ready() && degraded.holds && degraded.message.contains("c0-2"));
}

#[test]
fn a_lone_replica_that_has_seen_the_founding_is_believed_whatever_the_record_says() {
    let mut seen = Seen::empty(2).answering(2, Running).recorded(3);
    seen.status(2).voters_wanted = Some(support::count(3));
    assert!(seen.actions(3).iter().all(|action| !matches!(action.verb, Verb::Found { .. })));
}
