//! Looking command keys up.
//!
//! A command that comes again is for the same aggregate, so for the same lane and the same server: what that server says
//! of a key is certain, for it keeps them unique. The same key on *another* command may be meant for a lane of another
//! server, where no constraint and no transaction reaches. The other servers are asked too, so that it is told apart
//! where it can be; but nobody waits for long for them, and one that does not answer is not asked again for a while: a
//! server that is gone must not hold up the lanes of the others. Two such commands at once are both done, each once.

use super::{
    Log,
    read::{COLUMNS, record},
    store::Store,
};
use crate::{Error, Lane, Link, Record, statement};
use futures::future::join_all;
use sqlx::{PgConnection, Row, postgres::PgRow};
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

/// How long another server may take.
const ELSEWHERE: Duration = Duration::from_millis(250);

impl Log {
    /// The first events of the commands with these keys, by key; of commands on `lane` with certainty. One query per
    /// server, however many keys.
    pub async fn by_keys(&self, lane: Lane, keys: &[Uuid]) -> Result<HashMap<Uuid, Record>, Error> {
        let home = self.store(lane);
        let others = self.stores.iter().filter(|store| store.identity != home.identity);
        let others = join_all(others.map(|store| look_up_elsewhere(store, keys)));
        let look_up = async |connection: &mut PgConnection| look_up(connection, keys).await;
        let (rows, elsewhere) = tokio::join!(self.ask(lane, &home.readers, look_up), others);
        let rows = rows.map_err(Error::lane("look up command keys", lane))?;
        // The home's word comes last, over all others'.
        elsewhere.into_iter().flatten().chain(rows).map(|row| found(&row)).collect()
    }
}

async fn look_up_elsewhere(store: &Store, keys: &[Uuid]) -> Vec<PgRow> {
    if store.rests() {
        return Vec::new();
    }
    let rows = statement::run(&store.readers, ELSEWHERE, async |connection| look_up(connection, keys).await).await;
    rows.unwrap_or_else(|_| {
        store.rest();
        Vec::new()
    })
}

async fn look_up(connection: &mut PgConnection, keys: &[Uuid]) -> Result<Vec<PgRow>, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE command_key = ANY($1)");
    sqlx::query(&sql).bind(keys).fetch_all(connection).await
}

fn found(row: &PgRow) -> Result<(Uuid, Record), Error> {
    let lane = Lane::new(row.get::<i16, _>("lane") as u8);
    Ok((row.get("command_key"), record(row, &Link::start(lane, Uuid::nil()))?))
}
