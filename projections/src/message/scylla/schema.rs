//! The keyspace and its tables: made by whichever process comes first, while it holds a lock in our PostgreSQL. Each
//! file is written down with its checksum once all of it was applied; one that a crash cut off is applied again, which
//! its statements bear. A file that was changed afterwards is refused.

use super::{Fault, session, settings::Settings};
use natter_migrations::{SCYLLA, checksum, statements};
use scylla::client::session::Session;
use sqlx::{PgConnection, PgPool};
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

/// Of our advisory locks in PostgreSQL; the second key is the keyspace.
const LOCK: i32 = 0x6371_6c00;
/// Changing tables takes a cluster its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What stands in the keyspace does not fit.
#[derive(Debug, thiserror::Error)]
enum Misfit {
    #[error("{number:04}_{name}.cql is not the text that was applied to keyspace {keyspace}")]
    Changed { number: i64, name: &'static str, keyspace: String },
    #[error("keyspace {0} belongs to another installation: positions there are not ours")]
    Foreign(String),
}

/// Brings the keyspace to the newest shape. The lock goes with its connection, should this be given up on the way.
pub(super) async fn ensure(settings: &Settings, postgres: &PgPool) -> Result<(), Fault> {
    let driver = session::builder(settings).schema_agreement_timeout(PATIENCE).build().await?;
    let mut connection = postgres.acquire().await?.detach();
    lock(&mut connection, settings).await?;
    let installation =
        sqlx::query_scalar("SELECT installation_id FROM public.installation").fetch_one(&mut connection).await?;
    run(&driver, &settings.create_keyspace()).await?;
    driver.use_keyspace(&settings.keyspace, false).await?;
    claim(&driver, settings, installation).await?;
    migrate(&driver, settings).await
}

async fn lock(connection: &mut PgConnection, settings: &Settings) -> Result<(), Fault> {
    sqlx::query("SELECT pg_advisory_lock($1, hashtext($2))")
        .bind(LOCK)
        .bind(&settings.keyspace)
        .execute(connection)
        .await?;
    Ok(())
}

/// Positions are timestamps there: those of another log would win over ours, or lose, at random.
async fn claim(driver: &Session, settings: &Settings, installation: Uuid) -> Result<(), Fault> {
    run(driver, "CREATE TABLE IF NOT EXISTS installation (id int PRIMARY KEY, installation_id uuid)").await?;
    let keyspace = &settings.keyspace;
    let ask = format!("SELECT installation_id FROM {keyspace}.installation WHERE id = 1");
    let rows = driver.query_unpaged(ask, ()).await?;
    match rows.into_rows_result()?.maybe_first_row::<(Uuid,)>()? {
        Some((found,)) if found == installation => Ok(()),
        Some(_) => Err(Misfit::Foreign(keyspace.clone()).into()),
        None => {
            let claim = format!("INSERT INTO {keyspace}.installation (id, installation_id) VALUES (1, ?)");
            driver.query_unpaged(claim, (installation,)).await?;
            Ok(())
        }
    }
}

async fn migrate(driver: &Session, settings: &Settings) -> Result<(), Fault> {
    run(driver, "CREATE TABLE IF NOT EXISTS migration (number bigint PRIMARY KEY, name text, checksum text)").await?;
    let applied = applied(driver).await?;
    for &(number, name, text) in SCYLLA {
        let checksum = checksum(number, name, text);
        match applied.get(&number) {
            Some(found) if *found == checksum => {}
            Some(_) => return Err(Misfit::Changed { number, name, keyspace: settings.keyspace.clone() }.into()),
            None => apply(driver, &settings.keyspace, (number, name, text), &checksum).await?,
        }
    }
    Ok(())
}

async fn applied(driver: &Session) -> Result<HashMap<i64, String>, Fault> {
    let rows = driver.query_unpaged("SELECT number, checksum FROM migration", ()).await?.into_rows_result()?;
    Ok(rows.rows::<(i64, String)>()?.collect::<Result<_, _>>()?)
}

type File = (i64, &'static str, &'static str);

async fn apply(driver: &Session, keyspace: &str, (number, name, text): File, checksum: &str) -> Result<(), Fault> {
    for statement in statements(text) {
        if !is_there(driver, keyspace, &statement).await? {
            run(driver, &statement).await?;
        }
    }
    driver.await_schema_agreement().await?;
    let applied = format!("INSERT INTO {keyspace}.migration (number, name, checksum) VALUES (?, ?, ?)");
    driver.query_unpaged(applied, (number, name, checksum)).await?;
    tracing::info!(number, name, "history: applied a migration to the cluster");
    Ok(())
}

/// A column that an application before added, which was cut off. Of tables the statements say so themselves.
async fn is_there(driver: &Session, keyspace: &str, statement: &str) -> Result<bool, Fault> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let ["ALTER", "TABLE", table, "ADD", column, _] = words[..] else { return Ok(false) };
    let ask = "SELECT column_name FROM system_schema.columns
               WHERE keyspace_name = ? AND table_name = ? AND column_name = ?";
    Ok(driver.query_unpaged(ask, (keyspace, table, column)).await?.into_rows_result()?.rows_num() > 0)
}

/// Not `conversation_part`: processes remember what they wrote there, and one that names what is not there does no harm.
const EMPTIED: [&str; 6] =
    ["message", "message_by_id", "message_change", "message_edit", "changed", "message_reaction"];

pub(super) async fn empty(driver: &Session, settings: &Settings) -> Result<(), Fault> {
    for table in EMPTIED {
        run(driver, &format!("TRUNCATE {}.{table}", settings.keyspace)).await?;
    }
    Ok(())
}

/// Not without looking whose it is. One whose making was cut off belongs to nobody yet.
pub(super) async fn remove(settings: &Settings, postgres: &PgPool) -> Result<(), Fault> {
    let driver = session::builder(settings).schema_agreement_timeout(PATIENCE).build().await?;
    let mut connection = postgres.acquire().await?.detach();
    lock(&mut connection, settings).await?;
    let ask = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let found = driver.query_unpaged(ask, (&settings.keyspace,)).await?.into_rows_result()?;
    if found.rows_num() == 0 {
        return Ok(());
    }
    let installation =
        sqlx::query_scalar("SELECT installation_id FROM public.installation").fetch_one(&mut connection).await?;
    driver.use_keyspace(&settings.keyspace, false).await?;
    claim(&driver, settings, installation).await?;
    run(&driver, &format!("DROP KEYSPACE IF EXISTS {}", settings.keyspace)).await
}

/// The driver waits for the cluster to agree.
async fn run(driver: &Session, text: &str) -> Result<(), Fault> {
    let mut statement = scylla::statement::unprepared::Statement::new(text);
    statement.set_request_timeout(Some(PATIENCE));
    driver.query_unpaged(statement, ()).await?;
    Ok(())
}
