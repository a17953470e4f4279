//! Disks that fail, files that are damaged, volumes that are not what they seem.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{World, message, run};
use crate::Lifecycle;

#[test]
fn a_failed_fsync_stops_the_replica_and_the_others_go_on() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let broken = world.leader().await;
        world.slots[broken].volume.fail_syncs(true);
        let answer = world.replica(broken).propose(message(500)).await;
        assert!(answer.is_err(), "{answer:?}");
        let status = world.until(broken, "it stops", |status| status.lifecycle == Lifecycle::Failed).await;
        assert!(status.fatal.unwrap().contains("fsync failed"));
        world.kill(broken);
        world.send().await;
        world.slots[broken].volume.fail_syncs(false);
        world.start(broken).await;
        world.until(broken, "it is back", |status| status.is_ready()).await;
        world.agree().await;
    });
}

#[test]
fn a_full_disk_stops_the_replica_and_space_brings_it_back() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let full = (world.leader().await + 1) % 3;
        world.slots[full].volume.fill_up(true);
        world.send_many(300, 2000).await;
        let status = world.until(full, "it stops", |status| status.lifecycle == Lifecycle::Failed).await;
        assert!(status.fatal.as_ref().unwrap().contains("the disk is full"), "{status:?}");
        world.kill(full);
        world.send().await;
        world.slots[full].volume.fill_up(false);
        world.start(full).await;
        let status = world.until(full, "it is back", |status| status.is_ready()).await;
        assert_eq!(status.node.unwrap().get(), full as u64 + 1, "it is the same replica");
        world.agree().await;
    });
}

#[test]
fn a_volume_that_was_put_back_from_before_its_last_start_is_unmasked_and_heals() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        world.kill(1);
        let earlier = world.slots[1].volume.copy();
        world.start(1).await;
        world.until(1, "it is back", |status| status.is_ready()).await;
        world.send().await;
        world.kill(1);
        world.slots[1].volume.put_back(earlier);
        world.start(1).await;
        world.until(1, "it says so", |status| status.messages.iter().any(|m| m.contains("rolled back"))).await;
        let status = world.until(1, "it is a voter again", |status| status.is_ready()).await;
        assert_eq!(status.node.unwrap().get(), 4);
        world.agree().await;
    });
}

#[test]
fn a_volume_that_was_put_back_from_minutes_ago_is_unmasked_although_the_process_never_restarted() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let earlier = world.slots[1].volume.copy();
        tokio::time::sleep(Duration::from_secs(130)).await;
        world.send().await;
        world.kill(1);
        world.slots[1].volume.put_back(earlier);
        world.start(1).await;
        let status = world.until(1, "it is a voter again", |status| status.is_ready()).await;
        assert_eq!(status.node.unwrap().get(), 4);
    });
}

#[test]
fn a_damaged_log_file_is_set_aside_until_the_replica_is_rebuilt() {
    run(|| async {
        let mut world = World::founded(3).await;
        for _ in 0..10 {
            world.send().await;
        }
        world.kill(2);
        world.slots[2].volume.damage("log.redb", |bytes| bytes.iter_mut().skip(4096).for_each(|b| *b ^= 0x10));
        world.start(2).await;
        assert!(world.slots[2].volume.names().iter().any(|name| name == "set-aside-1.log.redb"));
        world.until(2, "it is a voter again", |status| status.is_ready()).await;
        world
            .eventually("the damaged files are removed", |world| {
                !world.slots[2].volume.names().iter().any(|name| name.starts_with("set-aside"))
            })
            .await;
        world.agree().await;
    });
}

#[test]
fn any_damage_to_either_file_is_either_noticed_or_harmless() {
    run(|| async {
        let mut world = World::founded(3).await;
        for _ in 0..10 {
            world.send().await;
        }
        world.replica(2).shutdown().await;
        world.kill(2);
        let whole = world.slots[2].volume.copy();
        for (name, at) in ["log.redb", "state.redb"].into_iter().flat_map(|name| (0..12).map(move |n| (name, n))) {
            world.slots[2].volume.put_back(whole.clone());
            let len = whole[name].len();
            // Spread over the file, other bits each time.
            world.slots[2].volume.damage(name, |bytes| bytes[at * len / 12 + 7 * at] ^= 1 << (at % 8));
            match world.try_start(2).await {
                Err(error) => panic!("{name} {at}: {error}"),
                Ok(()) => {
                    world.send().await;
                    world.kill(2);
                }
            }
        }
    });
}

#[test]
fn a_truncated_state_file_is_set_aside_and_the_replica_rebuilt() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        world.kill(0);
        world.slots[0].volume.damage("state.redb", |bytes| bytes.truncate(1000));
        world.start(0).await;
        world.until(0, "it is a voter again", |status| status.is_ready()).await;
        world.agree().await;
    });
}

#[test]
fn the_volume_of_a_foreign_cluster_is_set_aside() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        world.kill(2);
        world.slots[2].volume.wipe();
        world.slots[2].cluster = "another".parse().unwrap();
        world.start(2).await;
        world.kill(2);
        world.slots[2].cluster = "test".parse().unwrap();
        world.start(2).await;
        assert!(
            world.status(2).messages.iter().any(|m| m.contains("cluster another")),
            "{:?}",
            world.status(2).messages
        );
        world.until(2, "it is a voter again", |status| status.is_ready()).await;
    });
}

