//! Kinds of messages: each is given back as it came, and what does not keep to its shape is refused and written nowhere.

use super::{Someone, new_id, text};
use natter_testkit::{Stack, client::new_id as id};
use serde_json::{Value, json};

/// A good body of every kind that clients send.
fn good() -> Vec<Value> {
    vec![
        json!({"kind": "text", "text": "plain \u{202e}turned\u{202c}, \u{200b}\u{200b} and \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}"}),
        json!({"kind": "text", "text": "# heading\n> *quoted*\n- [link](https://example.org)", "format": "markdown"}),
        json!({"kind": "image", "file_id": id(), "thumbnail_id": id(), "name": "a.png", "media_type": "image/png",
               "size": 12_345, "width": 640, "height": 480, "caption": "look"}),
        json!({"kind": "image", "file_id": id()}),
        json!({"kind": "voice", "file_id": id(), "duration_ms": 1_500, "waveform": [0, 17, 255], "media_type": "audio/ogg"}),
        json!({"kind": "video", "file_id": id(), "duration_ms": 60_000, "width": 1_920, "height": 1_080, "caption": "us"}),
        json!({"kind": "file", "file_id": id(), "name": "\u{8bba}\u{6587}.pdf", "size": 0}),
        json!({"kind": "location", "latitude": -33.8568, "longitude": 151.2153, "name": "Opera", "address": "Sydney"}),
        json!({"kind": "contact", "account_id": id()}),
        json!({"kind": "contact", "name": "Dave", "phone": "+49123", "email": "dave@example.org"}),
        json!({"kind": "link", "url": "https://example.org/a?b=c", "title": "A page", "description": "of it",
               "image_url": "https://example.org/i.png", "site_name": "example"}),
        json!({"kind": "sticker", "sticker_id": "7", "pack_id": "cats", "file_id": id(), "emoji": "\u{1f63a}"}),
        json!({"kind": "custom", "type": "com.example.poll", "data": {"question": "?", "votes": [1, 2.5, null, {"a": []}]},
               "text": "a poll"}),
        json!({"kind": "opaque", "algorithm": "mls10", "ciphertext": "c2VjcmV0LXdvcmRz"}),
    ]
}

fn of(text: &str) -> Value {
    json!({"kind": "text", "text": text})
}

