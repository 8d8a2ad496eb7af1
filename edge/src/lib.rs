//! Natter's doors: REST, WebSocket, authentication. What comes in is checked for its shape, given a caller and handed
//! to the write side (`natter_commands`) or answered from the read side (`natter_projections`); nothing is decided here.
//!
//! Reading order: `door` (who comes in, and how often), `auth` (who asks), `http` (what all routes share), a folder per noun (what the routes and frames
//! do), `socket` (the WebSocket), `server` (how connections are taken and let go). The contract is `edge/PROTOCOL.md`.

mod account;
mod auth;
mod code;
pub mod content;
mod conversation;
pub mod door;
mod edge;
mod friendship;
mod http;
mod inbox;
mod message;
pub mod metrics;
pub mod oidc;
pub mod outside;
mod pace;
mod pending;
mod presence;
pub mod preview;
mod qr;
mod second;
mod server;
mod session;
mod socket;
mod standing;
mod sync;
mod system;
#[cfg(test)]
mod tests;
mod tls;
pub mod translation;
mod typing;

use auth::Auth;
use edge::{Edge, Inside, Rooms};
use natter_commands::Commands;
use natter_domain::limit;
use natter_projections::Projections;
use natter_streams::{Lanes, Node, bus::Bus, keyring::Keyring};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub use http::router::description;
pub use system::Readiness;
pub use tls::Tls;

/// Every op of a WebSocket frame that is understood.
pub fn ops() -> &'static [&'static str] {
    &socket::frame::Op::NAMES
}

