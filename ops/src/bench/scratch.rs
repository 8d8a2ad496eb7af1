//! A database for one measurement, beside a given one on the same server, and dropped afterwards.

use anyhow::{Context, Result, bail};
use sqlx::{Connection, Executor, PgConnection};

/// Runs `work` on the url of a new, empty database.
pub async fn with<T>(database_url: &str, purpose: &str, work: impl AsyncFnOnce(&str) -> Result<T>) -> Result<T> {
    let name = format!("natter_{purpose}_{}", std::process::id());
    let mut admin = PgConnection::connect(database_url).await.context("connect to PostgreSQL")?;
    admin.execute(format!("CREATE DATABASE {name}").as_str()).await.with_context(|| format!("make database {name}"))?;
    let result = work(&beside(database_url, &name)?).await;
    // By a new connection: the work may have taken longer than one lives, or crashed the server.
    let mut admin = PgConnection::connect(database_url).await.context("connect to PostgreSQL")?;
    let dropped = admin.execute(format!("DROP DATABASE {name} WITH (FORCE)").as_str()).await;
    let value = result?;
    dropped.with_context(|| format!("drop database {name}"))?;
    Ok(value)
}

/// The same server's url with another database.
fn beside(url: &str, name: &str) -> Result<String> {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let Some((server, _)) = address.rsplit_once('/') else { bail!("the database url names no database") };
    Ok(query.map_or(format!("{server}/{name}"), |query| format!("{server}/{name}?{query}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_is_on_the_same_server() {
        assert_eq!(beside("postgres://a:b@c:1/natter", "x").unwrap(), "postgres://a:b@c:1/x");
        assert_eq!(
            beside("postgres://a:b@c:1/natter?sslmode=disable", "x").unwrap(),
            "postgres://a:b@c:1/x?sslmode=disable"
        );
        assert!(beside("nonsense", "x").is_err());
    }
}
