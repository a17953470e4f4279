//! Several connections of one user.

use e2e_conformance::World;
use e2e_conformance::session::useqs;
use serde_json::json;

pub(crate) async fn the_later_hello_of_a_device_wins(world: World) -> anyhow::Result<()> {
    let mut other = world.open("vic", "laptop", 2).await?;
    let mut first = world.open("vic", "phone", 0).await?;
    let mut second = world.open("vic", "phone", 1).await?;
    assert_eq!(first.closed().await?, 4105, "at another gateway");
    let mut third = world.open("vic", "phone", 1).await?;
    assert_eq!(second.closed().await?, 4105, "at the same gateway");
    for session in [&mut other, &mut third] {
        assert_eq!(session.ask(json!({"t": "ping"})).await?["t"], "pong", "other devices are not touched");
    }
    Ok(())
}

pub(crate) async fn thirty_three_devices_are_served(world: World) -> anyhow::Result<()> {
    let mut sessions = Vec::new();
    for device in 0..33 {
        sessions.push(world.open("vera", &format!("d{device}"), device).await?);
    }
    world.open("val", "phone", 0).await?.say("vera", "hi").await?;
    for session in &mut sessions {
        let events = [session.event().await?, session.event().await?];
        assert_eq!(useqs(&events), [1, 2], "also the device that was forgotten for the last one");
    }
    Ok(())
}