/// What the doors open on.
pub struct Doors {
    pub commands: Commands,
    pub projections: Projections,
    pub bus: Bus,
    pub keyring: Arc<Keyring>,
    pub lanes: Lanes,
    /// Which process it is, among those that have doors.
    pub node: Node,
    pub settings: Settings,
    /// Of the other roles of this process; that of the doors is added here.
    pub readiness: Readiness,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// How often a WebSocket is pinged; silent for twice as long, it is closed.
    pub heartbeat: Duration,
    /// How long a WebSocket may take to authenticate.
    pub greeting: Duration,
    /// How long what is under way may take once the process is to end.
    pub drain: Duration,
    /// Whether rates are limited, and what one address or account may have at once. Shapes and sizes always are.
    pub limits: bool,
    pub door: door::Settings,
    /// `None`: TLS is a proxy's work.
    pub tls: Option<Tls>,
    /// By whom people can sign in.
    pub oidc: oidc::Providers,
    /// Members of a group in which members are told who has read a message.
    pub readers_max: u64,
    /// What people may say.
    pub content: content::Settings,
    pub previews: preview::Settings,
    pub translation: translation::Settings,
    /// The key that what we ask of other servers is signed with.
    pub signing: Option<Uuid>,
    /// In groups of more members nobody is told that somebody types.
    pub typing_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(25),
            greeting: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            limits: true,
            door: door::Settings::default(),
            tls: None,
            oidc: oidc::Providers::default(),
            readers_max: 500,
            content: content::Settings::default(),
            previews: preview::Settings::default(),
            translation: translation::Settings::default(),
            signing: None,
            typing_max: limit::TYPING_MEMBERS_MAX,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("accept connections")]
    Accept(#[source] std::io::Error),
    #[error("make an HTTP client")]
    Client(#[source] reqwest::Error),
    #[error("{what}")]
    Certificate { what: String, source: Box<dyn std::error::Error + Send + Sync> },
}

/// An access token for a session that is open, made without a door: for benchmarks, whose people do not sign in.
pub fn access_token(keyring: &Keyring, caller: natter_commands::Caller) -> String {
    Auth::new(keyring).access_token(caller)
}

/// Serves until `stop`, then lets go in order: no new connections, what was asked is answered, WebSockets are closed
/// with 1012. Neither lanes nor projections need run in this process.
pub async fn serve(listener: TcpListener, doors: Doors, stop: CancellationToken) -> Result<(), Error> {
    let mut edge = build(&doors.bus, &doors.keyring, doors.lanes, doors.settings.clone(), &stop);
    let inside = enter(&doors, edge.auth.clone(), &edge.sockets, &stop).map_err(Error::Client)?;
    auth::ended::fill(&inside).await;
    account::mutes::fill(&inside).await;
    tokio::spawn(auth::ended::watch(inside.clone(), stop.clone()));
    presence::run::start(&inside, &stop);
    tokio::spawn(standing::watch(inside.clone(), stop.clone()));
    tokio::spawn(account::mutes::watch(inside.clone(), stop.clone()));
    tokio::spawn(stop.run_until_cancelled_owned(inside.content.clone().watch()));
    edge.readiness = readiness(&doors, edge.stop.clone());
    edge.inside = Some(inside.clone());
    let edge = Arc::new(edge);
    let served = server::run(listener, http::router::router(&edge), edge.ground(), edge.end()).await;
    inside.presence.farewell(&inside.projections).await;
    served
}

/// What a process needs that only says how it is.
pub struct Health {
    pub bus: Bus,
    pub keyring: Arc<Keyring>,
    pub lanes: Lanes,
    pub settings: Settings,
    pub readiness: Readiness,
}

/// Serves `/healthz`, `/readyz` and `/metrics` until `stop`, and nothing else: for a process without the role `edge`. Who
/// is let in, and what has to be signed, is as everywhere.
pub async fn serve_health(listener: TcpListener, health: Health, stop: CancellationToken) -> Result<(), Error> {
    let mut edge = build(&health.bus, &health.keyring, health.lanes, health.settings, &stop);
    edge.readiness = ends(health.readiness, stop);
    let edge = Arc::new(edge);
    server::run(listener, http::router::health(&edge), edge.ground(), edge.end()).await
}

/// The door, and nothing behind it yet.
fn build(bus: &Bus, keyring: &Arc<Keyring>, lanes: Lanes, settings: Settings, stop: &CancellationToken) -> Edge {
    metrics::recorder();
    let mut edge = Edge::new(Arc::new(Auth::new(keyring)), lanes, settings, stop.clone());
    edge.share(door::Shared::new(bus, keyring.clone()), door::Signatures::new(bus, keyring.clone()));
    tokio::spawn(stop.clone().run_until_cancelled_owned(edge.door.clone().upkeep()));
    edge
}

fn readiness(doors: &Doors, stop: CancellationToken) -> Readiness {
    let (bus, projections) = (doors.bus.clone(), doors.projections.clone());
    ends(doors.readiness.clone(), stop)
        .and("edge", move || (!bus.is_connected()).then_some("is not connected to the bus"))
        .and("edge", move || (!projections.is_ready()).then_some("waits for projections to catch up"))
}

fn ends(readiness: Readiness, stop: CancellationToken) -> Readiness {
    readiness.and("process", move || stop.is_cancelled().then_some("is about to end"))
}

fn enter(
    doors: &Doors,
    auth: Arc<Auth>,
    sockets: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Inside, reqwest::Error> {
    let hub = socket::hub::Hub::new(doors.bus.clone(), doors.projections.clone(), stop.clone());
    let Settings { content, previews, translation, signing, .. } = &doors.settings;
    let signer = signing.map(|key| door::signed::Signer::new(&doors.keyring, key));
    Ok(Inside::new(Rooms {
        auth,
        lanes: doors.lanes,
        commands: doors.commands.clone(),
        projections: doors.projections.clone(),
        bus: doors.bus.clone(),
        hub,
        cursors: inbox::Cursors::of_reading(doors.commands.clone(), sockets.clone()),
        deliveries: inbox::Cursors::of_coming(doors.commands.clone(), sockets.clone()),
        readers_max: doors.settings.readers_max,
        mutes: account::mutes::Mutes::default(),
        words: standing::Words::default(),
        presence: presence::Presence::new(doors.node.start),
        typing: typing::Typing::new(doors.settings.typing_max),
        content: content::Content::new(content, signer.clone(), &doors.bus)?,
        previews: preview::Previews::new(previews)?,
        translation: translation::Translation::new(translation, signer, &doors.bus)?,
    }))
}
