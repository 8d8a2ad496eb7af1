//! Hints on NATS that a share has changed: who hears one looks at once. They carry no truth, so any may be lost.

use crate::{bus::Bus, subject};
use async_nats::Subscriber;
use futures::StreamExt;
use std::time::Duration;

/// Hints that come together cost one look.
pub(super) const COALESCE: Duration = Duration::from_millis(50);

/// While NATS is away a hint is of no use later.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn tell(bus: &Bus, share: &'static str) {
    let told = async {
        let published = bus.live().publish(subject::LEASES, share.into()).await;
        let flushed = bus.live().flush().await;
        published.is_ok() && flushed.is_ok()
    };
    if !matches!(tokio::time::timeout(PATIENCE, told).await, Ok(true)) {
        tracing::debug!(share, "nobody could be told that leases changed");
    }
}

/// What is told from now on.
pub(super) struct Hints(Option<Subscriber>);

impl Hints {
    pub(super) async fn listen(bus: &Bus) -> Self {
        let subscriber = bus.live().subscribe(subject::LEASES).await;
        Self(
            subscriber.inspect_err(|error| tracing::warn!(%error, "hear of leases: looking now and then instead")).ok(),
        )
    }

    /// Resolves when this share may have changed; for ever silent once the subscription has ended.
    pub(super) async fn heard(&mut self, share: &str) {
        while let Some(subscriber) = &mut self.0 {
            match subscriber.next().await {
                Some(message) if message.payload == share.as_bytes() => return,
                Some(_) => {}
                None => self.0 = None,
            }
        }
        std::future::pending::<()>().await;
    }
}
