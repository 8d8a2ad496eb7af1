//! Rows that somebody altered, took away or put in by hand are named, on whichever side, also while people talk; and what
//! only moves is not.

use super::{Keyspace, Rows};
use crate::{
    generation::{catch_up, compare, operator},
    support::{BOUND, World, eventually_within},
};
use natter_domain::{ConversationId, message};
use natter_projections::{
    Projection, Store,
    generation::{Compared, Entry, Meter, Operator, Outcome, Pace, What},
    message::scylla::Settings,
};
use natter_testkit::eventually;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// History is in the cluster, as generation 2.
async fn world(settings: &Settings) -> World {
    let mut world = World::new().await;
    world.cluster = Some(Box::new(settings.clone()));
    world
}

async fn shadow(operator: &Operator, store: Store) -> Entry {
    let entry = operator.shadow(store).await.expect("a shadow is made");
    catch_up(operator, &entry).await;
    entry
}

/// Table, rest of the key, what.
fn named(compared: &Compared, conversation: ConversationId) -> Vec<(String, String, What)> {
    let of = format!("conversation_id={conversation}, ");
    let named = compared
        .differences
        .iter()
        .map(|difference| (difference.table.to_owned(), difference.key.replace(&of, ""), difference.what.clone()));
    let mut named: Vec<_> = named.collect();
    named.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    named
}

fn expect(table: &str, key: &str, what: What) -> (String, String, What) {
    (table.to_owned(), key.to_owned(), what)
}

fn altered(column: &str) -> What {
    What::Altered(vec![column.to_owned()])
}

struct Faults {
    named: Vec<(String, String, What)>,
}

/// By hand, at the times of now, which win over every position.
async fn faults(rows: &Rows, conversation: ConversationId, edit: i64) -> Faults {
    let at = |seq: u64| format!("conversation_id = {conversation} AND bucket = 0 AND seq = {seq}");
    let nobody = Uuid::from_u128(7);
    for statement in [
        format!("UPDATE message SET sender = {nobody} WHERE {}", at(3)),
        format!("UPDATE message SET edited_body = 'x' WHERE {}", at(4)),
        format!("DELETE FROM message WHERE {}", at(7)),
        format!("UPDATE message SET reactions['y'] = 5 WHERE {}", at(9)),
        format!(
            "INSERT INTO message (conversation_id, bucket, seq, message_id, sent_at, position) VALUES ({conversation}, 0, 900, {nobody}, 1, 1)"
        ),
        format!(
            "INSERT INTO message (conversation_id, bucket, seq, message_id, sent_at, position) VALUES ({nobody}, 0, 1, {nobody}, 1, 1)"
        ),
        format!(
            "DELETE FROM message_by_id WHERE conversation_id = {conversation} AND message_id = {}",
            id_at(rows, &at(11)).await
        ),
        format!(
            "INSERT INTO message_change (conversation_id, bucket, seq, position, what, at) VALUES ({conversation}, 0, 12, 99999, 'pinned', 1)"
        ),
        format!("DELETE FROM changed WHERE conversation_id = {conversation} AND part = 0 AND position = {edit}"),
        format!("DELETE FROM message_edit WHERE {} AND position = {edit}", at(4)),
        format!("DELETE FROM message_reaction WHERE conversation_id = {conversation} AND bucket = 0"),
        format!(
            "DELETE FROM conversation_part WHERE conversation_id = {conversation} AND of_table = 'message' AND part = 0"
        ),
    ] {
        rows.run(&statement).await;
    }
    let key = |seq: u64| format!("seq={seq}");
    let columns = vec!["body".to_owned(), "noted".to_owned()];
    let mut named = vec![
        expect("conversation_part", "of_table=message, part=0", What::Missing),
        expect("message", &key(11), altered("by_id")),
        expect("message", &key(3), altered("sender")),
        expect("message", &key(4), altered("edited_body")),
        expect("message", &key(7), What::Missing),
        expect("message", &key(9), altered("reactions")),
        expect("message", &key(900), What::TooMany),
        expect("message", &format!("conversation_id={nobody}, seq=1"), What::TooMany),
        expect("message_change", "seq=12, position=99999", What::TooMany),
        expect("message_change", &format!("seq=4, position={edit}"), What::Altered(columns)),
    ];
    named.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    Faults { named }
}

async fn id_at(rows: &Rows, at: &str) -> Uuid {
    let answer = rows.0.query_unpaged(format!("SELECT message_id FROM message WHERE {at}"), ()).await.unwrap();
    answer.into_rows_result().unwrap().first_row::<(Uuid,)>().unwrap().0
}

