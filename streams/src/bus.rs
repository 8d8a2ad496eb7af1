//! Connections to NATS. Three, because one slow use must not stall the others: publishing (the relay), live
//! (frames for people, commands) and consuming (readers of streams).

use crate::Error;
use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    jetstream::{self, Context},
};
use rand::Rng;
use std::time::Duration;
use tokio::sync::broadcast;

/// For those who publish on [`Bus::live`], and who read there.
pub use async_nats::{HeaderMap, HeaderValue, Message, StatusCode};

/// How long a server may take to answer at the start; once it has, it may come and go.
const START: Duration = Duration::from_secs(5);

/// A server that vanishes without a word is missed after three of these: soon, for what depends on it changes hands. A
/// process that stands still asks once when it goes on, so that it finds nothing missing that is there.
const PING_EVERY: Duration = Duration::from_secs(2);

/// A published event may be this large with its headers; twice [`crate::event::MAX_BYTES`].
const MAX_PAYLOAD: usize = 2 * crate::event::MAX_BYTES;

/// The least server that keeps last sequences of empty streams and custom first sequences.
const LEAST_VERSION: (i64, i64, i64) = (2, 15, 1);

/// One process' connections.
#[derive(Clone)]
pub struct Bus {
    publishing: Context,
    live: Client,
    consuming: Context,
    doubts: broadcast::Sender<Doubt>,
}

/// Something may have been missed on the live connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    Disconnected,
    SlowConsumer,
}

impl Bus {
    /// Connects, and checks that the server is one that can carry the log. `url`: `nats://user:password@host:port`.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let (doubts, _) = broadcast::channel(64);
        let publishing = connect(url, "natter publishing", None).await?;
        answers(&publishing).await?;
        check(&publishing)?;
        let live = connect(url, "natter live", Some(doubts.clone())).await?;
        let consuming = connect(url, "natter consuming", None).await?;
        Ok(Self { publishing: jetstream::new(publishing), live, consuming: jetstream::new(consuming), doubts })
    }

    pub(crate) fn publishing(&self) -> &Context {
        &self.publishing
    }

    pub(crate) fn consuming(&self) -> &Context {
        &self.consuming
    }

    /// For frames and requests: at most once.
    pub fn live(&self) -> &Client {
        &self.live
    }

    /// Each time the live connection may have lost something.
    pub fn doubts(&self) -> broadcast::Receiver<Doubt> {
        self.doubts.subscribe()
    }

    /// Several servers carry the messages: what one of them knows of the subscriptions at another, it knows a little later.
    pub fn is_clustered(&self) -> bool {
        self.live.server_info().cluster.is_some()
    }

    pub fn is_connected(&self) -> bool {
        self.live.connection_state() == async_nats::connection::State::Connected
    }
}

async fn connect(url: &str, name: &str, doubts: Option<broadcast::Sender<Doubt>>) -> Result<Client, Error> {
    let address: ServerAddr = url.parse().map_err(Error::bus("read the NATS url"))?;
    credentials(&address)
        .name(name)
        .ping_interval(PING_EVERY)
        .retry_on_initial_connect()
        .reconnect_delay_callback(|attempts| {
            // Jitter of our own: the client reconnects in step with all others otherwise.
            let most = 100 * 2u64.pow(attempts.min(5) as u32);
            Duration::from_millis(rand::rng().random_range(most / 2..=most))
        })
        .event_callback(move |event| {
            let doubts = doubts.clone();
            async move {
                tracing::info!(%event, "nats");
                let doubt = match event {
                    Event::Disconnected => Doubt::Disconnected,
                    Event::SlowConsumer(_) => Doubt::SlowConsumer,
                    _ => return,
                };
                if let Some(doubts) = doubts {
                    let _ = doubts.send(doubt);
                }
            }
        })
        .connect(address)
        .await
        .map_err(Error::bus("connect to NATS"))
}

/// The client itself ignores those that a url carries.
fn credentials(address: &ServerAddr) -> ConnectOptions {
    match (address.username(), address.password()) {
        (Some(user), Some(password)) => ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned()),
        _ => ConnectOptions::new(),
    }
}

/// A server that is still starting is waited for; one that lets nobody in, or is not there, is named.
async fn answers(client: &Client) -> Result<(), Error> {
    let what = "connect to NATS: is it there, and are user and password right?";
    let flushed = tokio::time::timeout(START, client.flush()).await.map_err(Error::bus(what))?;
    flushed.map_err(Error::bus(what))
}

fn check(client: &Client) -> Result<(), Error> {
    let info = client.server_info();
    let (major, minor, patch) = LEAST_VERSION;
    if !client.is_server_compatible(major, minor, patch) {
        return Err(Error::Unfit(format!("nats-server {} is older than {major}.{minor}.{patch}", info.version)));
    }
    if info.max_payload < MAX_PAYLOAD {
        return Err(Error::Unfit(format!(
            "nats-server has max_payload {}, at least {MAX_PAYLOAD} is needed",
            info.max_payload
        )));
    }
    if !info.jetstream {
        return Err(Error::Unfit("nats-server runs without JetStream".to_owned()));
    }
    Ok(())
}
