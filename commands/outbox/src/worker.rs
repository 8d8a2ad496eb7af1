//! Takes what is due and hands it over, until told to stop. Every process of the role runs one: a row is with one of them
//! at a time.

use crate::{
    Outbox,
    breaker::Breaker,
    error::Error,
    letter::Channel,
    metrics,
    sender::{Failure, PATIENCE, Sender, Senders},
    table::{self, Opened, Taken},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long a letter may wait for somebody to look.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What is over is looked for, and counted, this often.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Letters that one look takes: they are sent one after the other, so that each is done long before [`HOLD`] is over.
const AT_ONCE: i64 = 4;
/// After that somebody else may take what we took.
const HOLD: Duration = PATIENCE.saturating_mul(AT_ONCE as u32 + 2);
/// The last try.
const TRIES: i16 = 10;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// How long dead letters stay.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Runs until told to stop; what is in hand is finished first.
pub async fn run(outbox: Outbox, senders: Senders, stop: CancellationToken) {
    let began = Instant::now();
    let mut breakers = Channel::ALL.map(|channel| (channel, Breaker::default()));
    let mut swept = None;
    while !stop.is_cancelled() {
        if swept.is_none_or(|at: Instant| at.elapsed() >= SWEEP_EVERY) {
            swept = Some(Instant::now());
            told("sweep the outbox", sweep(&outbox).await);
        }
        let mut sent = 0;
        for (channel, breaker) in &mut breakers {
            let Some(sender) = senders.of(*channel) else { continue };
            sent += told("send letters", send(&outbox, sender, *channel, breaker, began, &stop).await);
            metrics::breaker(*channel, breaker.is_open());
        }
        if sent == 0 {
            stop.run_until_cancelled(sleep(LOOK_EVERY)).await;
        }
    }
}

/// A database that is away is away for all: the log says so often enough elsewhere.
fn told<T: Default>(what: &'static str, result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| {
        tracing::warn!(%error, cause = std::error::Error::source(&error), what, "the outbox cannot be used");
        T::default()
    })
}

async fn sweep(outbox: &Outbox) -> Result<(), Error> {
    for channel in table::expire(&outbox.pool).await? {
        let known = Channel::ALL.into_iter().find(|known| known.as_str() == channel);
        metrics::dead(known.map_or("other", Channel::as_str));
    }
    table::forget(&outbox.pool, KEPT).await?;
    let (letters, oldest) = table::waiting(&outbox.pool).await?;
    metrics::waiting(letters, oldest);
    Ok(())
}

/// How many were handed over.
async fn send(
    outbox: &Outbox,
    sender: &Arc<dyn Sender>,
    channel: Channel,
    breaker: &mut Breaker,
    began: Instant,
    stop: &CancellationToken,
) -> Result<usize, Error> {
    let room = breaker.room(began.elapsed(), AT_ONCE);
    if room == 0 {
        return Ok(0);
    }
    let mut sent = 0;
    for taken in table::take(&outbox.pool, channel, room, HOLD).await? {
        if stop.is_cancelled() || breaker.room(began.elapsed(), 1) == 0 {
            table::give_back(&outbox.pool, taken.id).await?;
            continue;
        }
        let letter = match taken.open(&outbox.keyring) {
            Opened::Letter(letter) => letter,
            Opened::Void => {
                table::done(&outbox.pool, taken.id).await?;
                continue;
            }
            Opened::Unreadable => {
                give_up(outbox, &taken, "unreadable").await?;
                continue;
            }
        };
        match sender.send(taken.id, &letter).await {
            Ok(()) => {
                breaker.succeeded();
                metrics::sent(channel);
                table::done(&outbox.pool, taken.id).await?;
                sent += 1;
            }
            Err(failure) => note(outbox, &taken, failure, breaker, began).await?,
        }
    }
    Ok(sent)
}

async fn note(
    outbox: &Outbox,
    taken: &Taken,
    failure: Failure,
    breaker: &mut Breaker,
    began: Instant,
) -> Result<(), Error> {
    let (id, why) = (taken.id, failure.why());
    metrics::failed(taken.channel, why);
    tracing::warn!(letter = %id, channel = taken.channel.as_str(), tries = taken.tries, why, "a letter was not taken");
    match failure {
        Failure::Passing(_) => breaker.failed(began.elapsed()),
        // Whoever refuses one answers.
        Failure::Final(_) => breaker.succeeded(),
    }
    if matches!(failure, Failure::Final(_)) || taken.tries >= TRIES {
        return give_up(outbox, taken, why).await;
    }
    table::later(&outbox.pool, id, wait(taken.tries), why).await
}

async fn give_up(outbox: &Outbox, taken: &Taken, why: &str) -> Result<(), Error> {
    metrics::dead(taken.channel.as_str());
    table::dead(&outbox.pool, taken.id, why).await
}

/// Twice as long each time.
fn wait(tries: i16) -> Duration {
    let doubled = 2u32.saturating_pow(u32::try_from(tries - 1).unwrap_or_default());
    FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound() {
        assert_eq!([1, 2, 3, 8, 30_000].map(wait).map(|wait| wait.as_secs()), [1, 2, 4, 120, 120]);
    }
}
