//! Orders on their way: several at once, each until it was answered. Accepted and refused are answers; where there is
//! none the order is given again under the same key, after a pause that grows.

use crate::{
    error::Error,
    metrics,
    process::{
        Around,
        order::Order,
        queue::{Queue, Target},
    },
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use natter_domain::Code;
use natter_streams::fault;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// `T`: what the giver knows an order by.
pub(crate) struct Flight<T> {
    name: &'static str,
    /// The fault point that is reached before each try.
    before: &'static str,
    around: Around,
    queue: Queue<(T, Order)>,
    landing: FuturesUnordered<BoxFuture<'static, Landed<T>>>,
    closed: bool,
}

enum Landed<T> {
    Tried(Target, T, Result<(), Error>),
    Rested(Target),
}

impl<T: Copy + Send + 'static> Flight<T> {
    pub fn new(name: &'static str, before: &'static str, around: Around) -> Self {
        Self { name, before, around, queue: Queue::new(), landing: FuturesUnordered::new(), closed: false }
    }

    pub fn put(&mut self, tag: T, order: Order) {
        let target = Target { lane: self.around.log.lanes().of(order.address.route), address: order.address };
        self.queue.put(target, (tag, order));
    }

    pub fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// From now on nothing more is tried: [`Self::answered`] ends with what is in hand.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// The next order that was answered. Waits for one, for ever if there is none; `None` once it is closed and nothing
    /// is in hand. Dropped before it has ended it loses nothing.
    pub async fn answered(&mut self) -> Option<T> {
        loop {
            self.start();
            if self.closed && self.queue.running() == 0 {
                return None;
            }
            let Some(landed) = self.landing.next().await else { return std::future::pending().await };
            match landed {
                Landed::Rested(target) => self.queue.again(target),
                Landed::Tried(target, tag, result) if is_answer(&result) => {
                    metrics::ordered(self.name, if result.is_ok() { "accepted" } else { "refused" });
                    self.queue.done(target);
                    return Some(tag);
                }
                Landed::Tried(target, _, result) => self.rest(target, &result),
            }
        }
    }

    fn start(&mut self) {
        while !self.closed
            && let Some((target, (tag, order))) = self.queue.start()
        {
            let (around, before) = (self.around.clone(), self.before);
            self.landing.push(Box::pin(async move {
                fault::reach(before).await;
                Landed::Tried(target, tag, order.give(&around).await)
            }));
        }
    }

    fn rest(&mut self, target: Target, result: &Result<(), Error>) {
        let failures = self.queue.failed(target);
        metrics::ordered(self.name, "unanswered");
        if let Err(error @ Error::Failed { .. }) = result {
            let noun = target.address.noun;
            tracing::warn!(name = self.name, %noun, id = %target.address.id, %error, failures, "an order failed");
        }
        let pause = pause(failures);
        self.landing.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            Landed::Rested(target)
        }));
    }
}

/// A refusal is an answer: whatever the target says, it has heard. But for one that says: not now.
pub(crate) fn is_answer(result: &Result<(), Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(Error::Refused { code, .. }) => !matches!(code, Code::Unavailable | Code::RateLimited),
        Err(
            Error::Unavailable
            | Error::Failed { .. }
            | Error::UnknownAccount { .. }
            | Error::TooOften { .. }
            | Error::SecondFactorRequired { .. },
        ) => false,
    }
}

fn pause(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let pauses: Vec<Duration> = (1..100).map(pause).collect();
        assert_eq!(pauses[..2], [PAUSE, PAUSE * 2]);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
    }

    #[test]
    fn not_now_is_no_answer() {
        let refused = |code| Err(Error::code(code, ""));
        assert!(is_answer(&Ok(())) && is_answer(&refused(Code::Conflict)));
        assert!(!is_answer(&refused(Code::Unavailable)) && !is_answer(&Err(Error::Unavailable)));
    }
}
