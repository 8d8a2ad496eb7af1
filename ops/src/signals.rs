//! Signals that ask us to end: INT (Ctrl-C), TERM, and HUP (the terminal was closed).

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};
use tokio_util::sync::CancellationToken;

/// A token that the first of these signals cancels, and a later one ends us at once.
pub fn stop_on_signal() -> Result<CancellationToken> {
    Ok(Signals::listen()?.into_token())
}

const SAME_BREATH: Duration = Duration::from_secs(1);

/// From its making on, these signals no longer end us by themselves.
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

impl Signals {
    pub fn listen() -> Result<Signals> {
        let listen = |kind| unix::signal(kind).context("listen for signals");
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hang_up.recv() => Signal::HUP,
        }
    }

    /// The first signal cancels the token. A later one ends us at once: private servers ask the kernel to end with us.
    /// What comes in the same breath is the same wish, told twice: by the terminal and by a script that passes it on.
    fn into_token(mut self) -> CancellationToken {
        let stop = CancellationToken::new();
        let cancelled = stop.clone();
        tokio::spawn(async move {
            self.next().await;
            cancelled.cancel();
            let first = Instant::now();
            while first.elapsed() < SAME_BREATH {
                self.next().await;
            }
            eprintln!("natter       asked twice: ending at once");
            std::process::exit(130);
        });
        stop
    }
}
