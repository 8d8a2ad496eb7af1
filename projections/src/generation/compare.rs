//! Compares two generations row by row at the same place of every lane, so that no row moves meanwhile: the live one as a
//! snapshot sees it, the other brought to exactly the places of that snapshot before. What differs then differs.

use super::{
    Entry, Table,
    build::Targets,
    walk::{self, Columns, Shape, Sum},
};
use crate::Error;
use natter_streams::{Lane, lane::Lanes};
use sqlx::{PgConnection, Row};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};
use uuid::Uuid;

/// Differences that are named; the others are counted by lane.
pub(super) const NAMED: usize = 1_000;
/// Routes of one query for rows.
const ROUTES: usize = 200;

/// What a comparison found.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    pub lanes: BTreeMap<Lane, LaneCount>,
    /// Of those there are, the first.
    pub differences: Vec<Difference>,
    /// There are more.
    pub is_cut: bool,
}

impl Compared {
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.lanes.values().all(|lane| lane.live == lane.shadow)
    }
}

/// Both generations' rows of one lane.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaneCount {
    /// Where both stood.
    pub position: u64,
    pub live: Sum,
    pub shadow: Sum,
}

/// One row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    pub lane: Lane,
    pub table: &'static str,
    /// `conversation_id=..., seq=3`
    pub key: String,
    pub what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// In both, with other values in these columns.
    Altered(Vec<String>),
    /// The live one has not what the other has.
    Missing,
    /// The live one has what the other has not.
    TooMany,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, table, key, what } = self;
        write!(f, "lane {lane}: {table} ({key}): ")?;
        match what {
            What::Altered(columns) => write!(f, "altered: {}", columns.join(", ")),
            What::Missing => f.write_str("missing in the live generation"),
            What::TooMany => f.write_str("only in the live generation"),
        }
    }
}

/// One side: a connection, and the schema that is looked at.
pub(super) struct Side<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) schema: String,
}

/// Where the generation stood as the connection's snapshot has it.
pub(super) async fn places(connection: &mut PgConnection, entry: &Entry, lanes: Lanes) -> Result<Targets, Error> {
    let rows = sqlx::query("SELECT lane, position FROM public.checkpoints WHERE projection = $1")
        .bind(entry.reader())
        .fetch_all(connection)
        .await
        .map_err(Error::database("read checkpoints"))?;
    let mut places: Targets = lanes.iter().map(|lane| (lane, 0)).collect();
    for row in rows {
        places.insert(Lane::new(row.get::<i16, _>("lane") as u8), row.get::<i64, _>("position") as u64);
    }
    Ok(places)
}

/// Both stand at `places`.
pub(super) async fn compare(
    tables: &[Table],
    lanes: Lanes,
    places: &Targets,
    mut live: Side<'_>,
    mut shadow: Side<'_>,
) -> Result<Compared, Error> {
    let mut compared = Compared::default();
    for (&lane, &position) in places {
        compared.lanes.insert(lane, LaneCount { position, ..LaneCount::default() });
    }
    for &table in tables {
        let shape = Shape::read(live.connection, table).await?;
        let differing = differing(&shape, lanes, &mut live, &mut shadow, &mut compared).await?;
        for routes in differing.into_iter().collect::<Vec<_>>().chunks(ROUTES) {
            if compared.differences.len() >= NAMED {
                compared.is_cut = true;
                break;
            }
            name(&shape, lanes, routes, &mut live, &mut shadow, &mut compared).await?;
        }
    }
    Ok(compared)
}

/// What routes rows that are not the same on both sides.
async fn differing(
    shape: &Shape,
    lanes: Lanes,
    live: &mut Side<'_>,
    shadow: &mut Side<'_>,
    compared: &mut Compared,
) -> Result<BTreeSet<Uuid>, Error> {
    let mut sums: HashMap<Uuid, Sum> = HashMap::new();
    walk::sums(live.connection, &live.schema, shape, |route, sum| {
        compared.lanes.entry(lanes.of(route)).or_default().live.add(sum);
        sums.insert(route, sum);
    })
    .await?;
    let mut differing = BTreeSet::new();
    walk::sums(shadow.connection, &shadow.schema, shape, |route, sum| {
        compared.lanes.entry(lanes.of(route)).or_default().shadow.add(sum);
        if sums.remove(&route) != Some(sum) {
            differing.insert(route);
        }
    })
    .await?;
    differing.extend(sums.into_keys());
    Ok(differing)
}

async fn name(
    shape: &Shape,
    lanes: Lanes,
    routes: &[Uuid],
    live: &mut Side<'_>,
    shadow: &mut Side<'_>,
    compared: &mut Compared,
) -> Result<(), Error> {
    let lives = walk::rows(live.connection, &live.schema, shape, routes).await?;
    let mut shadows = walk::rows(shadow.connection, &shadow.schema, shape, routes).await?;
    let mut found = Vec::new();
    for (key, (route, columns)) in lives {
        match shadows.remove(&key) {
            None => found.push((key, route, What::TooMany)),
            Some((_, others)) if others != columns => {
                found.push((key, route, What::Altered(altered(&columns, &others))));
            }
            Some(_) => {}
        }
    }
    found.extend(shadows.into_iter().map(|(key, (route, _))| (key, route, What::Missing)));
    let difference = |(key, route, what)| Difference { lane: lanes.of(route), table: shape.table.name, key, what };
    compared.differences.extend(found.into_iter().map(difference));
    Ok(())
}

/// Names only: values may be personal.
pub(super) fn altered(one: &Columns, other: &Columns) -> Vec<String> {
    let differs = |name: &&String| one.get(*name) != other.get(*name);
    one.keys().chain(other.keys()).filter(differs).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}