async fn edit_of_the_fourth(world: &World, conversation: ConversationId) -> i64 {
    let sql =
        "SELECT position FROM history_3.message_change WHERE conversation_id = $1 AND seq = 4 AND what = 'edited'";
    sqlx::query_scalar(sql).bind(conversation.0).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn rows_of_a_live_cluster_that_were_altered_by_hand_are_named() {
    let keyspace = Keyspace::new();
    let world = world(&keyspace.settings).await;
    let (projections, running) = world.start().await;
    let (_, _, conversation) = world.live_a_little().await;
    eventually_within(6 * BOUND, "they catch up", async || projections.catch_up(&Projection::ALL).await.is_ok()).await;
    let operator = operator(&world, "history").await;
    let entry = shadow(&operator, Store::Postgres).await;
    let same = compare(&operator, &entry).await;
    assert!(same.is_same(), "{:#?}", same.differences);
    let edit = edit_of_the_fourth(&world, conversation).await;
    let mut faults = faults(&keyspace.driver_of(2).await, conversation, edit).await;
    let reaction = named(&compare(&operator, &entry).await, conversation);
    let (reactions, others): (Vec<_>, Vec<_>) = reaction.into_iter().partition(|(table, ..)| table == "reaction");
    assert_eq!(others, std::mem::take(&mut faults.named));
    assert!(matches!(&reactions[..], [(_, key, What::Missing)] if key.contains("seq=6, emoji=x")), "{reactions:?}");
    assert!(operator.switch(&entry, false).await.is_err(), "one that is not the same is not switched to");
    running.stop().await;
}

#[tokio::test]
async fn rows_of_a_shadow_in_a_cluster_that_were_altered_by_hand_are_named() {
    let keyspace = Keyspace::new();
    let mut world = world(&keyspace.settings).await;
    world.begins_in_postgres = true;
    let (projections, running) = world.start().await;
    let (_, _, conversation) = world.live_a_little().await;
    eventually_within(6 * BOUND, "they catch up", async || projections.catch_up(&Projection::ALL).await.is_ok()).await;
    let operator = operator(&world, "history").await;
    let entry = shadow(&operator, Store::Scylla).await;
    assert!(compare(&operator, &entry).await.is_same());
    let rows = keyspace.driver_of(2).await;
    let at = |seq: u64| format!("conversation_id = {conversation} AND bucket = 0 AND seq = {seq}");
    rows.run(&format!("UPDATE message SET pinned_at = 5 WHERE {}", at(3))).await;
    rows.run(&format!("DELETE FROM message WHERE {}", at(7))).await;
    sqlx::query("DELETE FROM message WHERE seq = 9").execute(&world.pool).await.unwrap();
    let expected = [
        expect("message", "seq=3", altered("pinned_at")),
        expect("message", "seq=7", What::TooMany),
        expect("message", "seq=9", What::Missing),
    ];
    assert_eq!(named(&compare(&operator, &entry).await, conversation), expected);
    running.stop().await;
}

/// Who talks without a pause on a slow machine may be told to come again later.
async fn compared_at_last(operator: &Operator, entry: &Entry) -> Compared {
    eventually("it is compared", 6 * BOUND, async || {
        let (pace, meter, stop) = (Pace::new(100), Meter::default(), CancellationToken::new());
        match operator.compare(entry, &pace, &meter, &stop).await {
            Ok(Outcome::Done(compared)) => Ok(compared),
            Ok(Outcome::Stopped) => panic!("nobody has stopped it"),
            Err(later) if later.to_string().contains("try again later") => Err(later.to_string()),
            Err(error) => panic!("{error}"),
        }
    })
    .await
}

/// Both in the cluster. The message that differs stands still; others of its conversation are sent and change, and never
/// are a difference.
#[tokio::test]
async fn what_differs_is_told_from_what_only_moves() {
    let keyspace = Keyspace::new();
    let world = world(&keyspace.settings).await;
    let (projections, running) = world.start().await;
    let (alice, bob, conversation) = world.live_a_little().await;
    eventually_within(6 * BOUND, "they catch up", async || projections.catch_up(&Projection::ALL).await.is_ok()).await;
    let operator = operator(&world, "history").await;
    let entry = shadow(&operator, Store::Scylla).await;
    let (over, said) = (AtomicBool::new(false), AtomicU64::new(0));
    let talk = async {
        let message = world.send(conversation, alice, 21).await;
        // As people do: what a fast machine changes without a pause cannot be compared, which is said and no difference.
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        for seq in 22.. {
            pace.tick().await;
            if over.load(Ordering::SeqCst) {
                return;
            }
            world.send(conversation, bob, seq).await;
            let emoji = "y".to_owned();
            let event = match seq % 2 {
                0 => message::Event::Reacted { message, account_id: bob, emoji, count: 1 },
                _ => message::Event::Unreacted { message, account_id: bob, emoji, count: 0 },
            };
            world.change(event).await;
            said.fetch_add(1, Ordering::SeqCst);
        }
    };
    let look = async {
        let rows = keyspace.driver_of(2).await;
        for round in 0..3 {
            let before = said.load(Ordering::SeqCst);
            eventually_within(6 * BOUND, "they talk", async || said.load(Ordering::SeqCst) > before + 5).await;
            let compared = compared_at_last(&operator, &entry).await;
            let expected = match round {
                0 => vec![],
                _ => vec![expect("message", "seq=3", altered("sender"))],
            };
            assert_eq!(named(&compared, conversation), expected, "round {round}");
            let at = format!("conversation_id = {conversation} AND bucket = 0 AND seq = 3");
            rows.run(&format!("UPDATE message SET sender = uuid() WHERE {at}")).await;
        }
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(talk, look);
    running.stop().await;
}
