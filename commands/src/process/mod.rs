//! Rules across aggregates. A *process* answers other nouns' events with commands: it reads a lane in order from its
//! own checkpoint and gives an order for each event that asks for one.
//!
//! An order's key is derived from what caused it, so that giving it again (after a restart, or because two run at once)
//! is the same command. A refusal counts as done. What gets no answer is given again, and holds back only its own
//! target; the orders of one target keep their order. The checkpoint never passes an order without an answer.
//!
//! Reading order: `order` (what is given), `ledger` and `queue` (how far, and what next: without IO), `flight` (orders
//! on their way), `follower` (reading), `here` (what it says of itself), `run` (the loop).

mod flight;
mod follower;
mod here;
mod ledger;
mod order;
mod queue;
mod run;

pub(crate) use flight::{Flight, is_answer};
pub(crate) use follower::Follower;
pub(crate) use here::Here;
pub(crate) use order::{Effect, Order, Orders, key};
pub(crate) use run::run;

use crate::{Commands, dispatch::Dispatch, error::Error};
use natter_streams::{Link, Log, Record, bus::Bus, feed::Feeds, reader::Reader, sealing::Keys};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Before beginning again at the stored checkpoint.
const PAUSE: Duration = Duration::from_secs(1);

/// One rule.
pub(crate) trait Process: Send + Sync + 'static {
    /// The name in checkpoints, keys and metrics.
    const NAME: &'static str;

    /// What an event asks for. An event that cannot be understood holds the lane back, not what came before it.
    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error>;
}

/// What a reader of the log that gives orders needs. A cheap handle.
#[derive(Clone)]
pub(crate) struct Around {
    pub log: Log,
    pub bus: Bus,
    pub feeds: Feeds,
    pub dispatch: Dispatch,
    pub keys: Keys,
    /// For an order that is what somebody would do themselves.
    pub commands: Arc<Commands>,
}

impl Around {
    pub fn reader(&self, last: Link) -> Reader {
        Reader::new(self.log.clone(), &self.bus, &self.feeds, last)
    }
}

/// Says why a reader goes back to its stored checkpoint, and waits: a little, or longer for what only somebody can mend.
pub(crate) async fn rest(here: &Here, error: Error, stop: &CancellationToken) {
    let stuck = follower::needs_somebody(&error);
    if stuck {
        here.stuck(true);
    }
    report(here, &error, stuck);
    drop(error);
    tokio::select! {
        () = tokio::time::sleep(if stuck { follower::STUCK_PAUSE } else { PAUSE }) => {}
        () = stop.cancelled() => {}
    }
}

fn report(here: &Here, error: &Error, stuck: bool) {
    let (name, lane, cause) = (here.name(), here.lane(), std::error::Error::source(error));
    if stuck {
        tracing::error!(name, %lane, %error, cause, "stuck at the stored checkpoint until somebody mends it");
    } else {
        tracing::warn!(name, %lane, %error, cause, "back to the stored checkpoint");
    }
}
