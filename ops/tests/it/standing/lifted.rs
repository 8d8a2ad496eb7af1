//! What is over by itself when its time has come.

use super::{clocked, is_muted, is_signed_out, login, says, well};
use natter_testkit::{BOUND, PASSWORD, Stack, client, eventually};

const HOUR: i64 = 60 * 60;

#[tokio::test]
async fn a_suspension_is_over_when_its_time_is() {
    let stack = Stack::new().await;
    let (node, clock) = clocked(&stack, &[]).await;
    let alice = node.register("alice").await;
    well(&node, &["suspend", &alice.id().to_string(), "--until", "2h", "--by", "root"]).await;
    is_signed_out(alice.client()).await;
    clock.is_ahead(HOUR);
    login(&node.raw(), "alice", PASSWORD).await.refused(403, "account_suspended");
    clock.is_ahead(2 * HOUR + 60);
    eventually("she signs in again", BOUND, async || {
        let answer = login(&node.raw(), "alice", PASSWORD).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

#[tokio::test]
async fn a_mute_is_over_when_its_time_is() {
    let stack = Stack::new().await;
    let (node, clock) = clocked(&stack, &[]).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let talk = alice.befriends(&bob).await;
    well(&node, &["mute", &alice.id().to_string(), "--until", "5m", "--by", "root"]).await;
    is_muted(&alice, talk).await;
    clock.is_ahead(6 * 60);
    eventually("she is heard again", BOUND, async || {
        let said = says(&alice, talk, client::new_id(), "back").await;
        if said.status == 201 { Ok(()) } else { Err(said.text()) }
    })
    .await;
}

#[tokio::test]
async fn who_was_muted_long_ago_is_heard_as_soon_as_they_are_restored() {
    let stack = Stack::new().await;
    let (node, clock) = clocked(&stack, &[]).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let talk = alice.befriends(&bob).await;
    well(&node, &["mute", &alice.id().to_string(), "--by", "root"]).await;
    is_muted(&alice, talk).await;
    clock.is_ahead(10 * 60);
    is_muted(&alice, talk).await;
    well(&node, &["restore", &alice.id().to_string(), "--by", "root"]).await;
    eventually("she is heard again", BOUND, async || {
        let said = says(&alice, talk, client::new_id(), "back").await;
        if said.status == 201 { Ok(()) } else { Err(said.text()) }
    })
    .await;
}
