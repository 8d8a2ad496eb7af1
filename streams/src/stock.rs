//! `postgres-es` as it comes, for whoever wants to compare: its default pool, its own schema, no lanes. Nothing of
//! Natter itself runs on it.

use crate::Error;
use sqlx::{Connection, Executor, PgConnection, PgPool};

pub use postgres_es::{PostgresCqrs, postgres_cqrs};

/// The version that was built in.
pub const VERSION: &str = "postgres-es 0.5.0";

/// The events table as `postgres-es` documents it (`db/init.sql`).
const SCHEMA: &str = "
    CREATE TABLE events (
        aggregate_type text                         NOT NULL,
        aggregate_id   text                         NOT NULL,
        sequence       bigint CHECK (sequence >= 0) NOT NULL,
        event_type     text                         NOT NULL,
        event_version  text                         NOT NULL,
        payload        json                         NOT NULL,
        metadata       json                         NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    )";

/// Makes the table in an empty database, then hands out the crate's default pool of ten connections.
pub async fn open(url: &str) -> Result<PgPool, Error> {
    // The crate's own function panics where nobody answers.
    let mut connection = PgConnection::connect(url).await.map_err(Error::database("connect to PostgreSQL"))?;
    connection.execute(SCHEMA).await.map_err(Error::database("make the events table of postgres-es"))?;
    connection.close().await.map_err(Error::database("leave PostgreSQL"))?;
    Ok(postgres_es::default_postgress_pool(url).await)
}
