//! Founding, proposing, leading, restarting, joining, leaving.

use std::time::Duration;

use super::{World, message, run};
use crate::Role;

#[test]
fn a_founded_cell_elects_a_leader_and_answers_commands() {
    run(|| async {
        let mut world = World::founded(3).await;
        assert_eq!(world.send().await, 1);
        world.agree().await;
        for n in 0..3 {
            assert_eq!(world.status(n).voters, world.names());
            assert_eq!(world.status(n).node.unwrap().get(), n as u64 + 1);
        }
    });
}

#[test]
fn commands_are_applied_in_the_order_of_their_submission() {
    run(|| async {
        let mut world = World::founded(3).await;
        let leader = world.leader().await;
        let commands = (1..=3000).map(|n| message(n * 50)).collect();
        let answers = world.replica(leader).propose_many(commands).await;
        let numbers: Vec<_> = answers
            .into_iter()
            .map(|answer| match answer.unwrap() {
                cell_core::Reply::Sent { cseq, .. } => cseq.get(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(numbers, (1..=3000).collect::<Vec<_>>());
        assert!(world.status(leader).last_log < 200, "many commands share an entry");
        world.send().await;
    });
}

#[test]
fn a_cell_goes_on_without_its_leader_and_takes_it_back() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let dead = world.leader().await;
        world.kill(dead);
        world.send().await;
        world.start(dead).await;
        world.until(dead, "it is back", |status| status.is_ready() && status.applied > 0).await;
        world.agree().await;
    });
}

#[test]
fn a_cell_that_loses_all_its_processes_has_everything_that_it_answered() {
    run(|| async {
        let mut world = World::founded(3).await;
        for _ in 0..20 {
            world.send().await;
        }
        (0..3).for_each(|n| world.kill(n));
        for n in 0..3 {
            world.start(n).await;
        }
        let leader = world.leader().await;
        // The same message again is answered with its first number.
        let again = world.replica(leader).propose(message(7)).await.unwrap();
        assert!(matches!(again, cell_core::Reply::Sent { again: true, .. }), "{again:?}");
        world.agree().await;
    });
}

#[test]
fn a_cell_of_one_serves_and_restarts() {
    run(|| async {
        let mut world = World::founded(1).await;
        world.send().await;
        world.kill(0);
        world.start(0).await;
        world.send().await;
        world.replica(0).shutdown().await;
        assert_eq!(world.status(0).lifecycle, crate::Lifecycle::Stopped);
    });
}

#[test]
fn founding_again_changes_nothing_and_a_stranger_is_not_founded() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        world.replica(0).found(world.record(3)).await.unwrap();
        let mut other = world.record(3);
        other.founders[0].1 = cell_types::VolumeId::new(5);
        assert!(matches!(world.replica(0).found(other).await, Err(crate::Error::NotListed)));
        assert_eq!(world.send().await, 1);
    });
}

#[test]
fn leadership_is_handed_over_on_request() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let leader = world.leader().await;
        world.replica(leader).hand_over(None).await.unwrap();
        let next = world.leader().await;
        assert_ne!(next, leader);
        assert_eq!(world.status(leader).role, Role::Follower);
        world.send().await;
    });
}

#[test]
fn a_restarted_voter_takes_part_only_when_every_lease_that_it_gave_is_over() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let follower = (world.leader().await + 1) % 3;
        world.kill(follower);
        let lease = crate::Options::new(
            ("test".parse().unwrap(), "c0".parse().unwrap(), cell_types::Incarnation::new(1)),
            world.slots[follower].name.clone(),
            vec![],
        )
        .election
        .1;
        let began = tokio::time::Instant::now();
        world.start(follower).await;
        world.until(follower, "it runs", |status| status.lifecycle == crate::Lifecycle::Running).await;
        assert!(began.elapsed() >= lease, "{:?}", began.elapsed());
    });
}

#[test]
fn a_leader_without_a_quorum_answers_no_read_and_no_command() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let leader = world.leader().await;
        world.isolate(leader, true);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(world.replica(leader).read_index().await.is_err());
        assert!(world.replica(leader).propose(message(999)).await.is_err());
        world.isolate(leader, false);
        world.send().await;
        world.agree().await;
    });
}

#[test]
fn a_wiped_volume_heals_with_a_node_id_that_was_never_used() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        world.kill(1);
        world.slots[1].volume.wipe();
        world.start(1).await;
        let status = world.until(1, "it is a voter again", |status| status.is_ready()).await;
        assert_eq!(status.node.unwrap().get(), 4);
        world.send().await;
        world.agree().await;
        let leader = world.leader().await;
        let is_retired = |s: &cell_core::State| s.registry().iter().any(|r| r.node.get() == 2 && r.retired);
        world.eventually("node 2 is retired", |world| world.replica(leader).read(is_retired).unwrap()).await;
        assert_eq!(world.status(leader).voters.len(), 3);
    });
}

#[test]
fn a_live_voter_is_not_replaced_by_a_second_process_of_its_slot() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let leader = world.leader().await;
        let slot = (leader + 1) % 3;
        // A second process with an empty volume, which can dial out but is not found by its name.
        let other = super::cell::Slot::new(world.slots[slot].name.clone());
        let process = super::Process::new();
        let second = other.launch(&process, world.net.peers(&other.name), world.names()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert!(!second.status().borrow().voter);
        assert!(world.status(slot).is_ready());
        assert_eq!(world.status(slot).node.unwrap().get(), slot as u64 + 1);
        process.kill();
        world.send().await;
    });
}

#[test]
fn a_cell_grows_and_shrinks_with_its_setting() {
    run(|| async {
        let mut world = World::new(3);
        for n in 0..3 {
            world.start(n).await;
        }
        world.found(1).await;
        world.until(0, "it leads", |status| status.is_ready()).await;
        world.commit(cell_core::Command::ChangeSetting(cell_core::view::Setting::Voters(3))).await;
        for n in 0..3 {
            world.until(n, "it votes", |status| status.is_ready() && status.voters.len() == 3).await;
        }
        world.send().await;
        world.agree().await;
        world.commit(cell_core::Command::ChangeSetting(cell_core::view::Setting::Voters(1))).await;
        let leader = world.leader().await;
        world.until(leader, "it is alone", |status| status.voters.len() == 1).await;
        world.send().await;
        let other = (leader + 1) % 3;
        world.until(other, "it is refused", |status| status.messages.iter().any(|m| m.contains("refuses"))).await;
    });
}

#[test]
fn a_leader_with_a_clock_far_ahead_hands_over_and_log_time_stays_sane() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let wrong = world.leader().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        *world.slots[wrong].clock.skew_millis.lock().unwrap() = 3_600_000;
        world.send().await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        let right = world.leader().await;
        assert_ne!(right, wrong);
        let now = crate::seams::Clock::now(&*world.slots[right].clock);
        let log_time = world.replica(right).read(|s| s.log_time()).unwrap();
        assert!(log_time <= now.plus(Duration::from_secs(6)), "{log_time:?} at {now:?}");
    });
}
