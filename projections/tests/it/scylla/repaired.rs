//! After a declared loss, with history in a cluster: it is emptied and built again under a running projector, and a
//! repair that was cut off is begun again.

use super::Keyspace;
use crate::{
    generation::{catch_up, compare, operator},
    support::{World, eventually_within},
};
use natter_domain::conversation;
use natter_projections::{
    Store,
    repair::{Agreed, Mended, beyond, mend},
};
use std::time::Duration;

/// A projector that has noticed the loss before it was mended waits for half a minute.
const LONG: Duration = Duration::from_secs(180);

async fn at_the_heads(world: &World) {
    const ELSEWHERE: &str = "
        SELECT count(*) FROM (SELECT lane, max(position) AS head FROM events GROUP BY lane) AS lanes
        CROSS JOIN UNNEST(ARRAY['relations', 'history@2', 'delivery']) AS projections(projection)
        LEFT JOIN checkpoints USING (projection, lane) WHERE position IS DISTINCT FROM head";
    let behind = async || sqlx::query_scalar::<_, i64>(ELSEWHERE).fetch_one(&world.pool).await.unwrap();
    eventually_within(LONG, "projections are at the heads", async || behind().await == 0).await;
}

#[tokio::test]
async fn history_in_a_cluster_that_has_seen_lost_events_is_built_again_under_a_running_projector() {
    let mut keyspace = Keyspace::new();
    keyspace.settings.write_timeout = Duration::from_secs(5);
    let mut world = World::new().await;
    world.cluster = Some(Box::new(keyspace.settings.clone()));
    let (_, running) = world.start().await;
    let (_, _, conversation) = world.live_a_little().await;
    at_the_heads(&world).await;
    let rows = keyspace.driver_of(2).await;
    let of = async |text: &str| rows.of(conversation).await.iter().any(|row| row.contains(text));
    assert!(of("\"seq\": 20").await);

    let lane = world.lane(conversation::address(conversation));
    // The last three messages, and what else came into their lane behind them: that is left to chance.
    let lost = "
        DELETE FROM events WHERE lane = $1 AND position >= (
            SELECT position FROM events WHERE lane = $1 AND aggregate_id = $2 AND event_type = 'message_sent'
            ORDER BY position DESC OFFSET 2 LIMIT 1)";
    let losing = sqlx::query(lost).bind(lane.number()).bind(conversation.0.to_string());
    assert!(losing.execute(&world.pool).await.unwrap().rows_affected() >= 3);
    let settings = world.settings(&world.url);
    let anew = Mended::BegunAnew { reader: "history@2".to_owned() };

    let nobody = natter_projections::Settings { cluster: None, ..settings.clone() };
    let refused = mend(&world.log, &nobody, &Agreed::new()).await.expect_err("it does not know the way").to_string();
    assert!(refused.contains("NATTER_CQL_NODES"), "{refused}");
    assert!(of("\"seq\": 20").await, "nothing was emptied");
    let mended = mend(&world.log, &settings, &Agreed::new()).await.unwrap();
    assert_eq!(mended, std::slice::from_ref(&anew), "all else was mended already");
    assert_eq!(beyond(&world.log).await.unwrap(), []);
    at_the_heads(&world).await;
    assert!(!of("\"seq\": 20").await, "what was lost is still there");
    assert!(of("\"seq\": 17").await);

    let half = "UPDATE checkpoints SET position = 1::bigint << 54 WHERE projection = 'history@2'";
    sqlx::query(half).execute(&world.pool).await.unwrap();
    assert!(!beyond(&world.log).await.unwrap().is_empty(), "who repairs again finds it");
    assert_eq!(mend(&world.log, &settings, &Agreed::new()).await.unwrap(), [anew]);
    at_the_heads(&world).await;

    let operator = operator(&world, "history").await;
    let entry = operator.shadow(Store::Postgres).await.unwrap();
    catch_up(&operator, &entry).await;
    let compared = compare(&operator, &entry).await;
    assert!(compared.is_same(), "as built from the log alone: {:#?}", compared.differences);
    running.stop().await;
}
