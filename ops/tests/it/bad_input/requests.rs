//! Bad requests over REST.

use super::{Scene, body, new_id};
use natter_testkit::Raw;
use serde_json::{Value, json};

/// A POST with this JSON is invalid at these places.
async fn invalid(raw: &Raw, path: &str, cases: &[(Value, &str)]) {
    for (case, pointer) in cases {
        println!("{path} {case}");
        raw.post(path, case.to_string()).await.invalid(pointer);
    }
}

#[tokio::test]
async fn what_is_no_json_is_malformed() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await;
    let deep = "[".repeat(100_000);
    let attempts = async {
        for path in ["/api/v1/friends/requests", "/api/v1/conversations", &scene.path("/messages")] {
            for bad in [
                b"".as_slice(),
                b"{",
                b"nul",
                b"{\"to\":",
                b"{'to': 1}",
                b"\xef\xbb\xbf{}",
                b"{\"to\": \"\xff\xfe\"}",
                b"{} {}",
                b"{\"a\": NaN}",
                deep.as_bytes(),
            ] {
                raw.post(path, bad).await.refused(400, "malformed");
            }
            for bad in ["null", "[]", "\"x\"", "1"] {
                let reply = raw.post(path, bad).await;
                reply.refused(422, "invalid_input");
            }
        }
        for path in ["/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/refresh"] {
            scene.node.raw().post(path, "{").await.refused(400, "malformed");
        }
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn other_kinds_and_sizes_of_bodies_are_refused() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await;
    let friendly = json!({"to": scene.carol.id()}).to_string().into_bytes();
    let attempts = async {
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "multipart/form-data",
        ] {
            let typed = raw.with("content-type", kind);
            typed
                .call("POST", "/api/v1/friends/requests", Some(friendly.clone()))
                .await
                .refused(415, "unsupported_media_type");
        }
        raw.call("POST", "/api/v1/friends/requests", Some(friendly.clone()))
            .await
            .refused(415, "unsupported_media_type");
        let packed = raw.with("content-encoding", "gzip");
        packed.post("/api/v1/friends/requests", friendly).await.refused(415, "unsupported_media_type");
        let large = json!({"to": scene.carol.id(), "message": "x".repeat(1024 * 1024)}).to_string();
        raw.post("/api/v1/friends/requests", large).await.refused(413, "payload_too_large");
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn unknown_fields_wrong_types_and_missing_fields_are_named() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await;
    let (carol, id) = (scene.carol.id(), new_id());
    let attempts = async {
        invalid(
            &raw,
            "/api/v1/friends/requests",
            &[
                (json!({"to": carol, "is_admin": true}), "/is_admin"),
                (json!({"to": carol, "from": scene.bob.id()}), "/from"),
                (json!({"to": 1}), "/to"),
                (json!({"to": null}), "/to"),
                (json!({"to": "*"}), "/to"),
                (json!({"to": "no id"}), "/to"),
                (json!({"to": [carol]}), "/to"),
                (json!({}), "/to"),
                (json!({"to": carol, "message": 1}), "/message"),
            ],
        )
        .await;
        invalid(
            &raw,
            &scene.path("/messages"),
            &[
                (json!({"message_id": id, "body": body("x"), "seq": 1}), "/seq"),
                (json!({"message_id": id, "body": body("x"), "sender": scene.bob.id()}), "/sender"),
                (json!({"message_id": "1", "body": body("x")}), "/message_id"),
                (json!({"body": body("x")}), "/message_id"),
                (json!({"message_id": id}), "/body"),
                (json!({"message_id": id, "body": "x"}), "/body"),
            ],
        )
        .await;
        // Inside a body the place may be told as the body.
        for bad in [
            json!({"kind": "text"}),
            json!({"kind": "text", "text": 1}),
            json!({"kind": "spell", "text": "x"}),
            json!({"text": "x"}),
            json!({"kind": "text", "text": "x", "system": true}),
        ] {
            let problem = raw.post(&scene.path("/messages"), json!({"message_id": id, "body": bad}).to_string()).await;
            let problem = problem.refused(422, "invalid_input");
            let pointer = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
            assert!(pointer.starts_with("/body"), "{problem}");
        }
        for bad in [json!({"seq": "1"}), json!({"seq": -1}), json!({"seq": 1.5}), json!({"seq": null}), json!({})] {
            raw.put(&scene.path("/read"), bad.to_string()).await.invalid("/seq");
        }
        invalid(
            &raw,
            "/api/v1/conversations",
            &[
                (json!({"kind": "spell", "with": carol}), "/kind"),
                (json!({"kind": "direct", "with": 1}), "/with"),
                (json!({"kind": "self", "with": carol}), "/with"),
                (json!({"kind": "self", "name": "notes"}), "/name"),
            ],
        )
        .await;
        let twice = format!("{{\"to\": \"{carol}\", \"to\": \"{carol}\"}}");
        raw.post("/api/v1/friends/requests", twice).await.invalid("/to");
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn ids_in_paths_that_are_no_ids_name_nothing() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await;
    let attempts = async {
        for bad in ["1", "*", "%3E", "..%2f..", "%00", "%ff", "a.b", "me%20"] {
            for path in [
                format!("/api/v1/conversations/{bad}"),
                format!("/api/v1/conversations/{bad}/messages"),
                format!("/api/v1/accounts/{bad}"),
            ] {
                raw.get(&path).await.refused(400, "malformed");
            }
            raw.post_nothing(&format!("/api/v1/friends/requests/{bad}/accept")).await.refused(400, "malformed");
        }
        let nobody = new_id();
        for path in [
            format!("/api/v1/conversations/{nobody}"),
            format!("/api/v1/conversations/{nobody}/messages"),
            format!("/api/v1/accounts/{nobody}"),
        ] {
            raw.get(&path).await.refused(404, "not_found");
        }
        raw.post_nothing(&format!("/api/v1/friends/requests/{nobody}/accept")).await.refused(404, "not_found");
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn names_and_passwords_that_cannot_be_are_refused() {
    let scene = Scene::new().await;
    let nobody = scene.node.raw();
    let password = "eight characters";
    let attempts = async {
        let mut cases = Vec::new();
        for bad in [
            "",
            "ab",
            &"a".repeat(51),
            "1abc",
            "a b c",
            "a@b.c",
            "abc\n",
            "abc\u{0}",
            "a\u{202e}bc",
            "+491234",
            "_abc",
            "abc\u{200b}d",
            "\u{fdfa}",
        ] {
            cases.push((json!({"username": bad, "password": password}), "/username"));
        }
        for bad in ["", "seven77", &"x".repeat(257)] {
            cases.push((json!({"username": "dave", "password": bad}), "/password"));
        }
        for bad in [
            "",
            &"x".repeat(65),
            "line\nbreak",
            "tab\there",
            "nul\u{0}",
            "\u{202e}evil",
            "\u{2066}x",
            "   ",
            "\u{200b}",
        ] {
            cases.push((json!({"username": "dave", "password": password, "nickname": bad}), "/nickname"));
        }
        for bad in ["", &"x".repeat(65), "line\nbreak"] {
            cases.push((json!({"username": "dave", "password": password, "device": {"name": bad}}), "/device/name"));
        }
        invalid(&nobody, "/api/v1/auth/register", &cases).await;
        // A lone surrogate can only be written as an escape.
        for (field, pointer) in [("username", "/username"), ("nickname", "/nickname"), ("password", "/password")] {
            for lone in ["\\ud800", "\\udc00", "x\\ud83d"] {
                let mut fields = json!({"username": "dave", "password": password, "nickname": "Dave"});
                fields[field] = json!("HERE");
                let text = fields.to_string().replace("HERE", &format!("abcdefgh{lone}"));
                nobody.post("/api/v1/auth/register", text).await.invalid(pointer);
            }
        }
        invalid(
            &nobody,
            "/api/v1/auth/register",
            &[
                (json!({"username": "dave", "password": password, "role": "admin"}), "/role"),
                (json!({"username": "dave"}), "/password"),
            ],
        )
        .await;
        let body = json!({"username": "ALICE", "password": password}).to_string();
        nobody.post("/api/v1/auth/register", body).await.refused(409, "name_taken");
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn texts_over_the_limit_empty_or_with_nul_are_refused() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await;
    let attempts = async {
        let over = "x".repeat(16_385);
        let over_in_bytes = "\u{1f600}".repeat(4_097);
        for bad in ["", "a\u{0}b", &over, &over_in_bytes] {
            let message = json!({"message_id": new_id(), "body": body(bad)}).to_string();
            raw.post(&scene.path("/messages"), message).await.invalid("/body/text");
        }
        for lone in ["\\ud800", "\\udc00x"] {
            let message = json!({"message_id": new_id(), "body": body("HERE")}).to_string().replace("HERE", lone);
            raw.post(&scene.path("/messages"), message).await.invalid("/body/text");
        }
        let cases = ["x".repeat(201), "nul\u{0}".to_owned()]
            .map(|bad| (json!({"to": scene.carol.id(), "message": bad}), "/message"));
        invalid(&raw, "/api/v1/friends/requests", &cases).await;
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn what_is_of_others_is_not_found() {
    let scene = Scene::new().await;
    let message = scene.alice.history(scene.conversation, &scene.position).await[0].message_id;
    let raw = scene.carol.raw().await;
    let attempts = async {
        for rest in
            [String::new(), "/messages".to_owned(), "/messages?after_seq=0".to_owned(), format!("/messages/{message}")]
        {
            raw.get(&scene.path(&rest)).await.refused(404, "not_found");
        }
        let intrusion = json!({"message_id": new_id(), "body": body("let me in")}).to_string();
        raw.post(&scene.path("/messages"), intrusion).await.refused(404, "not_found");
        raw.put(&scene.path("/read"), json!({"seq": 1}).to_string()).await.refused(404, "not_found");
        let typed = raw.with("content-type", "application/json");
        let pin = json!({"pinned": true}).to_string().into_bytes();
        typed.call("PATCH", &scene.path("/inbox"), Some(pin)).await.refused(404, "not_found");
        raw.call("DELETE", &scene.path("/inbox"), None).await.refused(404, "not_found");
        let mut socket = scene.carol.raw_socket().await;
        let id = scene.conversation;
        for frame in [
            super::send(id, "1", "let me in"),
            json!({"id": "1", "op": "message.list", "conversation_id": id}),
            json!({"id": "1", "op": "conversation.read", "conversation_id": id, "seq": 1}),
        ] {
            super::refused(&mut socket, frame.to_string(), json!("1"), 404, "not_found").await;
        }
        let listed = raw.get("/api/v1/conversations").await.ok(200);
        assert_eq!(listed["items"], json!([]));
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn strangers_oneself_and_nobody_are_no_partners() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await;
    let attempts = async {
        let with = |id| json!({"kind": "direct", "with": id}).to_string();
        raw.post("/api/v1/conversations", with(json!(scene.carol.id()))).await.refused(403, "not_friends");
        let to = |id| json!({"to": id}).to_string();
        raw.post("/api/v1/friends/requests", to(json!(scene.alice.id()))).await.refused(422, "self_not_allowed");
        raw.post("/api/v1/friends/requests", to(json!(new_id()))).await.refused(404, "not_found");
        raw.post("/api/v1/friends/requests", to(json!(scene.bob.id()))).await.refused(409, "already_friends");
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn repeated_ids_and_impossible_cursors_write_nothing() {
    let scene = Scene::new().await;
    let (alice, bob) = (scene.alice.raw().await, scene.bob.raw().await);
    let first = scene.alice.history(scene.conversation, &scene.position).await[0].clone();
    let attempts = async {
        let again = json!({"message_id": first.message_id, "body": body("one")}).to_string();
        let repeated = alice.post(&scene.path("/messages"), again.clone()).await.ok(200);
        assert_eq!((&repeated["seq"], &repeated["sent_at"]), (&json!(first.seq), &json!(first.sent_at)));
        let other = json!({"message_id": first.message_id, "body": body("another")}).to_string();
        alice.post(&scene.path("/messages"), other).await.refused(409, "conflict");
        bob.post(&scene.path("/messages"), again).await.refused(409, "conflict");

        let read = async |seq: u64| bob.put(&scene.path("/read"), json!({"seq": seq}).to_string()).await;
        read(3).await.invalid("/seq");
        read(u64::MAX).await.invalid("/seq");
        assert_eq!(read(0).await.ok(200), json!({"seq": 1}), "going back changes nothing");
        assert_eq!(read(1).await.ok(200), json!({"seq": 1}), "standing still too");
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn a_repeated_send_in_parallel_is_one_message() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await;
    let before = scene.stack.event_count().await;
    let message = json!({"message_id": new_id(), "body": body("once")}).to_string();
    let path = scene.path("/messages");
    let once = async || raw.post(&path, message.clone()).await;
    let (a, b, c, d, e) = tokio::join!(once(), once(), once(), once(), once());
    let replies = [a, b, c, d, e];
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1, "one of them made it");
    for reply in &replies {
        assert!([200, 201].contains(&reply.status), "{}", reply.text());
        assert_eq!(reply.json(), replies[0].json());
    }
    assert_eq!(scene.stack.event_count().await, before + 1);
}
