//! Hears from delivery that who may see somebody, or speak somewhere, may have changed. What is kept of it here is void at
//! once, and asked again when the read side shows the change: a fraction of a second later.
//!
//! - Whoever asks the read side waits first for what was said before ([`Words::shown`]), so that what they keep is no older
//!   than what was heard. Where that takes too long nobody is shown to them, and it is asked again.
//! - A word that is lost is a doubt about the bus. Once words come again all is asked anew, of a read side that has caught up
//!   with the log.

mod words;

pub use words::Words;

use crate::{edge::Inside, presence::run::Reconsidered};
use axum::body::Bytes;
use futures::StreamExt;
use natter_projections::{Projections, WAIT_BOUND, delivery::standing::Changed};
use natter_streams::{Positions, bus::Bus, subject};
use std::time::Duration;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use words::SHOWN_BY;

const PAUSE: Duration = Duration::from_secs(1);
/// So often the read side is waited for, for one word, and nothing told meanwhile. A log that went back may never come there.
const TRIES: usize = 20;
/// For what comes back from the bus.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at whether the bus is there.
const LOOK: Duration = Duration::from_millis(100);

type Failed = Box<dyn std::error::Error + Send + Sync>;

pub async fn watch(inside: Inside, stop: CancellationToken) {
    stop.run_until_cancelled(async { tokio::join!(hear_all(&inside), ask_anew(&inside)) }).await;
}

async fn hear_all(inside: &Inside) {
    loop {
        if let Err(error) = listen(inside).await {
            tracing::warn!(%error, "listen for whose standing has changed");
        }
        sleep(PAUSE).await;
    }
}

async fn listen(inside: &Inside) -> Result<(), Failed> {
    let mut words = inside.bus.live().subscribe(subject::STANDING).await?;
    let mut doubts = inside.bus.doubts();
    // Whatever was said before.
    lose(inside);
    loop {
        tokio::select! {
            word = words.next() => {
                let Some(word) = word else { return Ok(()) };
                hear(inside, &word.payload);
            }
            doubt = doubts.recv() => match doubt {
                Ok(_) | Err(RecvError::Lagged(_)) => lose(inside),
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// What was said, and what may have been.
fn lose(inside: &Inside) {
    inside.words.lose();
    inside.typing.forget();
}

fn hear(inside: &Inside, word: &[u8]) {
    match serde_json::from_slice::<Changed>(word) {
        Ok(changed) => match Positions::parse(&changed.position, inside.lanes) {
            Some(positions) => follow(inside, &changed, positions),
            None => lose(inside),
        },
        Err(error) => {
            tracing::error!(%error, "whose standing has changed cannot be read");
            lose(inside);
        }
    }
}

fn follow(inside: &Inside, changed: &Changed, positions: Positions) {
    // Before what is doubted by it.
    inside.words.note(&positions);
    inside.typing.doubt(&changed.conversations);
    let watches = inside.presence.reconsider(changed);
    let inside = inside.clone();
    tokio::spawn(async move {
        if !is_shown(&inside.projections, &positions).await {
            // Before it is forgotten: whoever asks waits for the one or the other.
            lose(&inside);
            return inside.words.forget(&positions);
        }
        inside.words.forget(&positions);
        watches.ask(&inside).await;
    });
}

async fn is_shown(projections: &Projections, positions: &Positions) -> bool {
    for _ in 0..TRIES {
        if projections.wait(positions, SHOWN_BY).await.is_ok() {
            return true;
        }
        sleep(PAUSE).await;
    }
    false
}

/// What was lost, and what could not be asked in time.
async fn ask_anew(inside: &Inside) {
    loop {
        inside.words.called().await;
        let loss = inside.words.loss();
        let watches = if loss.is_some() { void(inside).await } else { inside.presence.unknown() };
        while inside.words.shown(&inside.projections, WAIT_BOUND).await.is_err() {
            sleep(PAUSE).await;
        }
        if let Some(loss) = loss {
            inside.words.make_good(loss);
        }
        let inside = inside.clone();
        tokio::spawn(async move { watches.ask(&inside).await });
    }
}

/// Once words come again: what was kept while none did is as doubtful as what was kept before.
async fn void(inside: &Inside) -> Reconsidered {
    words_come(&inside.bus).await;
    inside.typing.forget();
    inside.presence.reconsider_all()
}

/// What is said from now on is heard.
async fn words_come(bus: &Bus) {
    loop {
        while !bus.is_connected() {
            sleep(LOOK).await;
        }
        match timeout(PATIENCE, echo(bus)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::warn!(%error, "ask the bus whether words come again"),
            Err(_) => tracing::warn!("the bus does not say in time whether words come again"),
        }
        sleep(LOOK).await;
    }
}

/// A subscription that was made before a message of our own that comes back is known to the server.
async fn echo(bus: &Bus) -> Result<(), Failed> {
    let inbox = bus.live().new_inbox();
    let mut echo = bus.live().subscribe(inbox.clone()).await?;
    bus.live().publish(inbox, Bytes::new()).await?;
    echo.next().await.map(|_| ()).ok_or_else(|| "the subscription has ended".into())
}
