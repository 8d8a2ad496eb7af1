//! Who types: told to those who may hear it, and to nobody else.

use super::{Device, counted, edge, node};
use natter_testkit::{BOUND, Node, RawSocket, Stack, client::new_id, eventually};
use serde_json::{Value, json};

async fn types(socket: &mut RawSocket, conversation: &str) {
    socket.send(json!({"op": "typing", "conversation_id": conversation}).to_string()).await;
}

/// The next that is heard is this.
async fn hears(socket: &mut RawSocket, conversation: &str, who: &Device) {
    let push = socket.event("typing").await;
    assert_eq!(push, json!({"event": "typing", "conversation_id": conversation, "account_id": who.id}));
}

async fn people<const N: usize>(node: &Node, names: [&str; N]) -> [Device; N] {
    let mut people = Vec::new();
    for name in names {
        people.push(Device::register(node, name).await);
    }
    people.try_into().unwrap_or_else(|_| panic!("as many as names"))
}

/// So many signs have been judged so at this node.
async fn came_to(node: &Node, outcome: &str, count: f64) {
    let label = format!("outcome=\"{outcome}\"");
    eventually(&format!("{count} signs are {outcome}"), BOUND, async || {
        match counted(node, "natter_edge_typing_total", Some(&label)).await {
            found if found == count => Ok(()),
            found => Err(format!("{found}")),
        }
    })
    .await;
}

async fn group(owner: &Device, node: &Node, others: &[&Device]) -> String {
    let members: Vec<&str> = others.iter().map(|other| other.id.as_str()).collect();
    let body = json!({"kind": "group", "name": "us", "members": members}).to_string();
    let started = owner.at(node).post("/api/v1/conversations", body).await.ok(201);
    started["id"].as_str().expect("an id").to_owned()
}

async fn changes(who: &Device, node: &Node, method: &str, path: &str, body: Option<Value>) {
    let raw = who.at(node).with("content-type", "application/json");
    let reply = raw.call(method, path, body.map(|body| body.to_string().into_bytes())).await;
    assert!([200, 201, 204].contains(&reply.status), "{method} {path}: {}", reply.text());
}

#[tokio::test]
async fn the_other_one_hears_it_once_in_a_while_wherever_they_are() {
    let stack = Stack::new().await;
    let north = node(&stack, &[]).await;
    let south = edge(&stack, &[]).await;
    let [alice, bob] = people(&north, ["alice", "bob"]).await;
    let talk = alice.befriends(&north, &bob).await;
    let (mut alices, mut others) = (alice.comes(&north).await, alice.comes(&south).await);
    let (mut near, mut far) = (bob.comes(&north).await, bob.comes(&south).await);
    let before = stack.event_count().await;
    for _ in 0..200 {
        types(&mut alices, &talk).await;
    }
    alices.lives().await;
    for socket in [&mut near, &mut far] {
        hears(socket, &talk, &alice).await;
    }
    came_to(&north, "too_often", 199.0).await;
    assert_eq!(stack.event_count().await, before, "nothing of it is kept");
    // Back the other way: what he hears next is not hers, and her own devices have heard nothing of herself.
    types(&mut far, &talk).await;
    for socket in [&mut alices, &mut others] {
        hears(socket, &talk, &bob).await;
    }
    let said = json!({"message_id": new_id(), "body": {"kind": "text", "text": "hi"}}).to_string();
    alice.at(&north).post(&format!("/api/v1/conversations/{talk}/messages"), said).await.ok(201);
    for socket in [&mut near, &mut far] {
        let next = socket.find("a push", |frame| frame["event"].is_string()).await;
        assert_eq!(next["event"], "message.sent", "one sign, and no more");
    }
}