#[test]
fn the_volume_of_a_foreign_cell_of_the_same_name_is_set_aside() {
    run(|| async {
        let foreign = copy_of_a_foreign_volume().await;
        let mut world = World::founded(3).await;
        world.send().await;
        world.kill(1);
        world.slots[1].volume.put_back(foreign);
        world.start(1).await;
        world.until(1, "it says so", |status| status.messages.iter().any(|m| m.contains("foreign cell"))).await;
        let status = world.until(1, "it is a voter again", |status| status.is_ready()).await;
        assert_eq!(status.node.unwrap().get(), 4);
        world.agree().await;
    });
}

#[test]
fn the_volume_of_a_foreign_cell_is_set_aside_also_when_all_start_at_the_same_time() {
    run(|| async {
        let foreign = copy_of_a_foreign_volume().await;
        let mut world = World::founded(3).await;
        world.send().await;
        (0..3).for_each(|n| world.kill(n));
        world.slots[1].volume.put_back(foreign);
        for n in [1, 0, 2] {
            world.start(n).await;
        }
        world.until(1, "it says so", |status| status.messages.iter().any(|m| m.contains("foreign cell"))).await;
        let status = world.until(1, "it is a voter again", |status| status.is_ready()).await;
        assert_eq!(status.node.unwrap().get(), 4);
        world.agree().await;
    });
}

/// Of the same slot, in a cell with the same names, that lived longer and elected more often.
async fn copy_of_a_foreign_volume() -> BTreeMap<String, Vec<u8>> {
    let mut other = World::founded(3).await;
    for _ in 0..5 {
        other.send().await;
        other.kill(1);
        other.start(1).await;
        other.until(1, "it is back", |status| status.is_ready()).await;
    }
    (0..3).for_each(|n| other.kill(n));
    other.slots[1].volume.copy()
}

#[test]
fn in_a_cell_of_one_a_damaged_file_stops_the_process_and_nothing_is_touched() {
    run(|| async {
        let mut world = World::founded(1).await;
        world.send().await;
        world.kill(0);
        world.slots[0].volume.damage("log.redb", |bytes| bytes.iter_mut().skip(4096).for_each(|b| *b ^= 0x10));
        let before = world.slots[0].volume.copy();
        let names = world.slots[0].volume.names();
        let error = world.try_start(0).await.unwrap_err().to_string();
        assert!(error.contains("no other replica to rebuild from"), "{error}");
        assert_eq!(world.slots[0].volume.names(), names);
        assert!(world.slots[0].volume.copy()["log.redb"] == before["log.redb"], "the file is as it was");
    });
}

#[test]
fn a_replica_that_went_another_way_stops_and_says_so() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        world.agree().await;
        let leader = world.leader().await;
        let wrong = (leader + 1) % 3;
        // Another history at the same place.
        let found = world.founding();
        world.replica(wrong).tamper(|state| {
            let (at, membership) = state.applied();
            let (at, (membership_at, membership)) = (at.unwrap(), membership.unwrap());
            let database = redb::Builder::new().create_with_backend(redb::backends::InMemoryBackend::new()).unwrap();
            let mut other = cell_core::State::open(database).unwrap();
            other.note(membership_at, Some(membership));
            let commands = vec![cell_core::Command::Found(found), message(12345)];
            let batch = cell_core::Batch { stamp: state.log_time(), commands };
            other.apply(at, &batch, &mut Vec::new()).unwrap();
            *state = other;
        });
        let status = async {
            loop {
                world.send_to(leader).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
                let status = world.status(wrong);
                if status.lifecycle == Lifecycle::Failed {
                    return status;
                }
            }
        };
        let status = tokio::time::timeout(Duration::from_secs(60), status).await.expect("it stops");
        assert!(status.fatal.as_ref().unwrap().contains("diverged"), "{status:?}");
        world.kill(wrong);
        world.send().await;
    });
}

#[test]
fn a_replica_whose_digest_differs_stops_for_good() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let leader = world.leader().await;
        let compare = world.replica(leader).read(|state| cell_core::record::CompareDigest {
            index: state.applied().0.unwrap().index,
            digest: state.digest() ^ 1,
        });
        // A wrong comparison makes every replica the one that differs.
        let answer = world.replica(leader).propose(cell_core::Command::CompareDigest(compare.unwrap())).await;
        assert!(answer.is_err());
        let status = world.until(leader, "it stops", |status| status.lifecycle == Lifecycle::Failed).await;
        assert!(status.fatal.unwrap().contains("diverged"));
        world.kill(leader);
        let error = world.try_start(leader).await.unwrap_err().to_string();
        assert!(error.contains("diverged"), "{error}");
    });
}

#[test]
fn a_removed_replica_learns_it_when_it_comes_back() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let leader = world.leader().await;
        let lost = (leader + 1) % 3;
        world.isolate(lost, true);
        // Somebody puts an empty volume into the slot meanwhile.
        let (old_process, old) = world.slots[lost].process.take().unwrap();
        let old_volume = std::mem::take(&mut world.slots[lost].volume);
        world.net.unregister(&world.slots[lost].name);
        world.isolate(lost, false);
        world.start(lost).await;
        // The old process still dials out, so it is heard, and not replaced while it lives.
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(!world.status(lost).voter);
        old_volume.cut_power();
        old_process.kill();
        drop(old);
        world.until(lost, "it is a voter", |status| status.is_ready()).await;
        // Now the old volume comes back in place of the new one.
        world.kill(lost);
        world.slots[lost].volume = old_volume;
        world.start(lost).await;
        world.until(lost, "it learns", |status| status.messages.iter().any(|m| m.contains("replaced"))).await;
        world.until(lost, "it is a voter again", |status| status.is_ready()).await;
        world.send().await;
        world.agree().await;
    });
}
