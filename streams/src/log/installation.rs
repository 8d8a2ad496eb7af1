//! What the servers of one installation have in common. Made at the first start, compared at every later one.

use super::store::Reached;
use crate::{
    Error, Lanes,
    lane::{DEFAULT_COUNT, HASH},
};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

/// Whose a server is, and which one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    /// The same on every server.
    pub installation: Uuid,
    /// Of this database alone.
    pub store: Uuid,
}

struct Installed {
    identity: Identity,
    is_first: bool,
    lanes: i16,
    hash: String,
}

/// Makes the servers one installation, or finds that they are; the first one is the installation's.
pub(super) async fn agree(stores: &mut [Reached], asked: Option<u16>) -> Result<(Lanes, Vec<Identity>), Error> {
    let count = asked.unwrap_or(DEFAULT_COUNT);
    let wanted = Lanes::new(count).ok_or_else(|| Error::Unfit(format!("{count} lanes: 1 to 256 are possible")))?;
    let (first, others) = stores.split_first_mut().ok_or_else(|| Error::Unfit("no server is named".to_owned()))?;
    let proposed = Installed {
        identity: Identity { installation: crate::id::new(), store: crate::id::new() },
        is_first: true,
        lanes: wanted.count() as i16,
        hash: HASH.to_owned(),
    };
    let found = install(first, &proposed).await?;
    if found.hash != HASH || asked.is_some_and(|asked| asked as i16 != found.lanes) {
        let Installed { lanes, hash, .. } = found;
        return Err(Error::Unfit(format!("the log has {lanes} lanes by {hash}, asked for {count} by {HASH}")));
    }
    if !found.is_first {
        return Err(Error::Unfit(format!(
            "{} holds lanes of an installation whose first server is another one: the database url names the first",
            first.name
        )));
    }
    let mut identities = vec![found.identity];
    for other in others {
        identities.push(adopt(other, &found, &identities).await?);
    }
    let lanes = u16::try_from(found.lanes).ok().and_then(Lanes::new).unwrap_or(wanted);
    Ok((lanes, identities))
}

/// A fresh server becomes one more of the installation; any other has to be one already.
async fn adopt(other: &mut Reached, first: &Installed, known: &[Identity]) -> Result<Identity, Error> {
    let identity = Identity { store: crate::id::new(), ..first.identity };
    let proposed = Installed { identity, is_first: false, lanes: first.lanes, hash: first.hash.clone() };
    let found = install(other, &proposed).await?;
    let name = &other.name;
    if found.identity.installation != identity.installation {
        return Err(Error::Unfit(format!("{name} holds another installation than the first server")));
    }
    if known.contains(&found.identity) {
        return Err(Error::Unfit(format!("{name} is a database that is named already, or a copy of one")));
    }
    if (found.lanes, &found.hash) != (first.lanes, &first.hash) {
        return Err(Error::Unfit(format!("{name} and the first server differ in their lanes")));
    }
    Ok(found.identity)
}

/// The server's row; `proposed`, where it had none.
async fn install(store: &mut Reached, proposed: &Installed) -> Result<Installed, Error> {
    let insert = "INSERT INTO installation (lanes, lane_hash, installation_id, store_id, is_first)
                  VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    sqlx::query(insert)
        .bind(proposed.lanes)
        .bind(&proposed.hash)
        .bind(proposed.identity.installation)
        .bind(proposed.identity.store)
        .bind(proposed.is_first)
        .execute(&mut store.connection)
        .await
        .map_err(Error::store("write the installation's row", &store.name))?;
    let row = sqlx::query("SELECT lanes, lane_hash, installation_id, store_id, is_first FROM installation")
        .fetch_one(&mut store.connection)
        .await
        .map_err(Error::store("read the installation's row", &store.name))?;
    Ok(installed(&row))
}

fn installed(row: &PgRow) -> Installed {
    Installed {
        identity: Identity { installation: row.get("installation_id"), store: row.get("store_id") },
        is_first: row.get("is_first"),
        lanes: row.get("lanes"),
        hash: row.get("lane_hash"),
    }
}
