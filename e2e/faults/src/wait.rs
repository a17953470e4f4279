//! Waiting for a condition, with an end.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

/// Between two looks: short against the second within which a cell heals, long against the cost of a look.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks until `look` finds something; what it found last is in the error.
pub async fn await_condition<T, L>(what: &str, limit: Duration, mut look: L) -> anyhow::Result<T>
where
    L: AsyncFnMut() -> Result<T, String>,
{
    let end = Instant::now() + limit;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(instead) if Instant::now() >= end => {
                bail!("not within {} s: {what}; instead: {instead}", limit.as_secs_f32());
            }
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_comes_true_is_met() {
        let mut looks = 0;
        let found = await_condition("three looks", Duration::from_secs(5), async || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err("fewer".to_owned()) }
        });
        assert_eq!(found.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_condition_that_never_comes_true_says_what_was_seen_last() {
        let never = await_condition("the moon", Duration::ZERO, async || Err::<(), _>("clouds".to_owned()));
        let error = never.await.unwrap_err().to_string();
        assert!(error.contains("the moon") && error.contains("clouds"), "{error}");
    }
}
