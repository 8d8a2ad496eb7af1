//! What a process knows of each lane, wherever its owner runs: the newest durable event (`head`), whether the lane is
//! written by this process (`is_open`), and if so the committed batches themselves ([`crate::tap`]).
//!
//! The head is exact while the lane is open here. Of the others it is what the log said within the last second, or what
//! came back with the answer of a command that ran elsewhere ([`Feeds::note`]). It never goes back within an incarnation
//! of the lane, and is never ahead of what is durable. Who must not miss what is durable by now asks the log
//! ([`Feeds::refresh`]), each of its servers for its own lanes. One that does not answer holds up nobody: what its lanes
//! have gained that nobody here has heard of, nobody here could read either.

use crate::{
    Error, Lane, Lanes, Link, Log, Positions, Record,
    position::Place,
    statement,
    tap::{Listener, Tap},
};
use sqlx::Row;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How old what is known of a lane that is written elsewhere may be.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// A server that has not answered by then is waited for no longer, until it answers again.
const ANSWER: Duration = Duration::from_secs(2);

/// Between tries.
const PAUSE: Duration = Duration::from_millis(200);

const READ: &str = "read the heads of the lanes";

/// It has answered whatever anybody may ask: nobody waits for a server that is gone.
const ALL: u64 = u64::MAX;

pub type Batch = Arc<Vec<Arc<Record>>>;

/// Where a lane stands, as far as is known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    pub lane: Lane,
    pub incarnation: Uuid,
    /// 0 before the first event.
    pub position: u64,
}

impl Known {
    pub fn place(&self) -> Place {
        Place::new(self.position, self.incarnation)
    }
}

impl From<Link> for Known {
    fn from(link: Link) -> Self {
        Self { lane: link.lane, incarnation: link.incarnation, position: link.position }
    }
}

/// One lane's feed.
pub struct Feed {
    tap: Tap,
    head: watch::Sender<Known>,
    open: watch::Sender<bool>,
}

impl Feed {
    fn new(head: Known) -> Self {
        Self { tap: Tap::new(), head: watch::Sender::new(head), open: watch::Sender::new(false) }
    }

    /// The lane is written by this process from now on. Called by its owner, who has read the head after taking it over.
    pub fn open(&self, head: Link) {
        self.learn(head.into());
        self.open.send_replace(true);
    }

    /// Called by the lane's owner once a batch is durable.
    pub fn publish(&self, batch: Batch, head: Link) {
        self.learn(head.into());
        self.tap.publish(batch);
    }

    /// The lane is written by this process no more. What was published stays true.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Tells each opening and closing.
    pub fn openings(&self) -> watch::Receiver<bool> {
        self.open.subscribe()
    }

    pub fn tap(&self) -> Listener {
        self.tap.listen()
    }

    /// The newest durable event that this process knows of.
    pub fn head(&self) -> Known {
        *self.head.borrow()
    }

    /// An event is durable, somebody says. Of another incarnation it says nothing: which one is newer only the log knows.
    pub fn note(&self, place: Place) {
        self.head.send_if_modified(|head| {
            let is_news = place.is_of(head.incarnation) && place.position > head.position;
            if is_news {
                head.position = place.position;
            }
            is_news
        });
    }

    fn learn(&self, known: Known) {
        self.head.send_if_modified(|head| {
            let is_news = known.incarnation != head.incarnation || known.position > head.position;
            if is_news {
                *head = known;
            }
            is_news
        });
    }
}

/// Every lane's feed; a cheap handle.
#[derive(Clone)]
pub struct Feeds(Arc<Inner>);

struct Inner {
    feeds: Box<[Feed]>,
    /// How often somebody asked for what the log says now.
    asked: watch::Sender<u64>,
    /// Who is asked.
    servers: Box<[Server]>,
}

/// A server of the log.
struct Server {
    lanes: Vec<Lane>,
    /// Up to which question it has answered.
    answered: watch::Sender<u64>,
}

impl Server {
    fn new(lanes: Vec<Lane>) -> Self {
        Self { lanes, answered: watch::Sender::new(0) }
    }
}

impl Feeds {
    /// Reads every lane's head from the log, and does so again every second for the lanes that are written elsewhere,
    /// until `stop`.
    pub async fn start(log: &Log, stop: &CancellationToken) -> Result<Self, Error> {
        let servers = log.lanes_by_server();
        let asked = servers.iter().map(|lanes| heads(log, lanes));
        let mut known = futures::future::try_join_all(asked).await?.concat();
        known.sort_by_key(|known| known.lane);
        let feeds = Self::with(known, servers);
        for server in 0..feeds.0.servers.len() {
            tokio::spawn(stop.clone().run_until_cancelled_owned(poll(feeds.clone(), log.clone(), server)));
        }
        Ok(feeds)
    }

    /// Feeds that know nothing but what they are told. `heads`: where each lane stands, in the order of the lanes.
    pub fn new(heads: impl IntoIterator<Item = Link>) -> Self {
        Self::with(heads.into_iter().map(Known::from), Vec::new())
    }

    fn with(heads: impl IntoIterator<Item = Known>, servers: Vec<Vec<Lane>>) -> Self {
        let feeds = heads.into_iter().map(Feed::new).collect();
        let servers = servers.into_iter().map(Server::new).collect();
        Self(Arc::new(Inner { feeds, asked: watch::Sender::new(0), servers }))
    }

    pub fn lanes(&self) -> Lanes {
        Lanes::new(self.0.feeds.len() as u16).expect("an installation has 1 to 256 lanes")
    }

