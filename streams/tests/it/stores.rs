//! One log on several servers. Two databases stand for two servers: nothing that spans databases is possible in
//! PostgreSQL either.

use crate::support::{LANE, LANES, eventually, keyed, record_behind, records};
use natter_streams::{
    Error, Head, Lane, Link, Log, Placement, Record, checkpoint,
    feed::Feeds,
    id,
    keyring::Keyring,
    log::{Appended, Ownership, chain},
};
use natter_testkit::{BOUND, Proxy, Stack, within};
use sqlx::PgPool;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const OTHER: Lane = Lane::new(1);

/// Lane 00 on the first server, lane 01 on another.
async fn two() -> (Stack, Log) {
    let other = Stack::another_database().await;
    let stack = Stack::new().await.placed(&format!("01={other}"));
    let log = open(&stack).await.expect("open the log");
    (stack, log)
}

async fn open(stack: &Stack) -> Result<Log, Error> {
    Log::open(&stack.placement(), Some(LANES)).await
}

async fn refused(first: &str, lane_stores: &str) -> String {
    let placement = Placement::parse(first, lane_stores).expect("it can be read");
    match Log::open(&placement, Some(LANES)).await {
        Err(Error::Unfit(why)) => why,
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

async fn owned(log: &Log, lane: Lane) -> (Ownership, Head) {
    log.take_over(lane, "owner").await.expect("take the lane over")
}

async fn append(log: &Log, ownership: &Ownership, batch: &[Arc<Record>]) {
    let appended = log.append(ownership, batch[0].position - 1, batch).await;
    assert!(matches!(appended, Appended::Durable), "{appended:?}");
}

/// Takes the lane over and appends behind its head.
async fn grows(log: &Log, lane: Lane, count: u32) -> Vec<Arc<Record>> {
    let (ownership, head) = owned(log, lane).await;
    let batch = records(&head.link, count);
    append(log, &ownership, &batch).await;
    batch
}

async fn lanes_in(pool: &PgPool, table: &str) -> Vec<i16> {
    let sql = format!("SELECT DISTINCT lane FROM {table} ORDER BY lane");
    sqlx::query_scalar(&sql).fetch_all(pool).await.expect("read the lanes")
}

async fn on(pool: &PgPool, statement: &str) {
    sqlx::query(statement).execute(pool).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

async fn database_of(pool: &PgPool) -> String {
    sqlx::query_scalar("SELECT current_database()").fetch_one(pool).await.expect("a database has a name")
}

/// Ends the log's connections to the server, so that it needs new ones.
async fn disconnect(pool: &PgPool) {
    on(
        pool,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'natter %'",
    )
    .await;
}

#[tokio::test]
async fn a_lane_lives_on_its_server_and_nowhere_else() {
    let (stack, log) = two().await;
    let [here, there] = [grows(&log, LANE, 2).await, grows(&log, OTHER, 3).await];
    for (number, pool) in stack.pools().iter().enumerate() {
        assert_eq!(lanes_in(pool, "events").await, [number as i16]);
        assert_eq!(lanes_in(pool, "lanes").await, [number as i16]);
    }
    // As another process finds it.
    let log = open(&stack).await.unwrap();
    for (lane, batch) in [(LANE, here), (OTHER, there)] {
        let incarnation = log.incarnation(lane).await.unwrap();
        let last = batch.last().unwrap().link();
        assert_eq!(log.read(&Link::start(lane, incarnation), 10).await.unwrap(), batch);
        assert_eq!(log.head(lane, incarnation).await.unwrap().link, last);
        assert_eq!(log.link_at(lane, incarnation, last.position).await.unwrap(), Some(last));
    }
}

#[tokio::test]
async fn a_takeover_fences_on_the_lanes_server() {
    let (stack, old) = two().await;
    let (before, head) = owned(&old, OTHER).await;
    let batch = records(&head.link, 1);
    let (_, head) = owned(&open(&stack).await.unwrap(), OTHER).await;
    assert!(matches!(old.append(&before, 0, &batch).await, Appended::Fenced));
    assert!(!old.still_owns(&before, 0).await.unwrap());
    assert!(old.retake(&before, "another").await.unwrap().is_none());
    assert_eq!(head.link.position, 0);
}

#[tokio::test]
async fn checkpoints_stand_on_the_first_server_and_are_compared_with_the_lanes() {
    let (stack, log) = two().await;
    let batch = grows(&log, OTHER, 3).await;
    let start = checkpoint::load(&log, "test", OTHER).await.unwrap();
    let (second, foreign) = (batch[1].link(), record_behind(&batch[0].link()).link());
    let mut connection = log.pool().acquire().await.unwrap();
    checkpoint::advance(&mut connection, "test", &start, &second).await.unwrap();
    assert_eq!(lanes_in(&stack.pools()[0], "checkpoints").await, [1]);
    assert_eq!(checkpoint::load(&log, "test", OTHER).await.unwrap(), second);
    checkpoint::advance(&mut connection, "test", &second, &foreign).await.unwrap();
    assert!(matches!(checkpoint::load(&log, "test", OTHER).await, Err(Error::Foreign { .. })), "the seam is seen");
}

#[tokio::test]
async fn a_lane_that_is_looked_for_where_it_is_not_is_refused() {
    let other = Stack::another_database().await;
    let (first, third) = (Stack::new().await, Stack::another_database().await);
    let first = first.database_url();
    let right = Placement::parse(first, &format!("01={other}")).unwrap();
    Log::open(&right, Some(LANES)).await.unwrap();

    let why = refused(first, "").await;
    assert!(why.contains("lane 01") && why.contains("not named"), "the other server was forgotten: {why}");
    let why = refused(first, &format!("01={third}")).await;
    assert!(why.contains("lane 01") && why.contains("not named"), "{why}");
    let why = refused(first, &format!("00={other},01={first}")).await;
    assert!(why.contains("lane 00, 01"), "{why}");
    let why = refused(first, &format!("00-01={other}")).await;
    assert!(why.contains("lane 00") && !why.contains("01,"), "{why}");
    let why = refused(&other, &format!("00={first}")).await;
    assert!(why.contains("first server"), "the checkpoints are not there: {why}");
    Log::open(&right, Some(LANES)).await.unwrap_or_else(|error| panic!("refusals changed something: {error}"));
}

/// Before there were several servers nothing was written of where lanes live.
#[tokio::test]
async fn events_that_nobody_knows_of_are_found() {
    let (stack, log) = two().await;
    grows(&log, OTHER, 1).await;
    on(&stack.pools()[0], "DELETE FROM lane_stores").await;
    let [first, other] = [0, 1].map(|number| stack.placement().urls()[number].clone());
    let why = refused(&first, &format!("00={other}")).await;
    assert!(why.contains("lane 00"), "{why}");
    assert!(lanes_in(&stack.pools()[0], "lane_stores").await.is_empty(), "nothing is made by a start that is refused");
    open(&stack).await.unwrap();
}

#[tokio::test]
async fn another_installation_and_a_database_named_twice_are_refused() {
    let [first, other] = [Stack::new().await, Stack::new().await];
    let [first, other] = [first.database_url(), other.database_url()];
    Log::connect(other, Some(LANES)).await.unwrap();
    let why = refused(first, &format!("01={other}")).await;
    assert!(why.contains("another installation"), "{why}");
    let why = refused(first, &format!("01={first}&application_name=alias")).await;
    assert!(why.contains("named already"), "{why}");
}

#[tokio::test]
async fn a_lane_that_the_log_does_not_have_is_not_placed() {
    let (first, other) = (Stack::new().await, Stack::another_database().await);
    let why = refused(first.database_url(), &format!("01-02={other}")).await;
    assert!(why.contains("lane 02") && why.contains("2 lanes"), "{why}");
}

#[tokio::test]
async fn every_server_must_know_the_key_and_keep_what_it_acknowledges() {
    let (stack, log) = two().await;
    log.check_key(&Keyring::new(&[1; 32])).await.unwrap();
    on(&stack.pools()[0], "UPDATE installation SET key_check = NULL").await;
    assert!(matches!(log.check_key(&Keyring::new(&[2; 32])).await, Err(Error::Unfit(_))));

    let other = &stack.pools()[1];
    on(other, &format!("ALTER DATABASE {} SET synchronous_commit = off", database_of(other).await)).await;
    match open(&stack).await {
        Err(Error::Unfit(why)) => assert!(why.contains("synchronous_commit = off"), "{why}"),
        _ => panic!("not refused"),
    }
}

/// As a server would that comes back with other settings.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_less_durable_gets_no_events() {
    let (stack, log) = two().await;
    let (ownership, head) = owned(&log, OTHER).await;
    let batch = records(&head.link, 1);
    let (first, other) = (&stack.pools()[0], &stack.pools()[1]);
    let database = database_of(other).await;
    on(first, &format!("ALTER DATABASE {database} SET synchronous_commit = off")).await;
    disconnect(other).await;
    // One of the pool's connections may be found dead first.
    let why = eventually("the server is refused", async || match log.append(&ownership, 0, &batch).await {
        Appended::Unknown(why) if matches!(*why, sqlx::Error::Configuration(_)) => Ok(why.to_string()),
        other => Err(format!("{other:?}")),
    });
    let why = within("the server is refused", BOUND * 3, why).await;
    assert!(why.contains("synchronous_commit = off"), "{why}");
    assert_eq!(stack.event_count().await, 0);
    on(first, &format!("ALTER DATABASE {database} RESET synchronous_commit")).await;
    grows(&log, OTHER, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_to_another_database_gets_no_events() {
    let (stack, log) = two().await;
    let (ownership, head) = owned(&log, OTHER).await;
    let other = &stack.pools()[1];
    on(other, "UPDATE installation SET store_id = gen_random_uuid()").await;
    disconnect(other).await;
    let batch = records(&head.link, 1);
    let why = eventually("the server is refused", async || match log.append(&ownership, 0, &batch).await {
        Appended::Unknown(why) if matches!(*why, sqlx::Error::Configuration(_)) => Ok(why.to_string()),
        other => Err(format!("{other:?}")),
    });
    let why = within("the server is refused", BOUND * 3, why).await;
    assert!(why.contains("not the database"), "{why}");
    assert_eq!(stack.event_count().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_stops_its_own_lanes_only() {
    let proxy = Proxy::before(&Stack::another_database().await).await;
    let stack = Stack::new().await.placed(&format!("01={}", proxy.url));
    let log = open(&stack).await.unwrap();
    let (here, mut head) = owned(&log, LANE).await;
    let (there, other_head) = owned(&log, OTHER).await;
    let waiting = records(&other_head.link, 1);

    proxy.gone();
    let mut lost = 0;
    for _ in 0..20 {
        lost += usize::from(matches!(log.append(&there, 0, &waiting).await, Appended::Unknown(_)));
        let owns = log.still_owns(&there, 0).await;
        assert!(owns.as_ref().is_err_and(natter_streams::error::is_passing), "{owns:?}");
        let read = log.read(&other_head.link, 1).await;
        assert!(read.as_ref().is_err_and(Error::is_passing), "{read:?}");
        // Also what may ask the other server does not need it.
        assert!(log.by_keys(LANE, &[id::new()]).await.unwrap().is_empty());
        let batch = records(&head.link, 1);
        append(&log, &here, &batch).await;
        head.link = batch[0].link();
    }
    assert_eq!(lost, 20, "nothing is durable on a server that is gone");

    proxy.heal();
    let (there, found) = eventually("the lane is served again", async || {
        log.retake(&there, "owner").await.map_err(|error| error.to_string())?.ok_or("it is lost".to_owned())
    })
    .await;
    assert_eq!(found.link, other_head.link);
    append(&log, &there, &waiting).await;
    assert_eq!(head.link.position, 20);
}

/// Nobody waits for what nobody could read: each of these would wait until the server is back.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_the_heads_does_not_wait_for_a_server_that_is_gone() {
    let proxy = Proxy::before(&Stack::another_database().await).await;
    let stack = Stack::new().await.placed(&format!("01={}", proxy.url));
    let (log, stop) = (open(&stack).await.unwrap(), CancellationToken::new());
    let elsewhere = open(&stack).await.unwrap();
    grows(&elsewhere, OTHER, 3).await;
    let feeds = Feeds::start(&log, &stop).await.unwrap();
    let head = |lane| feeds.lane(lane).head().position;
    assert_eq!((head(LANE), head(OTHER)), (0, 3));

    proxy.gone();
    for count in 1..=3 {
        grows(&elsewhere, LANE, 1).await;
        within("the servers that are there answer", BOUND, feeds.refresh()).await;
        assert_eq!((head(LANE), head(OTHER)), (count, 3), "what was durable before is known");
    }

    proxy.heal();
    // Without connections of before.
    let elsewhere = open(&stack).await.unwrap();
    grows(&elsewhere, OTHER, 2).await;
    eventually("the server is asked again", async || {
        let now = head(OTHER);
        if now == 5 { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    // From now on it is waited for again: each answer is exact.
    for count in 6..=9 {
        grows(&elsewhere, OTHER, 1).await;
        within("both answer", BOUND, feeds.refresh()).await;
        assert_eq!(head(OTHER), count);
    }
    stop.cancel();
}

#[tokio::test]
async fn a_key_is_unique_on_each_server_and_found_on_all() {
    let (stack, log) = two().await;
    let (here, head) = owned(&log, LANE).await;
    let (there, other_head) = owned(&log, OTHER).await;
    let key: Uuid = id::new();
    let one = |head: &Head, number| chain(&head.link, [keyed(number, key)]);
    append(&log, &there, &one(&other_head, 1)).await;
    for (lane, found_in) in [(LANE, OTHER), (OTHER, OTHER)] {
        let found = log.by_keys(lane, &[key]).await.unwrap();
        assert_eq!(found[&key].lane, found_in);
    }
    // Nobody looked it up, and no constraint spans servers; from now on the lane's own server has the word.
    append(&log, &here, &one(&head, 2)).await;
    for lane in [LANE, OTHER] {
        assert_eq!(log.by_keys(lane, &[key]).await.unwrap()[&key].lane, lane);
    }
    let again = chain(&one(&other_head, 1)[0].link(), [keyed(3, key)]);
    let (there, head) = log.retake(&there, "owner").await.unwrap().unwrap();
    let again = chain(&head.link, again.iter().map(|_| keyed(3, key)));
    assert!(matches!(log.append(&there, 1, &again).await, Appended::Repeated));
    assert_eq!(stack.event_count().await, 2);
}

/// A limit of a role is told in the same words, and at the same point, as the server's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_connections_left_says_so_and_is_used_again_when_it_has_some() {
    let (stack, role) = limited().await;
    let first = &stack.pools()[0];
    let limit = async |limit: i32| on(first, &format!("ALTER ROLE {role} CONNECTION LIMIT {limit}")).await;
    match open(&stack).await {
        Err(Error::Store { source, .. }) => assert!(source.to_string().contains("too many connections"), "{source}"),
        opened => panic!("{:?}", opened.map(|_| ())),
    }

    limit(-1).await;
    let log = open(&stack).await.unwrap();
    let (there, head) = owned(&log, OTHER).await;
    let batch = records(&head.link, 1);
    limit(0).await;
    on(first, &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")).await;
    let refused = eventually("the append is refused", async || match log.append(&there, 0, &batch).await {
        Appended::Unknown(error) if error.to_string().contains("too many connections") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let (_, here) = tokio::join!(within("the append is refused", BOUND * 3, refused), grows(&log, LANE, 1));
    assert_eq!(here.len(), 1, "the other server's lane goes on meanwhile");

    limit(-1).await;
    let (there, _) = log.retake(&there, "owner").await.unwrap().unwrap();
    append(&log, &there, &batch).await;
}

/// Lane 01 on a server that lets us in as often as the role may.
async fn limited() -> (Stack, String) {
    let url = Stack::another_database().await;
    let admin = PgPool::connect(&url).await.expect("connect");
    let role = format!("few_{}", database_of(&admin).await);
    on(&admin, &format!("CREATE ROLE {role} LOGIN PASSWORD 'few' CONNECTION LIMIT 0")).await;
    on(&admin, &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")).await;
    let (_, server) = url.split_once('@').expect("the url names a user");
    (Stack::new().await.placed(&format!("01=postgres://{role}:few@{server}")), role)
}
