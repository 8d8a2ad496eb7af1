//! The session, made in the background: a cluster that is down when this process starts is tried again until it is
//! there. Once made, the driver keeps its connections.

use super::{Fault, schema, settings::Settings, statement::Statements};
use crate::Error;
use scylla::client::{PoolSize, session::Session as Driver, session_builder::SessionBuilder};
use sqlx::PgPool;
use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// All of one try: connecting, waiting for who migrates, statements.
const TRY: Duration = Duration::from_secs(90);
const CONNECT: Duration = Duration::from_secs(3);
/// A connection that says nothing for so long is taken for dead.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// A session with its statements.
pub(super) struct Session {
    pub(super) driver: Driver,
    pub(super) statements: Statements,
}

/// The session, once it is there.
pub(super) struct Link {
    seen: watch::Receiver<Option<Arc<Session>>>,
    /// Tried in vain, and not there yet.
    away: Arc<AtomicBool>,
}

impl Link {
    /// Begins to connect, until told to stop.
    pub(super) fn open(settings: Settings, postgres: PgPool, stop: CancellationToken) -> Self {
        let (made, seen) = watch::channel(None);
        let away = Arc::new(AtomicBool::new(false));
        let missed = away.clone();
        tokio::spawn(async move {
            tokio::select! {
                session = keep_trying(&settings, &postgres, &missed) => drop(made.send(Some(session))),
                () = stop.cancelled() => {}
            }
        });
        Self { seen, away }
    }

    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Waits a little: a process that has just started is not down.
    pub(super) async fn session(&self, patience: Duration) -> Result<Arc<Session>, Error> {
        let mut seen = self.seen.clone();
        let made = tokio::time::timeout(patience, seen.wait_for(Option::is_some)).await;
        let session = made.ok().and_then(Result::ok).and_then(|session| session.clone());
        session.ok_or_else(|| Error::history("reach the cluster of message history")("no session yet"))
    }
}

async fn keep_trying(settings: &Settings, postgres: &PgPool, away: &AtomicBool) -> Arc<Session> {
    let mut pause = PAUSE;
    loop {
        match tokio::time::timeout(TRY, connect(settings, postgres)).await {
            Ok(Ok(session)) => {
                away.store(false, Ordering::Relaxed);
                return Arc::new(session);
            }
            Ok(Err(error)) => tracing::warn!(error, "history: no session with the cluster, trying again"),
            Err(_) => tracing::warn!("history: the cluster took too long, trying again"),
        }
        away.store(true, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn connect(settings: &Settings, postgres: &PgPool) -> Result<Session, Fault> {
    schema::ensure(settings, postgres).await?;
    let driver = builder(settings).build().await?;
    let statements = Statements::prepare(&driver, settings).await?;
    Ok(Session { driver, statements })
}

pub(super) fn builder(settings: &Settings) -> SessionBuilder {
    let mut builder = SessionBuilder::new()
        .known_nodes(&settings.contact_points)
        .pool_size(PoolSize::PerShard(NonZeroUsize::MIN))
        .connection_timeout(CONNECT)
        .metadata_request_serverside_timeout(CONNECT)
        .metadata_request_clientside_timeout(KEEPALIVE)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE)
        .fetch_full_schema_metadata(false)
        .keyspaces_to_fetch([settings.keyspace.as_str()]);
    if let Some(datacenter) = &settings.datacenter {
        builder = builder.prefer_datacenter(datacenter.clone());
    }
    if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
        builder = builder.user(user, password);
    }
    builder
}
