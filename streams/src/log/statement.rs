//! One statement on a connection of a pool, within bounds.

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use std::{io, time::Duration};
use tokio::time::timeout;

/// Waits for a connection and for the answer, `patience` together. A connection whose answer was not waited for, because
/// it did not come or because the caller was dropped, is closed: given back, the pool would ping it without a bound, and
/// it would keep its place while nobody has found out that its server has vanished.
pub(crate) async fn run<T>(
    pool: &PgPool,
    patience: Duration,
    statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let answered = async {
        let mut lent = Lent(Some(pool.acquire().await?));
        let result = statement(lent.0.as_mut().expect("it is given back below")).await;
        drop(lent.0.take());
        result
    };
    timeout(patience, answered).await.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}

struct Lent(Option<PoolConnection<Postgres>>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(unanswered) = self.0.take() {
            drop(unanswered.detach());
        }
    }
}
