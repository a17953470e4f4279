//! Checkpoints, the log behind them, and snapshots to replicas that were away.

use std::time::Duration;

use super::{World, run};

/// More than the tail of the log that is kept.
async fn write_much(world: &mut World) {
    for _ in 0..8 {
        world.send_many(400, 3500).await;
    }
    let leader = world.leader().await;
    world.until(leader, "the log is purged", |status| status.purged > 0).await;
}

#[test]
fn the_log_is_purged_only_behind_a_durable_checkpoint() {
    run(|| async {
        let mut world = World::founded(3).await;
        write_much(&mut world).await;
        for n in 0..3 {
            let status = world.status(n);
            assert!(status.purged <= status.durable, "{status:?}");
            assert!(status.durable <= status.applied, "{status:?}");
        }
        (0..3).for_each(|n| world.kill(n));
        for n in 0..3 {
            world.start(n).await;
        }
        world.send().await;
        world.agree().await;
    });
}

#[test]
fn a_replica_that_was_away_for_long_gets_a_snapshot_and_resumes_it_after_a_cut() {
    run(|| async {
        let mut world = World::founded(3).await;
        world.send().await;
        let away = (world.leader().await + 1) % 3;
        world.kill(away);
        write_much(&mut world).await;
        // The way breaks after some chunks.
        world.net.break_bulk_after(Some(31));
        world.start(away).await;
        world.eventually("the transfer is cut", |world| world.net.bulk_carried() == 31).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.net.break_bulk_after(None);
        world.until(away, "it has caught up", |status| status.is_ready() && status.purged > 0).await;
        world.agree().await;
        // Offer, chunks, install, each with its answer, and what was in flight at the cut: a transfer from the
        // beginning would have needed more.
        let chunks = world.replica(away).read(chunks).unwrap();
        let carried = world.net.bulk_carried();
        assert!((2 * chunks..2 * chunks + 12).contains(&carried), "{carried} frames for {chunks} chunks");
        world.kill(away);
        world.start(away).await;
        world.send().await;
        world.agree().await;
    });
}

fn chunks(state: &cell_core::State) -> usize {
    let reader = state.snapshot().unwrap();
    let next = |after: Option<Vec<u8>>| reader.chunk(after.as_deref(), 1 << 20).unwrap().next;
    1 + std::iter::successors(next(None), |after| next(Some(after.clone()))).count()
}

#[test]
fn a_quiet_cell_writes_its_changes_after_half_a_minute() {
    run(|| async {
        let mut world = World::founded(1).await;
        world.send().await;
        let before = world.status(0);
        assert!(before.durable < before.applied);
        tokio::time::sleep(Duration::from_secs(35)).await;
        let after = world.status(0);
        assert!(after.durable >= before.applied, "{after:?}");
    });
}