/// A bad body and the pointer to what is wrong with it.
fn bad() -> Vec<(Value, &'static str)> {
    let custom = |kind: &str, data: Value| json!({"kind": "custom", "type": kind, "data": data});
    let image = |field: &str, value: Value| json!({"kind": "image", "file_id": id(), field: value});
    let markdown = |text: &str| json!({"kind": "text", "text": text, "format": "markdown"});
    let place =
        |latitude: f64, longitude: f64| json!({"kind": "location", "latitude": latitude, "longitude": longitude});
    vec![
        (of(""), "/body/text"),
        (of(&"x".repeat(16_385)), "/body/text"),
        (of("\0"), "/body/text"),
        (json!({"kind": "text"}), "/body"),
        (json!({"kind": "text", "text": "x", "format": "html"}), "/body"),
        (json!({"kind": "text", "text": "x", "colour": "red"}), "/body"),
        (json!({"kind": "poll"}), "/body"),
        (markdown(&"> ".repeat(33)), "/body/text"),
        (markdown(&"[".repeat(16_000)), "/body/text"),
        (markdown(&format!("a\n{}b", "- ".repeat(5_000))), "/body/text"),
        (json!({"kind": "image"}), "/body"),
        (image("width", json!(0)), "/body/width"),
        (image("height", json!(65_536)), "/body/height"),
        (image("caption", json!("")), "/body/caption"),
        (image("caption", json!("x".repeat(4_097))), "/body/caption"),
        (image("name", json!("a\u{202e}gnp.exe")), "/body/name"),
        (image("name", json!("a\r\nb")), "/body/name"),
        (image("media_type", json!("png")), "/body/media_type"),
        (image("media_type", json!("image/png\r\nx: y")), "/body/media_type"),
        (image("size", json!(1_u64 << 51)), "/body/size"),
        (json!({"kind": "voice", "file_id": id(), "duration_ms": 0}), "/body/duration_ms"),
        (json!({"kind": "voice", "file_id": id(), "duration_ms": 1, "waveform": vec![1; 257]}), "/body/waveform"),
        (json!({"kind": "voice", "file_id": id(), "duration_ms": 1, "waveform": [256]}), "/body"),
        (place(90.1, 0.0), "/body/latitude"),
        (place(0.0, -180.1), "/body/longitude"),
        (json!({"kind": "contact"}), "/body/name"),
        (json!({"kind": "link", "url": "javascript:alert(1)"}), "/body/url"),
        (json!({"kind": "link", "url": "https://"}), "/body/url"),
        (json!({"kind": "link", "url": "https://example.org", "image_url": "file:///etc/passwd"}), "/body/image_url"),
        (json!({"kind": "sticker", "sticker_id": ""}), "/body/sticker_id"),
        (custom("poll", json!(1)), "/body/type"),
        (custom("com..poll", json!(1)), "/body/type"),
        (custom("com.Example", json!(1)), "/body/type"),
        (custom("com.example.poll", json!("x".repeat(16_384))), "/body/data"),
        (custom("com.example.poll", json!({"a": ["\0"]})), "/body/data"),
        (custom("com.example.poll", (0..33).fold(json!(1), |inner, _| json!([inner]))), "/body/data"),
        (json!({"kind": "opaque", "algorithm": "x", "ciphertext": "not base64!"}), "/body/ciphertext"),
        (json!({"kind": "opaque", "algorithm": "x", "ciphertext": "a".repeat(65_537)}), "/body/ciphertext"),
        (json!({"kind": "system", "code": "member.joined", "text": "x"}), "/body/kind"),
        (json!({"kind": "merged", "items": []}), "/body/kind"),
    ]
}

#[tokio::test]
async fn every_kind_is_given_back_as_it_came() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (id, _) = alice.befriends(&bob).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    for body in good() {
        let sent = json!({"message_id": new_id(), "body": body});
        let reply = alice.raw.post(&path, sent.to_string()).await;
        let position = reply.position();
        reply.ok(201);
        let message = format!("{path}/{}", text(&sent["message_id"]));
        let seen = bob.raw.with("natter-position", &position).get(&message).await.ok(200);
        assert_eq!(seen["body"], body);
    }
}

#[tokio::test]
async fn what_does_not_keep_to_its_shape_is_refused_and_written_nowhere() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (id, _) = alice.befriends(&bob).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let before = stack.event_count().await;
    for (body, pointer) in bad() {
        let told = body.to_string().chars().take(80).collect::<String>();
        let refused = alice.raw.post(&path, json!({"message_id": new_id(), "body": body}).to_string()).await.ok(422);
        let named = text(&refused["errors"][0]["pointer"]);
        assert!(refused["code"] == "invalid_input" && named.starts_with(pointer), "{told}: {refused}");
    }
    assert_eq!(stack.event_count().await, before);
}

#[tokio::test]
async fn only_texts_are_edited_and_they_stay_texts() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (conversation, _) = alice.befriends(&bob).await;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let (words, picture) = (new_id(), new_id());
    alice.says(&conversation, &words, "one").await.ok(201);
    let image = json!({"message_id": picture, "body": {"kind": "image", "file_id": id()}});
    alice.raw.post(&path, image.to_string()).await.ok(201);
    let edit = async |message: &str, body: Value| {
        alice
            .raw
            .with("content-type", "application/json")
            .call("PATCH", &format!("{path}/{message}"), Some(json!({"body": body}).to_string().into()))
            .await
    };
    edit(&words, json!({"kind": "image", "file_id": id()})).await.invalid("/body/kind");
    edit(&picture, of("a caption")).await.invalid("/body/kind");
    let styled = json!({"kind": "text", "text": "*two*", "format": "markdown"});
    assert_eq!(edit(&words, styled.clone()).await.ok(200)["body"], styled);
}
