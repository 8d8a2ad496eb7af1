//! Statements on a pool's connections, within bounds. A server can vanish without a word: no connection ends, nothing is
//! answered. Who asked gives up then, or is dropped, and the pool would take the connection back with a ping that has no
//! bound: its place would be lost until TCP gives up. So a connection whose answer was not waited for is closed, and one
//! that was answered goes back within a bound.

use futures::{
    FutureExt,
    future::BoxFuture,
    stream::{self, BoxStream, StreamExt, TryStreamExt},
};
use sqlx::{
    Database, Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres, pool::PoolConnection,
};
use std::{
    io,
    ops::{Deref, DerefMut},
    time::Duration,
};
use tokio::time::timeout;

/// The server's own limit says nothing when its answer never arrives.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// For a connection's way back into its pool: one round trip.
const RETURN: Duration = Duration::from_secs(5);

/// Waits for a connection and for the answer, `patience` together.
pub(crate) async fn run<T>(
    pool: &PgPool,
    patience: Duration,
    statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    let answered = async {
        let mut lent = lend(pool).await?;
        let result = statement(&mut lent).await;
        lent.give_back();
        result
    };
    within(patience, |late| late, answered).await
}

/// What is asked on a connection that was [`lend`]ed, given up after `patience`; `late` names it.
pub async fn within<T, E>(
    patience: Duration,
    late: impl FnOnce(Error) -> E,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timeout(patience, asked).await.unwrap_or_else(|_| Err(late(Error::Io(io::ErrorKind::TimedOut.into()))))
}

/// A connection for more than one statement.
pub async fn lend(pool: &PgPool) -> Result<Lent, Error> {
    Ok(Lent(Some(pool.acquire().await?)))
}

/// Closed when it is dropped, unless it was given back: something may be under way on it.
pub struct Lent(Option<PoolConnection<Postgres>>);

impl Lent {
    /// Everything that was asked on it has been answered.
    pub fn give_back(mut self) {
        let Some(mut answered) = self.0.take() else { return };
        // As dropping it would do, but for the bound: the server may vanish just now.
        tokio::spawn(timeout(RETURN, answered.return_to_pool()));
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("only `give_back` and `drop` take it")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("only `give_back` and `drop` take it")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(unanswered) = self.0.take() {
            drop(unanswered.detach());
        }
    }
}

/// The pool, for one statement within [`ANSWER_TIMEOUT`].
pub fn bounded(pool: &PgPool) -> Bounded<'_> {
    Bounded { pool, patience: ANSWER_TIMEOUT }
}

/// Stands where a statement takes a pool.
#[derive(Clone, Copy, Debug)]
pub struct Bounded<'p> {
    pool: &'p PgPool,
    patience: Duration,
}

impl Bounded<'_> {
    #[must_use]
    pub fn for_at_most(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

type Step = Either<<Postgres as Database>::QueryResult, <Postgres as Database>::Row>;

impl<'p> Executor<'p> for Bounded<'p> {
    type Database = Postgres;

    /// All of the answer, before any of it is handed out.
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let answered = async move {
            let mut lent = lend(self.pool).await?;
            let steps: Result<Vec<Step>, Error> = lent.fetch_many(query).try_collect().await;
            lent.give_back();
            Ok(stream::iter(steps?.into_iter().map(Ok)))
        };
        stream::once(within(self.patience, |late| late, answered)).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<<Postgres as Database>::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let answered = async move {
            let mut lent = lend(self.pool).await?;
            let row = lent.fetch_optional(query).await;
            lent.give_back();
            row
        };
        within(self.patience, |late| late, answered).boxed()
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [<Postgres as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<Postgres as Database>::Statement<'q>, Error>>
    where
        'p: 'e,
    {
        self.pool.prepare_with(sql, parameters)
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        self.pool.describe(sql)
    }
}
