//! Natter's write side. A command comes in here, is decided on what its aggregate remembers, and is answered once
//! what it wrote is durable.
//!
//! Reading order: `dispatch` (the way in), `road` (to the lane's owner, here or on another node: `queue`, `remote`, `runs`), `lane` and
//! `worker` (one task per lane decides and commits), `job` (a command on its way), `adapter` and `store` (deciders as
//! `cqrs_es` aggregates over the log), `snapshot` (what makes long ones short); then a folder per noun with its use cases.
//! `process` and `timer` give commands because of events, `reaction` runs them. Commands never read projections: what a
//! decision needs is folded from the log.

mod account;
mod adapter;
mod admission;
mod cache;
mod code;
mod conversation;
mod dispatch;
mod error;
mod friendship;
mod inbox;
mod job;
mod keys;
mod lane;
mod lockout;
mod lookup;
mod message;
mod metrics;
mod oidc;
mod passing;
mod password;
mod peers;
mod pending;
mod process;
mod projection;
mod qr;
mod queue;
mod reaction;
mod remote;
mod road;
mod runs;
mod seal;
mod second;
mod session;
pub mod snapshot;
pub mod stock;
mod store;
mod timer;
mod worker;

pub use account::{Accounts, ContactChange, Contacts, Erasures, Grounds, Operators};
pub use code::{Codes, Target};
pub use conversation::{
    Behind, Came, CardChange, Conversations, Joined, Made, MemberChange, Opened, Sent, Started, Token,
};
pub use dispatch::Pending;
pub use error::Error;
pub use friendship::{Accepted, Asking, Friendships, Requested, Through};
pub use inbox::{Advanced, Inboxes};
pub use message::{GivenBody, Messages, Named, Outgoing};
pub use oidc::{Attempt, Begun, Oidc, Said, Wanted};
pub use password::{Bare, Cost};
pub use pending::{Pendings, Waiting};
pub use projection::Projections;
pub use qr::{Poll, Qrs, Scanned, Shown};
pub use reaction::{Reaction, Reactions};
pub use second::{Known, Offered, RecoveryCodes, Seconds};
pub use session::{Closing, Device, Ended, Origin, Registration, Sessions, SignedIn};

use code::Desk;
use dispatch::Dispatch;
use lane::Owner;
use lockout::Lockout;
use message::{Births, Quotes};
use natter_domain::{AccountId, HandleId, SessionId, Username, account::Policy, limit};
use natter_outbox::Outbox;
pub use natter_outbox::{Locale, Purpose};
use natter_streams::{
    bucket::Bucket,
    feed::Feeds,
    keyring::Keyring,
    lease::{self, Share},
    sealing::Keys,
};
use passing::Passing;
use password::Passwords;
use peers::Peers;
use road::Roads;
use seal::Seals;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Who asks: taken from a verified access token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Caller {
    pub account: AccountId,
    pub session: SessionId,
}

/// Who asks, and under which key (`Idempotency-Key`, `command_id`) the first answer is to be given again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keyed {
    pub caller: Caller,
    pub key: Option<Uuid>,
}

pub struct Settings {
    pub password_cost: Cost,
    /// How many sessions a person may have.
    pub session_policy: Policy,
    /// User names that nobody new gets.
    pub reserved_names: Vec<Username>,
    /// How long somebody who wants their account closed has to think of it again.
    pub closing_grace: Duration,
    pub groups: Groups,
    pub windows: Windows,
    /// Whether people who are no friends may write to those who take it.
    pub strangers: bool,
    /// Whether this process takes lanes. Without, all of its commands go to nodes that do.
    pub owns_lanes: bool,
    /// Whether its lanes' streams are filled. Without, nobody elsewhere reads what is committed: for measuring only.
    pub relays: bool,
    /// Whether it counts how often codes are sent to one address or number, and how often passwords are tried.
    pub rates: bool,
}

/// What an installation allows groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Groups {
    /// People in one at one time.
    pub members_max: usize,
    /// Groups that one person owns.
    pub own_max: usize,
    /// How long a dissolved one can be read.
    pub kept_for: Duration,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            members_max: limit::GROUP_MEMBERS_DEFAULT,
            own_max: limit::OWN_GROUPS_DEFAULT,
            kept_for: limit::DISSOLVED_FOR,
        }
    }
}

/// How long after sending a message its sender may do what to it; zero: never. It rides in the commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Windows {
    pub edit: Duration,
    pub recall: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        Self { edit: limit::EDIT_WINDOW, recall: limit::RECALL_WINDOW }
    }
}