#[tokio::test]
async fn nobody_hears_who_may_not_speak() {
    let stack = Stack::new().await;
    let node = node(&stack, &[]).await;
    let [alice, bob, carol, dave] = people(&node, ["alice", "bob", "carol", "dave"]).await;
    let talk = alice.befriends(&node, &bob).await;
    alice.befriends(&node, &carol).await;
    let with_carol = carol.befriends(&node, &bob).await;
    let us = group(&alice, &node, &[&bob, &carol]).await;
    let path = format!("/api/v1/conversations/{us}");
    let mut bobs = bob.comes(&node).await;
    let (mut alices, mut carols, mut daves) =
        (alice.comes(&node).await, carol.comes(&node).await, dave.comes(&node).await);

    // What was asked of the group before is void with each change.
    types(&mut carols, &us).await;
    hears(&mut bobs, &us, &carol).await;
    // A stranger; in what is nobody's conversation too.
    types(&mut daves, &us).await;
    types(&mut daves, &talk).await;
    types(&mut daves, &new_id().to_string()).await;
    came_to(&node, "not_allowed", 3.0).await;
    // A former member.
    changes(&alice, &node, "DELETE", &format!("{path}/members/{}", carol.id), None).await;
    let refused = may_speak(&node, &mut carols, &us, false).await;
    // Again one of them, and muted.
    changes(&alice, &node, "POST", &format!("{path}/members"), Some(json!({"account_ids": [carol.id]}))).await;
    may_speak(&node, &mut carols, &us, true).await;
    hears(&mut bobs, &us, &carol).await;
    let until = json!({"muted_until": "2999-01-01T00:00:00Z"});
    changes(&alice, &node, "PATCH", &format!("{path}/members/{}", carol.id), Some(until)).await;
    may_speak(&node, &mut carols, &us, false).await;
    changes(&alice, &node, "PATCH", &format!("{path}/members/{}", carol.id), Some(json!({"muted_until": null}))).await;
    // Where only admins write.
    changes(&alice, &node, "PATCH", &path, Some(json!({"settings": {"muted": true}}))).await;
    may_speak(&node, &mut carols, &us, false).await;
    // Who is blocked, and whoever blocks.
    changes(&bob, &node, "PUT", &format!("/api/v1/blocks/{}", alice.id), None).await;
    may_speak(&node, &mut alices, &talk, false).await;
    assert!(refused > 0.0);
    // What he hears next is what he may hear: nothing else has come.
    types(&mut carols, &with_carol).await;
    hears(&mut bobs, &with_carol, &carol).await;
    bobs.lives().await;
}

/// Types until it is judged so; how often it was then. Each try waits until the one before is no longer fresh.
async fn may_speak(node: &Node, socket: &mut RawSocket, conversation: &str, may: bool) -> f64 {
    let outcome = if may { "outcome=\"passed\"" } else { "outcome=\"not_allowed\"" };
    let before = counted(node, "natter_edge_typing_total", Some(outcome)).await;
    eventually("it is judged anew", BOUND, async || {
        types(socket, conversation).await;
        socket.lives().await;
        match counted(node, "natter_edge_typing_total", Some(outcome)).await {
            now if now > before => Ok(now),
            now => Err(format!("{now} {outcome}")),
        }
    })
    .await
}

#[tokio::test]
async fn in_large_groups_and_channels_nobody_is_told() {
    let stack = Stack::new().await;
    let node = node(&stack, &[("NATTER_TYPING_MAX", "3".to_owned())]).await;
    let [alice, bob, carol, dave] = people(&node, ["alice", "bob", "carol", "dave"]).await;
    for friend in [&bob, &carol, &dave] {
        alice.befriends(&node, friend).await;
    }
    let small = group(&alice, &node, &[&bob, &carol]).await;
    let large = group(&alice, &node, &[&bob, &carol, &dave]).await;
    let body = json!({"kind": "channel", "name": "news"}).to_string();
    let channel = alice.at(&node).post("/api/v1/conversations", body).await.ok(201)["id"].clone();
    let channel = channel.as_str().expect("an id");
    changes(&bob, &node, "POST", &format!("/api/v1/conversations/{channel}/join"), Some(json!({}))).await;
    let (mut alices, mut bobs) = (alice.comes(&node).await, bob.comes(&node).await);
    types(&mut alices, &large).await;
    types(&mut alices, channel).await;
    came_to(&node, "not_allowed", 2.0).await;
    types(&mut alices, &small).await;
    hears(&mut bobs, &small, &alice).await;
}

#[tokio::test]
async fn a_sign_that_is_no_frame_is_refused_and_one_too_many_is_not() {
    let stack = Stack::new().await;
    let node = node(&stack, &[("NATTER_LIMITS", "standard".to_owned())]).await;
    let [alice, bob] = people(&node, ["alice", "bob"]).await;
    let talk = alice.befriends(&node, &bob).await;
    let mut socket = alice.comes(&node).await;
    for (frame, pointer) in [
        (json!({"id": "1", "op": "typing"}), "/conversation_id"),
        (json!({"id": "1", "op": "typing", "conversation_id": "x"}), "/conversation_id"),
        (json!({"id": "1", "op": "typing", "conversation_id": talk, "text": "x"}), "/text"),
    ] {
        socket.send(frame.to_string()).await;
        let refused = socket.refused(&json!("1"), 422, "invalid_input").await;
        assert_eq!(refused["error"]["errors"][0]["pointer"], pointer, "{refused}");
    }
    for _ in 0..400 {
        types(&mut socket, &talk).await;
    }
    // Above its rate it is dropped without a word, and nothing else is refused for it.
    let next = socket.ask(json!({"id": "2", "op": "message.list", "conversation_id": talk})).await;
    assert!(next["ok"].is_object(), "{next}");
    assert!(counted(&node, "natter_door_refused_total", Some("limit=\"typing\"")).await > 0.0);
}
