//! Who owns which lane, as far as this process knows: read every second, at once when somebody tells of a change, and
//! learned from those who were asked in vain. It may be behind: whoever is asked says so, and no answer depends on it.

use super::{
    Share,
    hint::{COALESCE, Hints},
};
use crate::{Error, Lane, Log, Node, bus::Bus, statement::run};
use futures::{StreamExt, future::try_join_all, stream::FuturesUnordered};
use sqlx::{PgPool, Row, postgres::PgRow};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A look that takes longer is tried on another connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cheap handle.
#[derive(Clone)]
pub struct Directory(Arc<Shared>);

struct Shared {
    owners: watch::Sender<Vec<Entry>>,
    wanted: Notify,
}

#[derive(Clone, Default)]
struct Entry {
    owner: Option<Node>,
    /// Counts what was learned, so that a look that began before does not undo it.
    learned: u64,
}

/// What a server is asked.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    Idle,
    Once,
    /// There was news meanwhile, which this look may not see.
    Again,
}

impl Directory {
    /// Reads all owners, and goes on until `stop`.
    pub async fn start(log: &Log, bus: &Bus, stop: &CancellationToken) -> Result<Self, Error> {
        let owners = watch::Sender::new(vec![Entry::default(); log.lanes().count()]);
        let directory = Self(Arc::new(Shared { owners, wanted: Notify::new() }));
        let hints = Hints::listen(bus).await;
        try_join_all(log.row_pools().into_iter().map(|pool| directory.look(pool))).await?;
        let (follower, log, stop) = (directory.clone(), log.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = follower.follow(&log, hints) => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(directory)
    }

    /// `None`: nobody, or nobody that could be asked.
    pub fn owner(&self, lane: Lane) -> Option<Node> {
        self.0.owners.borrow()[lane.index()].owner.clone()
    }

    /// Somebody who should know said so. It is looked up soon, for it may have been old.
    pub fn learn(&self, lane: Lane, owner: Option<Node>) {
        let news = self.0.owners.send_if_modified(|owners| {
            let entry = &mut owners[lane.index()];
            entry.learned += 1;
            let news = entry.owner != owner;
            entry.owner = owner;
            news
        });
        if news {
            self.refresh();
        }
    }

    /// Looks again soon.
    pub fn refresh(&self) {
        self.0.wanted.notify_one();
    }

    /// Resolves when the owner is another than `from`.
    pub async fn changed(&self, lane: Lane, from: Option<Node>) -> Option<Node> {
        let mut owners = self.0.owners.subscribe();
        let changed = owners.wait_for(|owners| owners[lane.index()].owner != from).await;
        changed.map_or(from.clone(), |owners| owners[lane.index()].owner.clone())
    }

    /// Each server by itself: one that does not answer keeps nobody from hearing of the lanes of another.
    async fn follow(&self, log: &Log, mut hints: Hints) {
        let pools = log.row_pools();
        let look = async |server: usize| (server, self.look(pools[server]).await);
        let mut looking: Vec<Look> = vec![Look::Idle; pools.len()];
        let mut looks = FuturesUnordered::new();
        let mut looked = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(looked + LOOK_EVERY) => {}
                () = hints.heard(Share::Lanes.name()) => {}
                () = self.0.wanted.notified() => {}
                Some((server, result)) = looks.next() => {
                    if let Err(error) = result {
                        tracing::warn!(%error, "look up who owns which lane: going on with what was known");
                    }
                    if std::mem::replace(&mut looking[server], Look::Idle) == Look::Again {
                        looking[server] = Look::Once;
                        looks.push(look(server));
                    }
                    continue;
                }
            }
            // What comes meanwhile is seen by the same look, or makes the next one.
            tokio::time::sleep_until(looked + COALESCE).await;
            looked = Instant::now();
            for (server, state) in looking.iter_mut().enumerate() {
                if *state == Look::Idle {
                    *state = Look::Once;
                    looks.push(look(server));
                } else {
                    *state = Look::Again;
                }
            }
        }
    }

    async fn look(&self, pool: &PgPool) -> Result<(), Error> {
        let before: Vec<u64> = self.0.owners.borrow().iter().map(|entry| entry.learned).collect();
        let found = owners(pool).await.map_err(Error::database("read who owns which lane"))?;
        self.found(&found, &before);
        Ok(())
    }

    fn found(&self, found: &[(Lane, Option<Node>)], before: &[u64]) {
        self.0.owners.send_if_modified(|entries| {
            let mut news = false;
            for (lane, owner) in found {
                let Some(entry) = entries.get_mut(lane.index()) else { continue };
                if entry.learned == before[lane.index()] && entry.owner != *owner {
                    entry.owner.clone_from(owner);
                    news = true;
                }
            }
            news
        });
    }
}

async fn owners(pool: &PgPool) -> Result<Vec<(Lane, Option<Node>)>, sqlx::Error> {
    let rows = run(pool, PATIENCE, async |connection| {
        sqlx::query("SELECT lane, owner FROM lanes").fetch_all(connection).await
    });
    let owner = |row: &PgRow| (Lane::new(row.get::<i16, _>("lane") as u8), Node::parse(row.get("owner")));
    Ok(rows.await?.iter().map(owner).collect())
}