/// The write side as this process reaches it: the lanes it owns, and a road to those of others.
#[derive(Clone)]
pub struct Commands {
    dispatch: Dispatch,
    births: Births,
    quotes: Quotes,
    keyring: Arc<Keyring>,
    keys: Keys,
    seals: Seals,
    passwords: Passwords,
    desk: Desk,
    lockout: Lockout,
    session_policy: Policy,
    reserved: Arc<BTreeSet<HandleId>>,
    closing_grace: Duration,
    groups: Groups,
    windows: Windows,
    strangers: bool,
    passing: Passing,
}

impl Commands {
    /// Opens the roads, and takes this process' share of the lanes where it is to have one. When `stop` is cancelled
    /// nothing more is taken, what is in hand is answered, and the lanes are handed over; then the tasks end. What
    /// answers events runs apart: [`Self::reactions`].
    pub fn start(
        context: lease::Context,
        feeds: Feeds,
        keys: Keys,
        settings: &Settings,
        stop: &CancellationToken,
    ) -> (Self, TaskTracker) {
        let (tasks, keyring) = (TaskTracker::new(), keys.ring().clone());
        let lease::Context { log, bus, node, directory, .. } = context.clone();
        let (births, quoted_log) = (Births::new(log.clone()), log.clone());
        let outbox = Outbox::new(log.pool().clone(), keyring.clone());
        let desk = Desk::new(Bucket::codes(&bus), keyring.clone(), outbox, settings.rates);
        let lockout = Lockout::new(Bucket::limits(&bus), keyring.clone(), settings.rates);
        let passing = Passing::new(Bucket::codes(&bus), keyring.clone());
        let roads = open_roads(&context, &tasks, stop);
        tasks.spawn(roads.clone().report(stop.clone()));
        let dispatch = Dispatch::new(roads.clone(), feeds.clone());
        let peers = Peers::new(log.clone(), dispatch.clone());
        tasks.spawn(peers.clone().forget(keys.forgotten(), stop.clone()));
        if settings.owns_lanes {
            tasks.spawn(snapshot::keep(context.clone(), feeds.clone(), stop.clone()));
            tasks.spawn(remote::serve(roads.clone(), bus.clone(), node.clone(), stop.clone()));
            let owner = Owner { log, bus, node, directory, feeds, roads, relays: settings.relays };
            tasks.spawn(lease::keep(context, Share::Lanes, move |lease| owner.clone().serve(lease), stop.clone()));
        }
        tasks.close();
        let quotes = Quotes { births: births.clone(), dispatch: dispatch.clone(), keys: keys.clone(), log: quoted_log };
        let (passwords, session_policy) = (Passwords::new(settings.password_cost), settings.session_policy);
        let (closing_grace, seals) = (settings.closing_grace, Seals::new(keys.clone(), dispatch.clone(), peers));
        let reserved = account::reserved(&keyring, &settings.reserved_names);
        let commands = Self {
            dispatch,
            births,
            quotes,
            keyring,
            keys,
            seals,
            passwords,
            desk,
            lockout,
            session_policy,
            reserved: Arc::new(reserved),
            closing_grace,
            groups: settings.groups,
            windows: settings.windows,
            strangers: settings.strangers,
            passing,
        };
        (commands, tasks)
    }

    pub fn session(&self) -> Sessions<'_> {
        Sessions(self)
    }

    pub fn code(&self) -> Codes<'_> {
        Codes(self)
    }

    pub fn contact(&self) -> Contacts<'_> {
        Contacts(self)
    }

    pub fn account(&self) -> Accounts<'_> {
        Accounts(self)
    }

    pub fn second(&self) -> Seconds<'_> {
        Seconds(self)
    }

    pub fn oidc(&self) -> Oidc<'_> {
        Oidc(self)
    }

    pub fn qr(&self) -> Qrs<'_> {
        Qrs(self)
    }

    pub fn friendship(&self) -> Friendships<'_> {
        Friendships(self)
    }

    pub fn conversation(&self) -> Conversations<'_> {
        Conversations(self, None)
    }

    pub fn message(&self) -> Messages<'_> {
        Messages(self, None)
    }

    /// What is to be said later, or once somebody has looked at it.
    pub fn pending(&self) -> Pendings<'_> {
        Pendings(self, None)
    }

    pub fn projection(&self) -> Projections {
        Projections(self.dispatch.clone())
    }

    pub fn inbox(&self) -> Inboxes<'_> {
        Inboxes(self)
    }
}

/// Roads to all lanes, and the tasks that keep them.
fn open_roads(context: &lease::Context, tasks: &TaskTracker, stop: &CancellationToken) -> Roads {
    let lease::Context { log, bus, node, directory, .. } = context.clone();
    let roads = Roads::new(log.lanes(), directory);
    for lane in log.lanes().iter() {
        tasks.spawn(roads.clone().tend(lane, node.clone(), bus.clone(), stop.clone()));
    }
    tasks.spawn(remote::hear(roads.clone(), bus, node, stop.clone()));
    roads
}
