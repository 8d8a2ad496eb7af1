//! Takes what is due and hands it over, until told to stop. Every process of the role runs one: a row is with one of them
//! at a time.

use crate::{
    Outbox,
    error::Error,
    letter::Channel,
    metrics,
    sender::{Failure, PATIENCE, Sender, Senders},
    table::{self, Opened, Taken},
};
use natter_streams::breaker::Breaker;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long a letter may wait for somebody to look.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What is over is looked for, and counted, this often.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// After that somebody else may take what we took.
const HOLD: Duration = PATIENCE.saturating_mul(2);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// How long dead letters stay.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Runs until told to stop; what is in hand is finished first. Mails do not wait for text messages, nor these for mails.
pub async fn run(outbox: Outbox, senders: Senders, stop: CancellationToken) {
    let [mails, texts] = Channel::ALL.map(|channel| work(&outbox, &senders, channel, &stop));
    tokio::join!(mails, texts, sweeping(&outbox, &stop));
}

async fn sweeping(outbox: &Outbox, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        told("sweep the outbox", sweep(outbox).await);
        stop.run_until_cancelled(sleep(SWEEP_EVERY)).await;
    }
}

async fn work(outbox: &Outbox, senders: &Senders, channel: Channel, stop: &CancellationToken) {
    let Some(sender) = senders.of(channel) else { return };
    let (mut breaker, began) = (Breaker::default(), Instant::now());
    while !stop.is_cancelled() {
        let worked = breaker.lets_through(began.elapsed())
            && told("send a letter", next(outbox, sender, channel, &mut breaker, began).await);
        metrics::breaker(channel, breaker.is_open());
        if !worked {
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

/// Whether there was one.
async fn next(
    outbox: &Outbox,
    sender: &Arc<dyn Sender>,
    channel: Channel,
    breaker: &mut Breaker,
    began: Instant,
) -> Result<bool, Error> {
    let Some(taken) = table::take(&outbox.pool, channel, HOLD).await? else { return Ok(false) };
    match taken.open(&outbox.keyring) {
        Opened::Void => table::done(&outbox.pool, taken.id).await?,
        Opened::Unreadable => give_up(outbox, &taken, "unreadable").await?,
        Opened::Letter(letter) => match sender.send(taken.id, &letter).await {
            Ok(()) => {
                breaker.succeeded();
                metrics::sent(channel);
                table::done(&outbox.pool, taken.id).await?;
            }
            Err(failure) => note(outbox, &taken, failure, breaker, began).await?,
        },
    }
    Ok(true)
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
        Failure::Away(_) => breaker.failed(began.elapsed()),
        // Whoever refuses one answers.
        Failure::Later(_) | Failure::Final(_) => breaker.succeeded(),
    }
    match failure {
        Failure::Final(_) => give_up(outbox, taken, why).await,
        Failure::Away(_) | Failure::Later(_) => table::later(&outbox.pool, id, wait(taken.tries), why).await,
    }
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
