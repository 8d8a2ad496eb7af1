//! The trap that lanes exist for. Transactions commit in another order than they drew their numbers in; a reader that
//! follows a `bigserial` column passes the late one by, in silence and for ever. A lane's numbers are given under the
//! lane's lock, so the same interleaving cannot make a hole.

use crate::support::{A_MOMENT, BOUND, World};
use natter_domain::{AccountId, Address, account};
use natter_streams::{
    Hash, Link, Log, Record, clock, id,
    log::{Appended, Ownership},
    reader::Reader,
};
use sqlx::{PgConnection, PgPool, Postgres, Transaction, types::time::OffsetDateTime};
use std::sync::Arc;
use tokio::time::timeout;

const ROUNDS: usize = 20;

#[tokio::test]
async fn a_naive_reader_skips_an_event_every_time() {
    let world = World::new().await;
    sqlx::query("CREATE TABLE naive (id bigserial PRIMARY KEY)").execute(&world.pool).await.unwrap();
    let (mut last, mut seen) = (0, 0);
    for round in 1..=ROUNDS {
        let mut slow = world.pool.begin().await.unwrap();
        let late = insert_naive(&mut slow).await;
        let mut quick = world.pool.begin().await.unwrap();
        let early = insert_naive(&mut quick).await;
        quick.commit().await.unwrap();
        seen += read_naive(&world.pool, &mut last).await;
        slow.commit().await.unwrap();
        seen += read_naive(&world.pool, &mut last).await;
        assert!(late < early);
        assert_eq!(seen, round, "it saw one of two, every time");
    }
}

async fn insert_naive(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("INSERT INTO naive DEFAULT VALUES RETURNING id").fetch_one(connection).await.unwrap()
}

/// What a reader without lanes does: everything behind the highest number seen.
async fn read_naive(pool: &PgPool, last: &mut i64) -> usize {
    let sql = "SELECT id FROM naive WHERE id > $1 ORDER BY id";
    let ids: Vec<i64> = sqlx::query_scalar(sql).bind(*last).fetch_all(pool).await.unwrap();
    *last = ids.last().copied().unwrap_or(*last);
    ids.len()
}

#[tokio::test]
async fn a_lane_reader_skips_nothing_in_the_same_interleaving() {
    let world = World::new().await;
    let address = account::address(AccountId(id::new()));
    let (ownership, head) = world.log.take_over(world.lane(address), "racer").await.unwrap();
    let (mut last, mut seen) = (head.link, Vec::new());
    for _ in 0..ROUNDS {
        let (slow, quick) = (record(&last, address), record(&last, address));
        let in_flight = append_by_hand(&world.pool, &ownership, &slow).await;
        let racing = tokio::spawn(append(world.log.clone(), ownership, quick));
        // The second waits for the first, so no later number can be seen before it.
        let mut reader = Reader::tap(world.log.clone(), &world.feeds, last);
        assert!(timeout(A_MOMENT / 10, reader.next(10)).await.is_err(), "it read past an append in flight");
        in_flight.commit().await.unwrap();
        assert!(!matches!(racing.await.unwrap(), Appended::Durable), "two events at one position");
        let again = record(&slow.link(), address);
        assert!(matches!(append(world.log.clone(), ownership, again.clone()).await, Appended::Durable));
        seen.extend(read(&world, last).await);
        last = again.link();
    }
    assert_eq!(seen, (1..=2 * ROUNDS as u64).collect::<Vec<_>>());
}

async fn append(log: Log, ownership: Ownership, record: Record) -> Appended {
    let base = record.position - 1;
    log.append(&ownership, base, &[Arc::new(record)]).await
}

/// What a reader of the lane finds behind `last`.
async fn read(world: &World, last: Link) -> Vec<u64> {
    let mut reader = Reader::tap(world.log.clone(), &world.feeds, last);
    let records = timeout(BOUND, reader.next(10)).await.expect("there is something to read").unwrap();
    records.iter().map(|record| record.position).collect()
}

/// The next event of the lane.
fn record(last: &Link, address: Address) -> Record {
    let mut record = Record {
        lane: last.lane,
        incarnation: last.incarnation,
        position: last.position + 1,
        event_id: id::event(),
        noun: address.noun,
        aggregate_id: address.id,
        sequence: last.position + 1,
        event_type: "registered".into(),
        version: 1,
        payload: r#"{"registered":{}}"#.into(),
        metadata: "{}".into(),
        key: None,
        time: clock::now(),
        previous: last.hash,
        hash: Hash::default(),
    };
    record.hash = record.link_hash();
    record
}

/// What the log's append does, held open before its commit.
async fn append_by_hand(pool: &PgPool, ownership: &Ownership, record: &Record) -> Transaction<'static, Postgres> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM lanes WHERE lane = $1 AND epoch = $2 FOR NO KEY UPDATE")
        .bind(ownership.lane.number())
        .bind(ownership.epoch)
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO events (lane, position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                             payload, metadata, time, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, '1', $8::json, $9::json, $10, $11)",
    )
    .bind(record.lane.number())
    .bind(record.position as i64)
    .bind(record.event_id.0)
    .bind(record.noun.as_str())
    .bind(record.aggregate_id.to_string())
    .bind(record.sequence as i64)
    .bind(&*record.event_type)
    .bind(&*record.payload)
    .bind(&*record.metadata)
    .bind(OffsetDateTime::from(record.time))
    .bind(&record.hash.0[..])
    .execute(&mut *transaction)
    .await
    .unwrap();
    transaction
}
