//! Who runs what. The lanes of a share are divided fairly among the nodes that live; each lane is run by one of them.
//!
//! A lease is a row in PostgreSQL with an owner and an end: five seconds ahead, renewed every second, by PostgreSQL's
//! clock. Who finds it ended takes it over. The owner counts the same term by its own monotonic clock from before it
//! sent the renewal, and stops when it has passed: so two nodes that both believe to hold a lane need a clock that
//! runs wrong or stands still, as in a machine that is suspended. Even then the log is safe, not by time but by the
//! epoch: each takeover raises it, and an append under an older one stores nothing.
//!
//! Orderly hand-over (another node came, or this one stops) waits for no term: the work finishes what it has in hand,
//! the row is freed, a hint on NATS makes the others look. Hints may be lost: everybody looks every second anyway.
//!
//! A node that NATS has lost, though it reaches PostgreSQL, could renew for ever what nobody can use: it gets no part
//! while another node is better off (`contact`), and hands over what it has. Where all are cut off, all go on.
//!
//! `machine` is the protocol without IO, `board` its rows in PostgreSQL, `keeper` the task between both, `hint` what
//! is told on NATS, `directory` what everybody else knows of the owners. Left out on purpose: no lane prefers a node
//! for its load or its nearness, and a node that lives but whose work fails keeps its part.

mod board;
pub mod contact;
mod directory;
mod hint;
mod keeper;
pub mod machine;
mod runners;

pub use directory::Directory;
pub use runners::runners;

use crate::{Error, Lane, Log, Node, bus::Bus};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a lease lasts unless it is renewed.
pub const TERM: Duration = Duration::from_secs(5);
const RENEW_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    pub term: Duration,
    pub renew_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { term: TERM, renew_every: RENEW_EVERY }
    }
}

impl Settings {
    /// Refuses a term in which one lost renewal, or two, would cost the lease.
    pub fn check(&self) -> Result<(), Error> {
        let Self { term, renew_every } = *self;
        if !renew_every.is_zero() && term >= 3 * renew_every {
            return Ok(());
        }
        Err(Error::Unfit(format!(
            "leases of {term:?}, renewed every {renew_every:?}: three renewals must fit in a term"
        )))
    }
}

/// What sharing needs; a cheap handle.
#[derive(Clone)]
pub struct Context {
    pub log: Log,
    pub bus: Bus,
    pub node: Node,
    pub settings: Settings,
    pub directory: Directory,
}

/// What is divided, lane by lane.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Share {
    /// The right to append.
    Lanes,
    /// To be this one reader of the log.
    Reader(&'static str),
}

impl Share {
    /// In rows, hints and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lanes => "lanes",
            Self::Reader(name) => name,
        }
    }
}

/// Shares the lanes of `share` fairly among the nodes that live and runs `work` for each one this node holds, until
/// `stop`; then hands all over in order. When `work` ends (it was told to give up, or it found itself fenced) the row
/// is released, if it is still ours. Dropped before its end, it ends the work at once and leaves its rows to expire.
pub async fn keep<W, F>(context: Context, share: Share, work: W, stop: CancellationToken)
where
    W: Fn(Lease) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    keeper::Keeper::new(&context, share, work).run(stop).await;
}

/// A lease in hand.
#[derive(Clone, Debug)]
pub struct Lease {
    lane: Lane,
    epoch: i64,
    incarnation: Uuid,
    term: watch::Receiver<Term>,
}

/// What the keeper tells the work.
#[derive(Clone, Copy, Debug)]
struct Term {
    until: Instant,
    given_up: bool,
    lost: bool,
}

impl Lease {
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Of the takeover. Of [`Share::Lanes`] it is the fence.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Of the lane, where the share is [`Share::Lanes`]; nil for readers.
    pub fn incarnation(&self) -> Uuid {
        self.incarnation
    }

    /// Resolves when somebody else shall have it: finish what is in hand, take nothing new, return.
    pub async fn given_up(&self) {
        let mut term = self.term.clone();
        if term.wait_for(|term| term.given_up).await.is_err() {
            // No keeper, nobody to hand over to.
            self.lost().await;
        }
    }

    /// Resolves when it is somebody else's, or its term has passed by our own clock: stop at once.
    pub async fn lost(&self) {
        let mut watched = self.term.clone();
        loop {
            let term = *watched.borrow_and_update();
            if !term.holds() {
                return;
            }
            // Counts for itself: a keeper that hangs, or is gone, does not make the term longer.
            tokio::select! {
                () = tokio::time::sleep_until(term.until) => {}
                Ok(()) = watched.changed() => {}
            }
        }
    }

    /// By our own clock.
    pub fn is_held(&self) -> bool {
        self.term.borrow().holds()
    }
}

impl Term {
    fn holds(&self) -> bool {
        !self.lost && Instant::now() < self.until
    }
}
