//! What is held on a person, given to them.

use super::{accounts, well};
use natter_testkit::{
    Options, Person, Stack, client,
    client::{rest::Range, wire},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

async fn says(person: &Person, conversation: Uuid, text: &str) {
    let message = wire::MessageNew::new(client::new_id(), wire::Body::text(text));
    person.client().send(conversation, &message).await.expect("send");
}

fn texts(exported: &Value) -> Vec<&str> {
    let messages = exported["messages"].as_array().expect("messages");
    messages.iter().map(|message| message["body"]["text"].as_str().expect("a text")).collect()
}

fn ids<'a>(list: &'a Value, pointer: &str) -> BTreeSet<&'a str> {
    let items = list.as_array().expect("a list").iter();
    items.map(|item| item.pointer(pointer).and_then(Value::as_str).expect("an id")).collect()
}

#[tokio::test]
async fn a_person_is_given_all_that_is_held_on_them_and_nothing_of_others() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob, carol) = (node.register("alice").await, node.register("bob").await, node.register("carol").await);
    let talk = alice.befriends(&bob).await;
    bob.befriends(&carol).await;
    let group = bob.client().start_group("us", &[alice.id(), carol.id()]).await.expect("a group").conversation.id;
    let apart = bob.client().start_group("without her", &[carol.id()]).await.expect("a group").conversation.id;
    // More than a page of each other's words, hers among them.
    for number in 0..230 {
        says(&bob, talk, &format!("his {number}")).await;
    }
    says(&alice, talk, "hers, late").await;
    says(&alice, group, "hers, in the group").await;
    let newest = alice.client().messages(group, Range { limit: Some(1), ..Range::default() }).await.expect("a page");
    let (starred, seq) = (newest[0].message_id, newest[0].seq);
    let star = wire::MessageMarks { starred: Some(true), listened: None };
    alice.client().mark(group, starred, &star).await.expect("star");
    bob.client().mark(group, starred, &star).await.expect("star");
    alice.client().delete_for_me(group, starred).await.expect("delete one for oneself");
    says(&carol, group, "not hers").await;
    says(&bob, apart, "none of hers").await;
    // What she has deleted for herself is held: the others have it.
    alice.client().clear(talk).await.expect("delete it for oneself");
    let left = alice.client().leave(group).await.expect("leave");
    assert!(left.position.is_some());
    let later = json!({
        "message_id": client::new_id(), "body": {"kind": "text", "text": "hers, later"},
        "send_at": natter_testkit::in_seconds(3_600),
    });
    let path = format!("/api/v1/conversations/{talk}/scheduled");
    alice.raw().await.post(&path, later.to_string()).await.ok(201);
    carol.client().request_friend(alice.id(), Some("shall we?")).await.expect("ask");
    let dave = node.register("dave").await;
    dave.client().request_friend(alice.id(), Some("ignored?")).await.expect("ask");
    let ignored = alice.raw().await.get("/api/v1/friends/requests").await.ok(200)["items"][0]["id"].clone();
    let path = format!("/api/v1/friends/requests/{}/ignore", ignored.as_str().expect("an id"));
    alice.raw().await.post_nothing(&path).await.ok(200);
    let told = wire::AccountChange { signature: Some(Some("gone fishing".into())), ..Default::default() };
    alice.client().change_account(&told).await.expect("change");
    let phone = alice.on_another_device().await;
    phone.client().logout().await.expect("log out");
    let id = alice.id().to_string();
    well(&node, &["mute", &id, "--until", "2999-01-01T00:00:00Z", "--reason", "loud", "--by", "root"]).await;

    let output = node.run(&["accounts", "export", &id]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let exported: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let names: BTreeSet<&str> = exported.as_object().expect("an object").keys().map(String::as_str).collect();
    let all = [
        "account",
        "blocks",
        "conversations",
        "deleted_messages",
        "friend_folders",
        "friends",
        "identities",
        "last_seen_at",
        "marked_messages",
        "messages",
        "requests",
        "scheduled",
        "sessions",
        "settings",
        "standing",
    ];
    assert_eq!(names, BTreeSet::from(all));
    assert_eq!(
        (&exported["account"]["username"], &exported["account"]["signature"]),
        (&json!("alice"), &json!("gone fishing"))
    );
    assert_eq!(exported["settings"], alice.raw().await.get("/api/v1/settings").await.ok(200));
    let muted = &exported["standing"]["muted"];
    assert_eq!((&muted["reason"], &muted["until"]), (&json!("loud"), &json!("2999-01-01T00:00:00.000Z")));
    assert_eq!((&exported["standing"]["suspended"], &exported["standing"]["closes_at"]), (&json!(null), &json!(null)));
    let reasons: Vec<&Value> =
        exported["sessions"].as_array().expect("sessions").iter().map(|it| &it["ended_reason"]).collect();
    assert_eq!(reasons, [&json!(null), &json!("logged_out")], "those that have ended too");
    assert_eq!(exported["sessions"][0]["address"], "127.0.0.1");
    assert_eq!(ids(&exported["friends"], "/account/id"), BTreeSet::from([bob.id().to_string().as_str()]));
    let messages: Vec<&Value> =
        exported["requests"].as_array().expect("requests").iter().map(|it| &it["message"]).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    for message in ["shall we?", "ignored?"] {
        assert!(messages.contains(&&json!(message)), "{messages:?}");
    }
    let (talk, group) = (talk.to_string(), group.to_string());
    assert_eq!(ids(&exported["conversations"], "/id"), BTreeSet::from([talk.as_str(), group.as_str()]));
    assert_eq!(
        texts(&exported).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from(["hers, late", "hers, in the group"])
    );
    assert_eq!(exported["scheduled"][0]["body"]["text"], "hers, later");
    let gone = json!([{"conversation_id": group, "seq": seq, "message_id": starred}]);
    assert_eq!(exported["deleted_messages"], gone);
    let [marked] = &exported["marked_messages"].as_array().expect("marks")[..] else { panic!("hers") };
    assert_eq!((&marked["message_id"], &marked["listened"]), (&json!(starred), &json!(false)));
    assert!(marked["starred_at"].is_string());
    assert!(!String::from_utf8_lossy(&output.stdout).contains("none of hers"));
}

#[tokio::test]
async fn nothing_is_given_out_while_the_read_side_cannot_say_all() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let id = node.register("alice").await.id().to_string();
    node.kill().await;
    let more = vec![("NATTER_ROLES", "commands".to_owned())];
    node.restart_with(Options { more, ..Options::default() }).await;
    well(&node, &["mute", &id, "--by", "root"]).await;
    let (done, said) = accounts(&node, &["export", &id]).await;
    assert!(!done && said.contains("lags behind"), "{said}");
}
