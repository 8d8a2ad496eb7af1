//! What a start refuses.

use crate::support::{LANES, eventually};
use natter_streams::{Error, Lanes, Log, bus::Bus};
use natter_testkit::Stack;

fn refusal(result: Result<Log, Error>) -> String {
    match result {
        Err(Error::Unfit(why)) => why,
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn a_database_that_may_lose_what_it_acknowledges_is_refused() {
    let stack = Stack::new().await;
    let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(stack.pool()).await.unwrap();
    crate::support::sql(&stack, &format!("ALTER DATABASE {database} SET synchronous_commit = off")).await;
    let why = refusal(Log::connect(stack.database_url(), Some(LANES)).await);
    assert!(why.contains("synchronous_commit = off"), "{why}");
}

#[tokio::test]
async fn another_number_of_lanes_than_the_logs_is_refused() {
    let stack = Stack::new().await;
    Log::connect(stack.database_url(), Some(4)).await.unwrap();
    let why = refusal(Log::connect(stack.database_url(), Some(8)).await);
    assert!(why.contains("4 lanes") && why.contains('8'), "{why}");
    let log = Log::connect(stack.database_url(), None).await.unwrap();
    assert_eq!(log.lanes(), Lanes::new(4).unwrap(), "who asks for none gets the log's");
    for count in [0, 257] {
        refusal(Log::connect(stack.database_url(), Some(count)).await);
    }
}

#[tokio::test]
async fn another_lane_hash_than_the_logs_is_refused() {
    let stack = Stack::new().await;
    Log::connect(stack.database_url(), Some(4)).await.unwrap();
    crate::support::sql(&stack, "UPDATE installation SET lane_hash = 'other'").await;
    refusal(Log::connect(stack.database_url(), Some(4)).await);
}

#[tokio::test]
async fn a_nats_server_that_does_not_let_us_in_is_named() {
    let stack = Stack::new().await;
    let (user, server) = stack.nats_url().split_once('@').unwrap();
    match Bus::connect(&format!("{user}wrong@{server}")).await {
        Err(Error::Bus { what, .. }) => assert!(what.contains("user and password"), "{what}"),
        other => panic!("not refused: {}", other.is_ok()),
    }
}

#[tokio::test]
async fn a_nats_server_that_carries_the_log_is_accepted() {
    let stack = Stack::new().await;
    let bus = Bus::connect(stack.nats_url()).await.unwrap();
    eventually("the bus is connected", async || if bus.is_connected() { Ok(()) } else { Err("it is not".to_owned()) })
        .await;
}
