//! Who runs a reader, for those who depend on it without running it.

use crate::{Error, Node, statement};
use sqlx::PgPool;

/// The nodes that hold a lease of this reader on any lane, as of now. A node whose terms have all passed is none of them:
/// by its own clock it has stopped before. `pool`: of the first PostgreSQL, where readers' rows are.
pub async fn runners(pool: &PgPool, reader: &'static str) -> Result<Vec<Node>, Error> {
    let owners: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT owner FROM readers WHERE reader = $1 AND owner <> '' AND expires_at > now()",
    )
    .bind(reader)
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read who runs a reader"))?;
    Ok(owners.iter().filter_map(|owner| Node::parse(owner)).collect())
}
