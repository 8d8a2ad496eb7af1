//! Compares two generations of history where one of the two is in a cluster: message by message, over all that either
//! holds. The shadow stands still, and so does a live one in PostgreSQL, as a snapshot sees it. A live one in a cluster
//! goes on: where a message differs, the shadow is brought to what live has passed since, and both are read again. A
//! message that is in live what it was before, and yet another one in the shadow, differs; one that has moved is looked
//! at again, and never called a difference.

use super::{
    Builder, Compared, Difference, LaneCount, Sum, What,
    build::Targets,
    compare::{NAMED, altered},
};
use crate::{
    Error,
    message::{
        ScyllaHistory,
        held::{Held, Name, Rows, Unit, checksum},
        postgres::held as postgres,
    },
};
use natter_streams::{Lane, checkpoint, lane::Lanes};
use sqlx::PgConnection;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Read together.
const UNITS: usize = 16;
/// For a cluster that does not answer, for live to get on, and for a message to stand still once.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);

/// Where one of the two is.
pub(super) enum Place<'a> {
    Postgres { connection: &'a mut PgConnection, schema: String },
    Cluster(&'a ScyllaHistory),
}

impl Place<'_> {
    async fn units(&mut self) -> Result<BTreeSet<Unit>, Error> {
        match self {
            Self::Postgres { connection, schema } => postgres::units(connection, schema).await,
            Self::Cluster(store) => patiently(async || store.units().await).await,
        }
    }

    async fn held(&mut self, units: &[Unit]) -> Result<BTreeMap<Unit, Held>, Error> {
        match self {
            Self::Postgres { connection, schema } => postgres::held(connection, schema, units).await,
            Self::Cluster(store) => patiently(async || store.held(units).await).await,
        }
    }

    async fn one(&mut self, unit: Unit) -> Result<Held, Error> {
        Ok(self.held(&[unit]).await?.remove(&unit).unwrap_or_else(|| Held::new(unit)))
    }
}

/// A cluster that is busy for a moment does not end the work of hours.
async fn patiently<T>(read: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let began = Instant::now();
    loop {
        match read().await {
            Err(error) if error.is_passing() && began.elapsed() < PATIENCE => {
                tracing::warn!(%error, "compare: trying again");
                sleep(AGAIN).await;
            }
            done => return done,
        }
    }
}

pub(super) struct Across<'a> {
    pub(super) lanes: Lanes,
    pub(super) live: Place<'a>,
    pub(super) shadow: Place<'a>,
    /// The name of a live one in a cluster in checkpoints: it does not stand still.
    pub(super) moving: Option<&'static str>,
    pub(super) builder: &'a Builder<'a>,
}

impl Across<'_> {
    /// `None`: told to stop. The shadow has been brought to `places`, and live is nowhere before.
    pub(super) async fn compare(mut self, places: &Targets) -> Result<Option<Compared>, Error> {
        let mut compared = Compared::default();
        for (&lane, &position) in places {
            compared.lanes.insert(lane, LaneCount { position, ..LaneCount::default() });
        }
        let mut units = self.live.units().await?;
        units.extend(self.shadow.units().await?);
        for units in units.into_iter().collect::<Vec<_>>().chunks(UNITS) {
            let (mut lives, mut shadows) = (self.live.held(units).await?, self.shadow.held(units).await?);
            for &unit in units {
                let [live, shadow] =
                    [&mut lives, &mut shadows].map(|held| held.remove(&unit).unwrap_or_else(|| Held::new(unit)));
                if !self.unit(unit, live, shadow, &mut compared).await? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(compared))
    }

    /// False: told to stop.
    async fn unit(
        &mut self,
        unit: Unit,
        mut live: Held,
        mut shadow: Held,
        compared: &mut Compared,
    ) -> Result<bool, Error> {
        let lane = self.lanes.of(unit.conversation);
        let began = Instant::now();
        Held::without_lonely_parts(&mut live, &mut shadow);
        let (stand, mut open): (Vec<u64>, Vec<u64>) =
            live.seqs(&shadow).into_iter().partition(|&seq| self.moving.is_none() || live.of(seq) == shadow.of(seq));
        note(compared, lane, &stand, &live, &shadow);
        while let Some(reader) = self.moving.filter(|_| !open.is_empty()) {
            let passed = self.passed_what_was_under_way(reader, lane).await?;
            if !self.builder.bring_to(&Targets::from([(lane, passed)])).await? {
                return Ok(false);
            }
            shadow = self.shadow.one(unit).await?;
            let before = std::mem::replace(&mut live, self.live.one(unit).await?);
            Held::without_lonely_parts(&mut live, &mut shadow);
            let stands = |seq: &u64| live.of(*seq) == shadow.of(*seq) || live.of(*seq) == before.of(*seq);
            let (stand, moves): (Vec<u64>, Vec<u64>) = open.into_iter().partition(stands);
            note(compared, lane, &stand, &live, &shadow);
            open = moves;
            if !open.is_empty() && began.elapsed() > PATIENCE {
                return Err(still_moving(unit, lane));
            }
        }
        Ok(!self.builder.stop.is_cancelled())
    }

    /// What was being written to a live cluster when this is called is there afterwards, and this says up to where. Rows
    /// come before the checkpoint: they may be of the batch behind it.
    async fn passed_what_was_under_way(&self, reader: &'static str, lane: Lane) -> Result<u64, Error> {
        let log = self.builder.log;
        let stands = async || Ok::<_, Error>(checkpoint::load(log, reader, lane).await?.position);
        let began = Instant::now();
        let first = stands().await?;
        let head = log.head(lane, log.incarnation(lane).await?).await?.link.position;
        let mut now = first;
        while now == first && now < head {
            if began.elapsed() > PATIENCE {
                return Err(Error::Generation(format!(
                    "{reader} does not get on in lane {lane}: is anybody running it?"
                )));
            }
            sleep(AGAIN).await;
            now = stands().await?;
        }
        Ok(now)
    }
}

fn still_moving(unit: Unit, lane: Lane) -> Error {
    let conversation = unit.conversation;
    Error::Generation(format!(
        "lane {lane}: messages of conversation {conversation} change faster than they can be compared: try again later"
    ))
}

/// Counts messages on both sides, and names what differs.
fn note(compared: &mut Compared, lane: Lane, seqs: &[u64], live: &Held, shadow: &Held) {
    let nothing = Rows::new();
    for &seq in seqs {
        let [live, shadow] = [live, shadow].map(|held| held.of(seq).unwrap_or(&nothing));
        note_message(compared, lane, live, shadow);
    }
}

fn note_message(compared: &mut Compared, lane: Lane, live: &Rows, shadow: &Rows) {
    let count = compared.lanes.entry(lane).or_default();
    for (rows, sum) in [(live, &mut count.live), (shadow, &mut count.shadow)] {
        for (name, columns) in rows {
            sum.add(Sum { rows: 1, checksum: checksum(name, columns) });
        }
    }
    for name in live.keys().chain(shadow.keys()).collect::<BTreeSet<_>>() {
        let Some(what) = difference(live, shadow, name) else { continue };
        if compared.differences.len() >= NAMED {
            compared.is_cut = true;
            break;
        }
        compared.differences.push(Difference { lane, table: name.table, key: name.key.clone(), what });
    }
}

fn difference(live: &Rows, shadow: &Rows, name: &Name) -> Option<What> {
    match (live.get(name), shadow.get(name)) {
        (Some(one), Some(other)) if one == other => None,
        (Some(one), Some(other)) => Some(What::Altered(altered(one, other))),
        (Some(_), None) => Some(What::TooMany),
        _ => Some(What::Missing),
    }
}
