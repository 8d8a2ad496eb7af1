//! Waiting for a state, never for a time.

use std::{future::Future, time::Duration};
use tokio::time::Instant;

/// What is expected within a moment gets this long: machines that run tests are busy.
pub const BOUND: Duration = Duration::from_secs(20);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until it is so. `Err` says what it is instead, for the message of a failure.
pub async fn eventually<T>(what: &str, bound: Duration, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + bound;
    let mut last = "nothing was seen".to_owned();
    while Instant::now() < deadline {
        match tokio::time::timeout_at(deadline, look()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(instead)) => last = instead,
            // Said below: the bound is over.
            Err(_) => break,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("{what}: not within {} s; at last: {last}", bound.as_secs());
}

/// What must end within the bound.
pub async fn within<T>(what: &str, bound: Duration, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(bound, future).await {
        Ok(ended) => ended,
        Err(_) => panic!("{what}: not within {} s", bound.as_secs()),
    }
}
