//! Has a node follow the list: it is read before the doors open, when somebody says that it changed, and now and then, since
//! that word may be lost. While it cannot be read the last one holds.

use super::table::Table;
use anyhow::{Context, Result};
use futures::StreamExt;
use natter_edge::door::Lists;
use natter_streams::{bus::Bus, subject};
use sqlx::PgPool;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{
    sync::watch::{self, Receiver, Sender},
    time::{interval, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A small query for each node with doors.
pub const READ_AGAIN: Duration = Duration::from_secs(5);

/// What a node follows, as it is now and becomes.
pub struct Followed {
    pub lists: Receiver<Arc<Lists>>,
    /// Of other servers.
    pub keys: Receiver<Arc<HashSet<Uuid>>>,
}

struct Senders {
    lists: Sender<Arc<Lists>>,
    keys: Sender<Arc<HashSet<Uuid>>>,
}

/// Until `stop`.
pub async fn follow(pool: PgPool, bus: Bus, stop: CancellationToken) -> Result<Followed> {
    let table = Table::new(pool.clone());
    let (lists_sender, lists) = watch::channel(Arc::new(table.read().await?));
    let (keys_sender, keys) = watch::channel(Arc::new(crate::keys::good(&pool).await?));
    let senders = Senders { lists: lists_sender, keys: keys_sender };
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        loop {
            if let Err(error) = listen(&pool, &table, &bus, &senders).await {
                tracing::warn!(error = %format!("{error:#}"), "follow the door's list");
            }
            sleep(Duration::from_secs(1)).await;
        }
    }));
    Ok(Followed { lists, keys })
}

async fn listen(pool: &PgPool, table: &Table, bus: &Bus, senders: &Senders) -> Result<()> {
    let mut words = bus.live().subscribe(subject::DOOR).await.context("listen for changes")?;
    let mut ticks = interval(READ_AGAIN);
    loop {
        tokio::select! {
            word = words.next() => word.map(drop).context("the bus says nothing more")?,
            _ = ticks.tick() => {}
        }
        if set(&senders.lists, table.read().await?) {
            tracing::info!("who is let in has changed");
        }
        set(&senders.keys, crate::keys::good(pool).await?);
    }
}

/// Whether it changed.
fn set<T: PartialEq>(sender: &Sender<Arc<T>>, found: T) -> bool {
    sender.send_if_modified(|known| {
        let changes = **known != found;
        if changes {
            *known = Arc::new(found);
        }
        changes
    })
}
