//! What every door of this process shares. It is in two parts, so that the gate can be tried without a database: what
//! stands before the gate ([`Edge`]), and what only a verified caller reaches ([`Inside`]).

use crate::{
    Settings,
    account::mutes::Mutes,
    auth::Auth,
    content::Content,
    door::{self, Keeper},
    http::problem::Problem,
    inbox::Cursors,
    presence::Presence,
    preview::Previews,
    server::{End, Ground},
    socket::hub::Hub,
    standing::Words,
    system::Readiness,
    translation::Translation,
    typing::Typing,
};
use axum::{extract::FromRequestParts, http::request::Parts};
use natter_commands::Commands;
use natter_projections::Projections;
use natter_streams::{Lanes, bus::Bus};
use std::{convert::Infallible, ops::Deref, sync::Arc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub struct Edge {
    pub auth: Arc<Auth>,
    pub lanes: Lanes,
    pub settings: Settings,
    pub door: Arc<Keeper>,
    /// The process is to end: connections say farewell.
    pub stop: CancellationToken,
    /// Every WebSocket, and every answer to one that is still to come.
    pub sockets: TaskTracker,
    pub readiness: Readiness,
    /// `None` only where the gate itself is tried.
    pub inside: Option<Inside>,
}

impl Edge {
    pub fn new(auth: Arc<Auth>, lanes: Lanes, settings: Settings, stop: CancellationToken) -> Self {
        let (sockets, readiness) = (TaskTracker::new(), Readiness::default());
        let door = Arc::new(keeper(&settings, None));
        Self { auth, lanes, settings, door, stop, sockets, readiness, inside: None }
    }

    /// Counts together with the other nodes from now on.
    pub fn share(&mut self, shared: door::Shared, signatures: door::Signatures) {
        self.door = Arc::new(keeper(&self.settings, Some((shared, signatures))));
    }

    /// What serving stands on.
    pub fn ground(&self) -> Ground {
        Ground { bounds: self.settings.door.bounds, keeper: self.door.clone(), tls: self.settings.tls.clone() }
    }

    /// How serving ends.
    pub fn end(&self) -> End {
        End { stop: self.stop.clone(), sockets: self.sockets.clone(), drain: self.settings.drain }
    }
}

fn keeper(settings: &Settings, bus: Option<(door::Shared, door::Signatures)>) -> Keeper {
    Keeper::new(settings.door.clone(), settings.limits, settings.tls.is_some(), bus)
}

/// What a verified caller reaches. A cheap handle.
#[derive(Clone)]
pub struct Inside(Arc<Rooms>);

pub struct Rooms {
    pub auth: Arc<Auth>,
    pub lanes: Lanes,
    pub commands: Commands,
    pub projections: Projections,
    pub bus: Bus,
    pub hub: Hub,
    /// How far people have read.
    pub cursors: Cursors,
    /// How far messages have come to them.
    pub deliveries: Cursors,
    /// In a conversation of more members nobody is told who has read what.
    pub readers_max: u64,
    pub mutes: Mutes,
    pub content: Content,
    pub previews: Previews,
    pub translation: Translation,
    /// That who may see or speak may have changed.
    pub words: Words,
    pub presence: Presence,
    pub typing: Typing,
}

impl Inside {
    pub fn new(rooms: Rooms) -> Self {
        Self(Arc::new(rooms))
    }
}

impl Deref for Inside {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}

/// The way inside for a request. It is opened once the request has the right shape, so that what is wrong with a
/// request is told first, and can be tried without a database.
pub struct Door(Option<Inside>);

impl Door {
    pub fn open(self) -> Result<Inside, Problem> {
        self.0.ok_or_else(Problem::unavailable)
    }
}

impl FromRequestParts<Arc<Edge>> for Door {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Infallible> {
        Ok(Self(edge.inside.clone()))
    }
}