    pub fn lane(&self, lane: Lane) -> &Feed {
        &self.0.feeds[lane.index()]
    }

    pub fn heads(&self) -> Vec<Known> {
        self.0.feeds.iter().map(Feed::head).collect()
    }

    /// What a command's answer brought from elsewhere.
    pub fn note(&self, positions: &Positions) {
        for (lane, place) in positions.iter() {
            if let Some(feed) = self.0.feeds.get(lane.index()) {
                feed.note(place);
            }
        }
    }

    /// Returns once the heads are no older than this call: everything that was durable before is known, but for what is
    /// on a server that does not answer. Those who ask at the same time share one query of each server; nothing is asked
    /// where all its lanes are open here.
    pub async fn refresh(&self) {
        if self.0.feeds.iter().all(Feed::is_open) {
            return;
        }
        let mut number = 0;
        self.0.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        for server in &self.0.servers {
            // The sender is ours: it cannot be gone.
            let _ = server.answered.subscribe().wait_for(|&answered| answered >= number).await;
        }
    }

    /// The server's lanes that are written elsewhere.
    fn elsewhere(&self, server: &Server) -> Vec<Lane> {
        server.lanes.iter().copied().filter(|&lane| !self.lane(lane).is_open()).collect()
    }

    /// Resolves where somebody waits for the server's answer.
    async fn asked(&self, server: &Server) {
        let answered = *server.answered.borrow();
        let _ = self.0.asked.subscribe().wait_for(|&asked| asked > answered).await;
    }

    fn learn(&self, heads: &[Known]) {
        for &head in heads {
            let feed = self.lane(head.lane);
            // Its owner has begun meanwhile, and knows better.
            if !feed.is_open() {
                feed.learn(head);
            }
        }
    }
}

/// Asks one server again and again.
async fn poll(feeds: Feeds, log: Log, server: usize) {
    let server = &feeds.0.servers[server];
    loop {
        let _ = tokio::time::timeout(POLL_EVERY, feeds.asked(server)).await;
        let number = *feeds.0.asked.borrow();
        match heads_in_time(&log, &feeds.elsewhere(server)).await {
            Ok(heads) => {
                feeds.learn(&heads);
                server.answered.send_replace(number);
            }
            Err(error) => {
                tracing::warn!(lanes = ?server.lanes, %error, "ask a server for the heads of its lanes");
                server.answered.send_replace(ALL);
            }
        }
    }
}

/// Asks until it is answered or time is over: of a server that was restarted, old connections fail at once.
async fn heads_in_time(log: &Log, lanes: &[Lane]) -> Result<Vec<Known>, Error> {
    let mut last = Error::database(READ)(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    let answered = async {
        loop {
            match heads(log, lanes).await {
                Ok(heads) => return heads,
                Err(error) => last = error,
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let answered = tokio::time::timeout(ANSWER, answered).await;
    answered.map_err(|_| last)
}

/// Heads and incarnations of lanes that are on one server. The subquery takes the last entry of an index: it scans
/// nothing.
async fn heads(log: &Log, lanes: &[Lane]) -> Result<Vec<Known>, Error> {
    let Some(&first) = lanes.first() else { return Ok(Vec::new()) };
    let rows = sqlx::query(
        "SELECT lane, incarnation,
                coalesce((SELECT position FROM events WHERE events.lane = lanes.lane ORDER BY position DESC LIMIT 1), 0)
                    AS position
         FROM lanes WHERE lane = ANY($1)",
    )
    .bind(lanes.iter().map(|lane| lane.number()).collect::<Vec<_>>())
    .fetch_all(statement::bounded(log.lane_pool(first)))
    .await
    .map_err(Error::database(READ))?;
    let known = |row: &sqlx::postgres::PgRow| Known {
        lane: Lane::new(row.get::<i16, _>("lane") as u8),
        incarnation: row.get("incarnation"),
        position: row.get::<i64, _>("position") as u64,
    };
    Ok(rows.iter().map(known).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hash;

    const LANE: Lane = Lane::new(0);

    fn link(incarnation: u128, position: u64) -> Link {
        Link { lane: LANE, incarnation: Uuid::from_u128(incarnation), position, hash: Hash::default() }
    }

    fn known(incarnation: u128, position: u64) -> Known {
        link(incarnation, position).into()
    }

    #[test]
    fn a_head_never_goes_back_within_one_incarnation() {
        let feeds = Feeds::new([link(1, 5)]);
        let feed = feeds.lane(LANE);
        feed.note(known(1, 7).place());
        assert_eq!(feed.head(), known(1, 7));
        feed.note(known(1, 6).place());
        feeds.learn(&[known(1, 6)]);
        feed.publish(Arc::default(), link(1, 4));
        assert_eq!(feed.head(), known(1, 7));
        feed.note(known(2, 9).place());
        assert_eq!(feed.head(), known(1, 7), "hearsay of an incarnation that the log has not named");
        feeds.learn(&[known(2, 3)]);
        assert_eq!(feed.head(), known(2, 3));
    }

    #[test]
    fn of_an_open_lane_its_owner_knows_better_than_an_older_look_into_the_log() {
        let feeds = Feeds::new([link(1, 5)]);
        feeds.lane(LANE).open(link(2, 0));
        feeds.learn(&[known(1, 5)]);
        assert_eq!(feeds.lane(LANE).head(), known(2, 0));
        feeds.lane(LANE).close();
        feeds.learn(&[known(2, 1)]);
        assert_eq!(feeds.lane(LANE).head(), known(2, 1));
    }
}
