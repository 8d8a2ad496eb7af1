//! Where each lane lives. The first server says it of every lane: also a server that is no longer configured is
//! remembered, so that its lanes do not begin anew somewhere else.

use super::{installation::Identity, store::Reached};
use crate::{Error, Lane, Lanes, placement::Placement};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// Sees to it that every lane lives where it is placed, and makes those that live nowhere yet. Answers each lane's
/// server, by the lane's number.
pub(super) async fn settle(
    stores: &mut [Reached],
    identities: &[Identity],
    placement: &Placement,
    lanes: Lanes,
) -> Result<Vec<usize>, Error> {
    if let Some(beyond) = placement.last().filter(|last| !lanes.contains(*last)) {
        return Err(Error::Unfit(format!("lane {beyond} is placed, but the log has {} lanes", lanes.count())));
    }
    let homes = Homes {
        placed: lanes.iter().map(|lane| placement.store(lane)).collect(),
        names: stores.iter().map(|store| store.name.clone()).collect(),
        ids: identities.iter().map(|identity| identity.store).collect(),
    };
    // All is compared before anything is made.
    homes.compare_places(&places(&mut stores[0]).await?)?;
    for (number, store) in stores.iter_mut().enumerate() {
        homes.compare_held(number, &held(store, lanes).await?)?;
    }
    remember(&mut stores[0], &homes).await?;
    // Somebody else may have placed them differently at the same moment.
    homes.compare_places(&places(&mut stores[0]).await?)?;
    for (number, store) in stores.iter_mut().enumerate() {
        let mine: Vec<Lane> = lanes.iter().filter(|lane| homes.placed[lane.index()] == number).collect();
        make_rows(store, &mine).await?;
    }
    Ok(homes.placed)
}

/// What the configuration says.
struct Homes {
    /// By the lane's number.
    placed: Vec<usize>,
    names: Vec<Arc<str>>,
    ids: Vec<Uuid>,
}

impl Homes {
    fn compare_places(&self, places: &HashMap<Lane, Uuid>) -> Result<(), Error> {
        let mut elsewhere: Vec<Lane> = places.keys().copied().filter(|lane| places[lane] != self.id(*lane)).collect();
        elsewhere.sort_unstable();
        let Some(lane) = elsewhere.first() else { return Ok(()) };
        let home = self.ids.iter().position(|id| *id == places[lane]).map(|home| self.names[home].to_string());
        let home = home.unwrap_or_else(|| format!("a server that is not named (store {})", places[lane]));
        Err(self.misplaced(&elsewhere, &home))
    }

    /// `held`: lanes of which the server has a row or an event.
    fn compare_held(&self, number: usize, held: &[Lane]) -> Result<(), Error> {
        let astray: Vec<Lane> = held.iter().copied().filter(|lane| self.placed[lane.index()] != number).collect();
        if astray.is_empty() { Ok(()) } else { Err(self.misplaced(&astray, &self.names[number])) }
    }

    fn misplaced(&self, lanes: &[Lane], home: &str) -> Error {
        let list = lanes.iter().map(Lane::to_string).collect::<Vec<_>>().join(", ");
        let placed = &self.names[self.placed[lanes[0].index()]];
        Error::Unfit(format!(
            "of lane {list} the events are on {home}, it is placed on {placed}: no lane moves by itself"
        ))
    }

    fn id(&self, lane: Lane) -> Uuid {
        self.placed.get(lane.index()).map_or(Uuid::nil(), |home| self.ids[*home])
    }
}

async fn places(first: &mut Reached) -> Result<HashMap<Lane, Uuid>, Error> {
    let rows: Vec<(i16, Uuid)> = sqlx::query_as("SELECT lane, store_id FROM lane_stores")
        .fetch_all(&mut first.connection)
        .await
        .map_err(Error::store("read where the lanes live", &first.name))?;
    Ok(rows.into_iter().map(|(lane, store)| (Lane::new(lane as u8), store)).collect())
}

async fn remember(first: &mut Reached, homes: &Homes) -> Result<(), Error> {
    let (lanes, ids): (Vec<i16>, Vec<Uuid>) =
        homes.placed.iter().enumerate().map(|(lane, home)| (lane as i16, homes.ids[*home])).unzip();
    sqlx::query("INSERT INTO lane_stores (lane, store_id) SELECT * FROM UNNEST($1::smallint[], $2::uuid[]) ON CONFLICT DO NOTHING")
        .bind(lanes)
        .bind(ids)
        .execute(&mut first.connection)
        .await
        .map_err(Error::store("write where the lanes live", &first.name))?;
    Ok(())
}

async fn held(store: &mut Reached, lanes: Lanes) -> Result<Vec<Lane>, Error> {
    let rows: Vec<i16> = sqlx::query_scalar(
        "SELECT number::smallint FROM generate_series(0, $1 - 1) AS number
         WHERE EXISTS (SELECT FROM lanes WHERE lane = number) OR EXISTS (SELECT FROM events WHERE lane = number)",
    )
    .bind(lanes.count() as i32)
    .fetch_all(&mut store.connection)
    .await
    .map_err(Error::store("look for lanes", &store.name))?;
    Ok(rows.into_iter().map(|lane| Lane::new(lane as u8)).collect())
}

async fn make_rows(store: &mut Reached, lanes: &[Lane]) -> Result<(), Error> {
    let numbers: Vec<i16> = lanes.iter().map(|lane| lane.number()).collect();
    let incarnations: Vec<Uuid> = lanes.iter().map(|_| crate::id::new()).collect();
    sqlx::query(
        "INSERT INTO lanes (lane, incarnation, epoch, owner)
         SELECT lane, incarnation, 0, '' FROM UNNEST($1::smallint[], $2::uuid[]) AS new(lane, incarnation)
         ON CONFLICT DO NOTHING",
    )
    .bind(numbers)
    .bind(incarnations)
    .execute(&mut store.connection)
    .await
    .map_err(Error::store("make the lanes' rows", &store.name))?;
    Ok(())
}
