//! What a process knows of each lane, wherever its owner runs: the newest durable event (`head`), whether the lane is
//! written by this process (`is_open`), and if so the committed batches themselves ([`crate::tap`]).
//!
//! The head is exact while the lane is open here. Of the others it is what the log said within the last second, or what
//! came back with the answer of a command that ran elsewhere ([`Feeds::note`]). It never goes back within an incarnation
//! of the lane, and is never ahead of what is durable. Who must not miss what is durable by now asks the log
//! ([`Feeds::refresh`]).

use crate::{
    Error, Lane, Link, Log, Positions, Record,
    position::Place,
    tap::{Listener, Tap},
};
use sqlx::{PgPool, Row};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How old what is known of a lane that is written elsewhere may be.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Between tries where the log does not answer.
const PAUSE: Duration = Duration::from_millis(200);

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
    /// How often somebody asked for what the log says now, and up to which of these it has answered.
    asked: watch::Sender<u64>,
    answered: watch::Sender<u64>,
    /// Whether there is somebody to ask.
    polled: bool,
}

impl Feeds {
    /// Reads every lane's head from the log, and does so again every second for the lanes that are written elsewhere,
    /// until `stop`.
    pub async fn start(log: &Log, stop: &CancellationToken) -> Result<Self, Error> {
        let lanes: Vec<Lane> = log.lanes().iter().collect();
        let feeds = Self::with(heads(log, &lanes).await?, true);
        tokio::spawn(stop.clone().run_until_cancelled_owned(poll(feeds.clone(), log.clone())));
        Ok(feeds)
    }

    /// Feeds that know nothing but what they are told. `heads`: where each lane stands, in the order of the lanes.
    pub fn new(heads: impl IntoIterator<Item = Link>) -> Self {
        Self::with(heads.into_iter().map(Known::from), false)
    }

    fn with(heads: impl IntoIterator<Item = Known>, polled: bool) -> Self {
        let feeds = heads.into_iter().map(Feed::new).collect();
        Self(Arc::new(Inner { feeds, asked: watch::Sender::new(0), answered: watch::Sender::new(0), polled }))
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

    /// Returns once the heads are no older than this call: everything that was durable before is known. Those who ask at
    /// the same time share one query; nothing is asked where all lanes are open here. While the log does not answer, it
    /// waits: callers have a bound of their own.
    pub async fn refresh(&self) {
        if !self.0.polled || self.elsewhere().is_empty() {
            return;
        }
        let mut number = 0;
        self.0.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        // The sender is ours: it cannot be gone.
        let _ = self.0.answered.subscribe().wait_for(|&answered| answered >= number).await;
    }

    fn elsewhere(&self) -> Vec<Lane> {
        self.0.feeds.iter().filter(|feed| !feed.is_open()).map(|feed| feed.head().lane).collect()
    }

    /// Resolves where somebody waits for an answer.
    async fn asked(&self) {
        let answered = *self.0.answered.borrow();
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

async fn poll(feeds: Feeds, log: Log) {
    loop {
        let _ = tokio::time::timeout(POLL_EVERY, feeds.asked()).await;
        let number = *feeds.0.asked.borrow();
        let lanes = feeds.elsewhere();
        match heads(&log, &lanes).await {
            Ok(heads) => {
                feeds.learn(&heads);
                feeds.0.answered.send_replace(number);
            }
            Err(error) => {
                tracing::warn!(%error, "ask for the heads of the lanes");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Each lane's head and incarnation, in the lanes' order; of every server at its own moment.
async fn heads(log: &Log, lanes: &[Lane]) -> Result<Vec<Known>, Error> {
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let asked = log.readers().map(|readers| heads_of(readers, lanes));
    let mut known = futures::future::try_join_all(asked).await?.concat();
    known.sort_by_key(|known| known.lane);
    Ok(known)
}

/// The subquery takes the last entry of an index: it scans nothing.
async fn heads_of(readers: &PgPool, lanes: &[Lane]) -> Result<Vec<Known>, Error> {
    let rows = sqlx::query(
        "SELECT lane, incarnation,
                coalesce((SELECT max(position) FROM events WHERE events.lane = lanes.lane), 0) AS position
         FROM lanes WHERE lane = ANY($1)",
    )
    .bind(lanes.iter().map(|lane| lane.number()).collect::<Vec<_>>())
    .fetch_all(readers)
    .await
    .map_err(Error::database("read the heads of the lanes"))?;
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
        Link { lane: LANE, incarnation: Uuid::from_u128(incarnation << 96), position, hash: Hash::default() }
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
