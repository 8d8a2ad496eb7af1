//! Every way in which somebody writes what others will read: each is refused what the rules refuse, and masked what they
//! mask. `edge/src/tests/content.rs` sees to it that there is no other way.

use super::{RulesFile, Scene, patch, words};
use crate::oidc::signs_in;
use natter_testkit::{
    PASSWORD, Stack,
    client::new_id,
    oidc::{Forger, variables},
};
use serde_json::{Value, json};

/// A request with `WORD` in its texts, and where the answer shows them; `None`: what goes by its text is never masked.
struct Way {
    line: String,
    body: Value,
    shown: Option<&'static str>,
    answered: u16,
}

fn way(line: &str, body: Value, answered: u16, shown: Option<&'static str>) -> Way {
    Way { line: line.to_owned(), body, shown, answered }
}

/// By alice, who owns the group.
fn ways(group: &str, other: &str, open: &str) -> Vec<Way> {
    let name = json!({"username": "new.WORD", "password": PASSWORD});
    let nickname = json!({"username": "newcomer", "password": PASSWORD, "nickname": "WORD"});
    vec![
        way("POST /api/v1/auth/register", name, 201, None),
        way("POST /api/v1/auth/register", nickname, 201, Some("/account/nickname")),
        way("POST /api/v1/auth/qr", json!({"device": {"name": "WORD"}}), 201, Some("")),
        way("POST /api/v1/auth/qr", json!({"device": {"platform": "WORD"}}), 201, Some("")),
        way("PATCH /api/v1/accounts/me", json!({"nickname": "WORD"}), 200, Some("/nickname")),
        way("PATCH /api/v1/accounts/me", json!({"signature": "a WORD b"}), 200, Some("/signature")),
        way("PATCH /api/v1/accounts/me", json!({"gender": "WORD"}), 200, Some("/gender")),
        way("PATCH /api/v1/accounts/me", json!({"region": "WORD"}), 200, Some("/region")),
        way("PATCH /api/v1/accounts/me", json!({"custom": {"field": "WORD"}}), 200, Some("/custom/field")),
        way("PATCH /api/v1/accounts/me", json!({"custom": {"WORD": "x"}}), 200, None),
        way("POST /api/v1/friends/requests", json!({"to": other, "message": "WORD"}), 201, Some("/message")),
        way("POST /api/v1/conversations", json!({"kind": "group", "name": "WORD", "members": []}), 201, Some("/name")),
        way("POST /api/v1/conversations", json!({"kind": "channel", "name": "WORD"}), 201, Some("/name")),
        way(&format!("PATCH /api/v1/conversations/{group}"), json!({"name": "our WORD"}), 200, Some("/name")),
        way(&format!("PATCH /api/v1/conversations/{group}"), json!({"description": "WORD"}), 200, Some("/description")),
        way(
            &format!("PUT /api/v1/conversations/{group}/announcement"),
            json!({"text": "WORD"}),
            200,
            Some("/announcement/text"),
        ),
        way(
            &format!("PATCH /api/v1/conversations/{group}/members/me"),
            json!({"nickname": "WORD"}),
            200,
            Some("/nickname"),
        ),
        way(&format!("POST /api/v1/conversations/{open}/join"), json!({"message": "WORD"}), 200, Some("")),
    ]
    .into_iter()
    .chain(bodies().into_iter().map(|(body, is_masked)| {
        let body = json!({"message_id": "NEWID", "body": body});
        way(&format!("POST /api/v1/conversations/{group}/messages"), body, 201, is_masked.then_some(""))
    }))
    .collect()
}

/// Bodies of all kinds that say something, and whether that can be masked.
fn bodies() -> Vec<(Value, bool)> {
    let file = new_id();
    vec![
        (json!({"kind": "text", "text": "WORD"}), true),
        (json!({"kind": "text", "text": "**WORD**", "format": "markdown"}), true),
        (json!({"kind": "image", "file_id": file, "caption": "WORD"}), true),
        (json!({"kind": "image", "file_id": file, "name": "WORD.png"}), true),
        (json!({"kind": "video", "file_id": file, "caption": "WORD"}), true),
        (json!({"kind": "file", "file_id": file, "name": "WORD", "caption": "WORD"}), true),
        (json!({"kind": "location", "latitude": 1.0, "longitude": 1.0, "name": "WORD", "address": "WORD"}), true),
        (json!({"kind": "contact", "name": "WORD"}), true),
        (json!({"kind": "link", "url": "https://a.example/", "title": "WORD", "description": "WORD"}), true),
        (json!({"kind": "link", "url": "https://a.example/WORD"}), false),
        (json!({"kind": "sticker", "sticker_id": "x", "emoji": "WORD"}), false),
        (json!({"kind": "sticker", "sticker_id": "WORD"}), false),
        (json!({"kind": "sticker", "sticker_id": "x", "pack_id": "WORD"}), false),
        (json!({"kind": "opaque", "algorithm": "WORD", "ciphertext": "b3BhcXVl"}), false),
        (json!({"kind": "custom", "type": "com.example.poll", "data": {"question": ["WORD"]}}), true),
        (json!({"kind": "custom", "type": "com.example.poll", "data": {"WORD": 1}}), false),
        (json!({"kind": "custom", "type": "com.example.poll", "data": 1, "text": "WORD"}), true),
    ]
}

