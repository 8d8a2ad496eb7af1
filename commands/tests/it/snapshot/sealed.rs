//! What is sealed in events is sealed in snapshots.

use super::Stored;
use crate::support::{Node, PASSWORD, message_id};
use natter_commands::{
    GivenBody, Named, Outgoing,
    snapshot::{Settings, run},
};
use natter_domain::{Noun, Sealed, account};
use natter_streams::reader::Reader;
use natter_testkit::Stack;
use serde_json::Value;
use sqlx::Row;
use std::collections::BTreeMap;

const NAMES: [&str; 2] = ["alice", "bob"];
const MESSAGE: &str = "meet me at the old bridge";

#[tokio::test(flavor = "multi_thread")]
async fn no_stored_snapshot_holds_a_plain_text() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, conversation) = node.friends().await;
    let sent = node.sent(alice, conversation, MESSAGE).await;
    let of = Named { conversation, message: sent.message_id };
    let (body, size) = (format!(r#"{{"kind":"text","text":"{MESSAGE}, at noon"}}"#), MESSAGE.len() as u32 + 9);
    node.commands
        .message()
        .edit(crate::support::keyless(alice), of, GivenBody::text(body, size))
        .await
        .expect("edit it");
    let (reader, read) = (crate::support::keyless(bob), vec![(conversation, sent.seq)]);
    node.commands.inbox().advance(reader, read).await.expect("read it");

    let name = natter_domain::GroupName::parse(MESSAGE).expect("a name");
    let by = crate::support::keyless(alice);
    node.commands.conversation().start_channel(by, &name).await.expect("start a channel, and subscribe to it");

    let held = Outgoing::plain(message_id(), GivenBody::text(format!(r#"{{"kind":"text","text":"{MESSAGE}"}}"#), size));
    node.commands.pending().hold(alice, conversation, held, "a rule").await.expect("hold one");

    node.commands.projection().retry("history", None, "root").await.expect("ask for it");

    let settings = Settings { every: 1, name: "snapshot.every_event" };
    let read = |last| Reader::tap(node.log.clone(), &node.feeds, last);
    let projectors = node.log.lanes().iter().map(|lane| run(&node.log, lane, settings, read));
    let snapshots = tokio::select! {
        snapshots = every_aggregate(&stack) => snapshots,
        _ = futures::future::join_all(projectors) => panic!("a projector has ended"),
    };

    assert!(Noun::ALL.iter().all(|noun| snapshots.keys().any(|(kind, _)| kind == noun.as_str())), "{snapshots:?}");
    for ((noun, _), stored) in &snapshots {
        let state: Value = serde_json::from_str(&stored.state).expect("a state is JSON");
        assert_no_plain_text(noun, &state);
    }
    // The name is there, for who has the key.
    let state = &snapshots[&("account".to_owned(), alice.account.to_string())].state;
    let Ok(account::State::Registered(person)) = serde_json::from_str(state) else { panic!("{state}") };
    let keys = node.keys().await;
    let opener = keys.opener([(alice.account.0, person.username.key)]).await.expect("her key");
    assert_eq!(opener.open_text(alice.account.0, &person.username).as_deref(), Some("alice"));
}

/// Waits until each has a snapshot of its newest event.
async fn every_aggregate(stack: &Stack) -> BTreeMap<(String, String), Stored> {
    crate::support::eventually("every aggregate has a snapshot", async || {
        let rows = sqlx::query(
            "SELECT aggregate_type, aggregate_id, max(events.sequence) AS newest, snapshots.sequence, state_version,
                    snapshots.position, state::text AS state
             FROM events LEFT JOIN snapshots USING (aggregate_type, aggregate_id)
             GROUP BY aggregate_type, aggregate_id, snapshots.sequence, state_version, snapshots.position, state::text",
        )
        .fetch_all(stack.pool())
        .await
        .map_err(|error| error.to_string())?;
        let lacks = |row: &&sqlx::postgres::PgRow| row.get::<Option<i64>, _>("sequence") != Some(row.get("newest"));
        match rows.iter().filter(lacks).count() {
            0 => Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), super::stored(row))).collect()),
            lacking => Err(format!("{lacking} of {} lack theirs", rows.len())),
        }
    })
    .await
}

/// Nor does a sealed value that is only spelled otherwise.
fn assert_no_plain_text(noun: &str, state: &Value) {
    match state {
        Value::Array(values) => values.iter().for_each(|value| assert_no_plain_text(noun, value)),
        Value::Object(fields) => fields.values().for_each(|value| assert_no_plain_text(noun, value)),
        Value::String(text) => {
            let opened = Sealed::parse(text).map(|sealed| sealed.bytes).unwrap_or_default();
            for plain in NAMES.iter().chain(&[MESSAGE, PASSWORD]) {
                let within = |bytes: &[u8]| bytes.windows(plain.len()).any(|window| window == plain.as_bytes());
                assert!(!within(text.as_bytes()) && !within(&opened), "{plain} in a snapshot of {noun}: {text}");
            }
        }
        _ => {}
    }
}
