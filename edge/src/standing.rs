//! Hears from delivery that who may see somebody, or speak somewhere, may have changed. What is kept of it here is void at
//! once, and asked again when the read side shows the change: a fraction of a second later. A word that is lost is a
//! doubt about the bus, and then all is asked again.

use crate::edge::Inside;
use futures::StreamExt;
use natter_projections::{Projection, delivery::standing::Changed};
use natter_streams::{Positions, subject};
use std::time::Duration;
use tokio::{sync::broadcast::error::RecvError, time::sleep};
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_secs(1);
/// So often the read side is waited for, and nothing told meanwhile. A log that went back may never come there.
const TRIES: usize = 20;

pub async fn watch(inside: Inside, stop: CancellationToken) {
    stop.run_until_cancelled(async {
        loop {
            if let Err(error) = listen(&inside).await {
                tracing::warn!(%error, "listen for whose standing has changed");
            }
            sleep(PAUSE).await;
            inside.typing.forget();
        }
    })
    .await;
}

async fn listen(inside: &Inside) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut words = inside.bus.live().subscribe(subject::STANDING).await?;
    let mut doubts = inside.bus.doubts();
    loop {
        tokio::select! {
            word = words.next() => {
                let Some(word) = word else { return Ok(()) };
                match serde_json::from_slice(&word.payload) {
                    Ok(changed) => hear(inside, changed),
                    Err(error) => tracing::error!(%error, "whose standing has changed cannot be read"),
                }
            }
            doubt = doubts.recv() => match doubt {
                // Who watches whom is asked again by who follows the doubts of presence.
                Ok(_) | Err(RecvError::Lagged(_)) => inside.typing.forget(),
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

fn hear(inside: &Inside, changed: Changed) {
    inside.typing.doubt(changed.conversations.iter().copied());
    let watches = inside.presence.reconsider(&changed);
    if watches.is_nothing() && changed.conversations.is_empty() {
        return;
    }
    let inside = inside.clone();
    tokio::spawn(async move {
        let positions = Positions::parse(&changed.position, inside.lanes).unwrap_or_default();
        for _ in 0..TRIES {
            if inside.projections.wait(&positions, &[Projection::Relations]).await.is_ok() {
                break;
            }
            sleep(PAUSE).await;
        }
        inside.typing.resolve(changed.conversations);
        watches.ask(&inside).await;
    });
}