#[tokio::test]
async fn every_text_goes_through_the_gate() {
    let stack = Stack::new().await;
    let rules = [words("mask", &["bad"]), words("refuse", &["worse"]), words("hold", &["odd"])];
    let rules = RulesFile::new(&stack, &rules);
    let variable = rules.variable();
    let scene = Scene::new(stack, vec![variable]).await;
    let carol = scene.node.register("carol").await;
    let group = scene.alice.client().start_group("us", &[]).await.expect("start a group").conversation.id;
    let open = carol.client().start_group("ours", &[]).await.expect("start a group").conversation.id;
    let asks = json!({"settings": {"join_policy": "approval"}});
    patch(&carol.raw().await, &format!("/api/v1/conversations/{open}"), &asks).await.ok(200);
    let raw = scene.alice.raw().await.with("content-type", "application/json");
    for Way { line, body, shown, answered } in ways(&group.to_string(), &carol.id().to_string(), &open.to_string()) {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let ask = async |word: &str| {
            let body = body.to_string().replace("WORD", word).replace("NEWID", &new_id().to_string());
            raw.call(method, path, Some(body.into_bytes())).await
        };
        let waits = method == "POST" && path.ends_with("/messages");
        let mut refused = vec!["worse"];
        refused.extend((!waits).then_some("odd"));
        refused.extend(shown.is_none().then_some("bad"));
        scene
            .unchanged(async {
                for word in refused {
                    let reply = ask(word).await;
                    assert_eq!(reply.status, 422, "{line} {body} {word}: {}", reply.text());
                    reply.refused(422, "content_refused");
                }
            })
            .await;
        if waits {
            assert_eq!(ask("odd").await.ok(202)["held"], true, "{line} {body}");
        }
        let Some(shown) = shown else { continue };
        let reply = ask("bad").await;
        assert_eq!(reply.status, answered, "{line} {body}: {}", reply.text());
        let answer = reply.json();
        let text = answer.pointer(shown).unwrap_or(&Value::Null).as_str().unwrap_or_default().to_owned();
        assert!(shown.is_empty() || (text.contains("***") && !text.contains("bad")), "{line} {body}: {answer}");
    }
    let said = raw.get(&format!("/api/v1/conversations/{group}/messages")).await.ok(200);
    for message in said["items"].as_array().expect("items").iter().filter(|message| message["sender"].is_string()) {
        // An id may hold the word.
        let body = message["body"].to_string().replace(&message["body"]["file_id"].to_string(), "");
        assert!(body.contains("***") && !body.contains("bad"), "{body}");
    }
    let device = json!({"device": {"name": "a bad laptop", "platform": "bad"}}).to_string();
    let shown = scene.node.raw().post("/api/v1/auth/qr", device).await.ok(201);
    let scan = format!("/api/v1/auth/qr/{}/scan", shown["id"].as_str().expect("an id"));
    let scanned = scene.alice.raw().await.post_nothing(&scan).await.ok(200);
    assert_eq!(scanned["device"], json!({"name": "a *** laptop", "platform": "***"}));
    let asked = carol.raw().await.get(&format!("/api/v1/conversations/{open}/requests")).await.ok(200);
    assert_eq!(asked["items"][0]["message"], "***", "{asked}");
}

/// The forger says `<user name> F.` for the name.
#[tokio::test]
async fn what_a_provider_suggests_is_looked_at_as_it_would_be_written() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let rules = RulesFile::new(&stack, &[words("refuse", &["bad", "f"])]);
    let mut more = variables(&[forger.settings()]);
    more.push(rules.variable());
    let scene = Scene::new(stack, more).await;
    let called = async |person: &str| {
        let account = signs_in(&scene.node, person).await.ok(201)["account"].clone();
        let text = |field: &str| account[field].as_str().expect("a text").to_owned();
        (text("username"), text("nickname"))
    };
    assert_eq!(called("go+od").await, ("good".to_owned(), "good".to_owned()), "of `go od`");
    let (username, nickname) = called("ba+d").await;
    assert!(username.starts_with("user-"), "{username}");
    assert_eq!(nickname, username);
}

#[tokio::test]
async fn what_only_its_owner_sees_is_theirs() {
    let stack = Stack::new().await;
    let rules = RulesFile::new(&stack, &[words("refuse", &["worse"])]);
    let variable = rules.variable();
    let scene = Scene::new(stack, vec![variable]).await;
    let raw = scene.alice.raw().await;
    patch(&raw, &scene.path("/inbox"), &json!({"draft": "worse", "folder": "worse"})).await.ok(200);
    let friend = format!("/api/v1/friends/{}", scene.bob.id());
    patch(&raw, &friend, &json!({"remark": "worse", "folder": "worse"})).await.ok(200);
    raw.put("/api/v1/friends/folders", json!({"names": ["worse"]}).to_string()).await.ok(200);
    let reacted = scene.path(&format!("/messages/{}/reactions/worse", new_id()));
    raw.call("PUT", &reacted, None).await.refused(422, "content_refused");
}
