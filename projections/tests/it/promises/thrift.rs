//! What pages cost a store that says how many rows it has read: PostgreSQL.

use super::*;
use crate::support::World;
use natter_projections::message::PostgresHistory;
use sqlx::{Executor as _, PgPool, postgres::PgPoolOptions};

/// Who has deleted every second message for themselves has as many spans.
#[tokio::test]
async fn a_page_of_many_spans_reads_hardly_more_than_it_shows() {
    let world = World::new().await;
    let reading = counting(&world.url).await;
    let store = PostgresHistory::new(reading.clone(), world.pool.clone());
    let start = Link { position: 0, hash: Hash::default(), ..at(0) };
    let step = Step { from: start, to: at(1), generation: Generation::FIRST };
    store.append(&sends(ONE, 1..=1_000), &step).await.unwrap();
    let singles: Vec<Span> = (0..500).map(|number| Span::now(2 * number, 2 * number + 1)).collect();
    for (order, first) in [(Order::OldestFirst, 1), (Order::NewestFirst, 999)] {
        let before = rows_read(&reading).await;
        let page = store.page(ONE, &singles, order, 10).await.unwrap();
        let read = rows_read(&reading).await - before;
        assert_eq!((page.len(), page[0].seq), (10, first));
        // It sorts a few at a time.
        assert!((10..60).contains(&read), "{read} rows were read, {order:?}");
    }
}

/// Its one connection is in a transaction that does not end: up to there PostgreSQL tells what was read in it.
async fn counting(url: &str) -> PgPool {
    let one = PgPoolOptions::new().max_connections(1);
    let begun = one.after_connect(|connection, _| Box::pin(async move { connection.execute("BEGIN").await.map(drop) }));
    begun.connect(url).await.unwrap()
}

async fn rows_read(pool: &PgPool) -> i64 {
    let counted = "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
                   WHERE relid = 'message'::regclass";
    sqlx::query_scalar(counted).fetch_one(pool).await.unwrap()
}
