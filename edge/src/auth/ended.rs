//! Sessions that ended while an access token of theirs may still be good. Each edge keeps the list: it is read from
//! the sessions' projection at the start and every second, and told by the bus in between. An entry is
//! forgotten once every token of the session has expired.

use super::token;
use crate::edge::Inside;
use futures::StreamExt;
use natter_domain::{SessionId, Timestamp};
use natter_projections::Projection;
use natter_streams::{Positions, clock, subject};
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;

/// The bus may lose a word; what it lost is found this much later. One small query a second for each edge: an ended
/// session is to be refused within a second also where the bus is down.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The person's own subject tells a connection why it ends; this long it has before we end it without a reason.
const GRACE: Duration = Duration::from_millis(300);

#[derive(Default)]
pub struct Ended(RwLock<HashMap<SessionId, Timestamp>>);

impl Ended {
    pub fn contains(&self, session: SessionId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session)
    }

    /// True where it was not known yet.
    pub fn add(&self, session: SessionId, now: Timestamp) -> bool {
        let mut sessions = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = sessions.len();
        sessions.entry(session).or_insert(now + token::LIFETIME);
        sessions.len() > known
    }

    fn forget_expired(&self, now: Timestamp) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
    }
}

/// Listens and reads, until `stop`. The first reading is done by [`fill`] before anybody is let in.
pub async fn watch(inside: Inside, stop: CancellationToken) {
    stop.run_until_cancelled(async {
        loop {
            if let Err(error) = listen(&inside).await {
                tracing::warn!(%error, "listen for ended sessions");
            }
            sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
}

async fn listen(inside: &Inside) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut told = inside.bus.live().subscribe(subject::SESSIONS).await?;
    let mut ticks = interval(READ_AGAIN);
    loop {
        tokio::select! {
            message = told.next() => {
                let Some(message) = message else { return Ok(()) };
                if let Some(session) = std::str::from_utf8(&message.payload).ok().and_then(|text| text.parse().ok()) {
                    end(inside, session);
                }
            }
            _ = ticks.tick() => {
                inside.auth.ended.forget_expired(clock::now());
                read(inside).await?;
            }
        }
    }
}

/// Reads the list as of now, before the doors open; it waits for the projection, but not for ever: what is missing
/// then is found by the next reading.
pub async fn fill(inside: &Inside) {
    if inside.projections.catch_up(&[Projection::Relations]).await.is_err() {
        tracing::warn!("the sessions' projection is behind: ended sessions may be let in for a moment");
    }
    while let Err(error) = read(inside).await {
        tracing::warn!(%error, "read ended sessions");
        sleep(Duration::from_secs(1)).await;
    }
}

async fn read(inside: &Inside) -> Result<(), natter_projections::Error> {
    let since = clock::now().as_millis() - token::LIFETIME.as_millis() as i64;
    for session in inside.projections.session().ended_since(Timestamp::from_millis(since)).await? {
        end(inside, session);
    }
    Ok(())
}

/// Refuses the session's tokens from now on and closes its connections.
pub fn end(inside: &Inside, session: SessionId) {
    if !inside.auth.ended.add(session, clock::now()) {
        return;
    }
    let hub = inside.hub.clone();
    tokio::spawn(async move {
        sleep(GRACE).await;
        hub.end(session, "ended");
    });
}

/// They are refused here at once, and elsewhere as soon as it is heard of.
pub fn all(inside: &Inside, ended: natter_commands::Ended) -> Positions {
    for session in ended.sessions {
        end(inside, session);
    }
    ended.positions
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_ended_session_is_remembered_as_long_as_its_tokens_live() {
        let (ended, session) = (Ended::default(), SessionId(Uuid::from_u128(1)));
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert!(!ended.contains(session));
        assert!(ended.add(session, now));
        assert!(!ended.add(session, now));
        ended.forget_expired(now + (token::LIFETIME - Duration::from_millis(1)));
        assert!(ended.contains(session));
        ended.forget_expired(now + token::LIFETIME);
        assert!(!ended.contains(session));
    }
}
