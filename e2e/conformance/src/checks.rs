//! Runs checks at the same time and says which do not hold.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::World;

/// The longest check waits for a refusal after 10 s; anything beyond this hangs.
const CHECK_LIMIT: Duration = Duration::from_secs(40);

/// Runs a check that may not meet the others.
pub async fn alone<Running>(running: Running) -> anyhow::Result<()>
where
    Running: Future<Output = anyhow::Result<()>>,
{
    // The name of a future is that of its function and a mark.
    let name = std::any::type_name::<Running>().trim_end_matches("::{{closure}}");
    let begin = Instant::now();
    timeout(CHECK_LIMIT, running).await.context("it hangs").flatten().with_context(|| name)?;
    holds(name, begin.elapsed());
    Ok(())
}

fn holds(name: &str, took: Duration) {
    println!("ok     {name} ({:.1} s)", took.as_secs_f64());
}

/// Checks that have been started. A check's name is its function's.
#[derive(Debug)]
pub struct Checks {
    world: World,
    started: Vec<(&'static str, JoinHandle<anyhow::Result<Duration>>)>,
}

impl Checks {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), started: Vec::new() }
    }

    /// Starts a check; it has users of its own, so that it does not meet the others.
    pub fn start<Check, Running>(&mut self, check: Check)
    where
        Check: FnOnce(World) -> Running,
        Running: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let name = std::any::type_name::<Check>();
        let running = check(self.world.clone());
        let task = tokio::spawn(async move {
            let begin = Instant::now();
            timeout(CHECK_LIMIT, running).await.context("it hangs")??;
            Ok(begin.elapsed())
        });
        self.started.push((name, task));
    }

    /// Waits for all of them; panics with the names of those that do not hold.
    pub async fn hold(self) {
        let mut broken = Vec::new();
        for (name, task) in self.started {
            match task.await {
                Ok(Ok(took)) => holds(name, took),
                Ok(Err(error)) => broken.push(format!("{name}: {error:#}")),
                Err(panicked) => broken.push(format!("{name}: {panicked}")),
            }
        }
        assert!(broken.is_empty(), "{} checks do not hold:\n{}", broken.len(), broken.join("\n"));
    }
}
