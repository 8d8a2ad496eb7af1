//! What answers the log's events with commands: processes and timers, each a reader of its own over every lane. One of
//! them runs where its (name, lane) is leased; should two run at once, everything is still done once.

use crate::{
    Commands,
    account::{erasure::DestroysKeys, process::ReleasesHandles},
    conversation::process::{BeginsCountdowns, EndsSubscriptions, LeavesGroups},
    friendship::process::OpensConversation,
    pending::process::SaysReleased,
    process::{self, Around, Process},
    session::process::KeepsSessions,
    timer,
};
use natter_streams::{
    Lane,
    clock::Clock,
    feed::Feeds,
    lease::{self, Lease, Share},
};
use std::sync::Arc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A reader that gives orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reaction {
    /// Friends have a conversation.
    OpensConversation,
    /// A registration that came to nothing gives its names back.
    ReleasesHandles,
    /// What an account has ended is revoked; what ended by itself its account forgets.
    KeepsSessions,
    /// What is due is done.
    Timers,
    /// Of who was erased nothing can be read any more.
    DestroysKeys,
    /// A group that is somebody's no more takes no place among theirs.
    LeavesGroups,
    /// Who is banned from a channel does not subscribe to it any more.
    EndsSubscriptions,
    /// What waited and is released is said.
    SaysReleased,
    /// What ends once it is read begins to.
    BeginsCountdowns,
}

impl Reaction {
    pub const ALL: [Self; 9] = [
        Self::OpensConversation,
        Self::ReleasesHandles,
        Self::KeepsSessions,
        Self::Timers,
        Self::DestroysKeys,
        Self::LeavesGroups,
        Self::EndsSubscriptions,
        Self::SaysReleased,
        Self::BeginsCountdowns,
    ];

    /// The name in checkpoints, leases and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpensConversation => OpensConversation::NAME,
            Self::ReleasesHandles => ReleasesHandles::NAME,
            Self::KeepsSessions => KeepsSessions::NAME,
            Self::Timers => timer::NAME,
            Self::DestroysKeys => DestroysKeys::NAME,
            Self::LeavesGroups => LeavesGroups::NAME,
            Self::EndsSubscriptions => EndsSubscriptions::NAME,
            Self::SaysReleased => SaysReleased::NAME,
            Self::BeginsCountdowns => BeginsCountdowns::NAME,
        }
    }
}

/// Runs them; a cheap handle.
#[derive(Clone)]
pub struct Reactions {
    context: lease::Context,
    around: Around,
    clock: Clock,
}

impl Commands {
    pub fn reactions(&self, context: lease::Context, feeds: Feeds) -> Reactions {
        let lease::Context { log, bus, .. } = context.clone();
        let (dispatch, keys, commands) = (self.dispatch.clone(), self.keys.clone(), self.clone());
        let around = Around { log, bus, feeds, dispatch, keys, commands: Arc::new(commands) };
        Reactions { context, around, clock: Clock::default() }
    }
}

impl Reactions {
    /// Timers look at this clock; whether they are due is decided by the clock of their target's lane.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// One of them on one lane until `stop`; then it finishes what is in hand. To be dropped where it must end at once.
    pub async fn run(self, reaction: Reaction, lane: Lane, stop: CancellationToken) {
        match reaction {
            Reaction::OpensConversation => process::run::<OpensConversation>(self.around, lane, stop).await,
            Reaction::ReleasesHandles => process::run::<ReleasesHandles>(self.around, lane, stop).await,
            Reaction::KeepsSessions => process::run::<KeepsSessions>(self.around, lane, stop).await,
            Reaction::DestroysKeys => process::run::<DestroysKeys>(self.around, lane, stop).await,
            Reaction::LeavesGroups => process::run::<LeavesGroups>(self.around, lane, stop).await,
            Reaction::EndsSubscriptions => process::run::<EndsSubscriptions>(self.around, lane, stop).await,
            Reaction::SaysReleased => process::run::<SaysReleased>(self.around, lane, stop).await,
            Reaction::BeginsCountdowns => process::run::<BeginsCountdowns>(self.around, lane, stop).await,
            Reaction::Timers => timer::run(self.around, self.clock, lane, stop).await,
        }
    }

    /// This process' share of all of them, lane by lane, until `stop`; then they are handed over.
    pub fn keep(&self, stop: &CancellationToken) -> TaskTracker {
        let tasks = TaskTracker::new();
        for reaction in Reaction::ALL {
            let (reactions, share) = (self.clone(), Share::Reader(reaction.as_str()));
            let hold = move |lease| reactions.clone().hold(reaction, lease);
            tasks.spawn(lease::keep(self.context.clone(), share, hold, stop.clone()));
        }
        tasks.close();
        tasks
    }

    /// On the lane of a lease. Told to give up, it finishes what is in hand; one that lost its lease drops it, and whoever
    /// has it now repeats a little.
    async fn hold(self, reaction: Reaction, lease: Lease) {
        let stop = CancellationToken::new();
        let given_up = async {
            lease.given_up().await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = lease.lost() => tracing::warn!(name = reaction.as_str(), lane = %lease.lane(), "the lease is lost"),
            () = given_up => {}
            () = self.run(reaction, lease.lane(), stop.clone()) => {}
        }
    }
}
