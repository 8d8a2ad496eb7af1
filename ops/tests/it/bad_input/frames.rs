//! Bad frames over WebSocket.

use super::{Scene, body, new_id, refused, send};
use serde_json::{Value, json};

#[tokio::test]
async fn bad_frames_are_answered_and_the_connection_lives() {
    let scene = Scene::new().await;
    let mut socket = scene.alice.raw_socket().await;
    let id = scene.conversation;
    let attempts = async {
        for bad in ["", "{", "null", "[]", "\"x\"", "1", "{\"op\": \"ping\"} x", "\u{feff}{}"] {
            socket.send(bad).await;
            let answer = socket.answer(&Value::Null).await;
            assert!(
                ["malformed", "invalid_input"].contains(&answer["error"]["code"].as_str().unwrap_or_default()),
                "{bad:?}: {answer}"
            );
        }
        socket.lives().await;
        for (frame, code) in [
            (json!({"id": "1", "op": "nothing"}), "invalid_input"),
            (json!({"id": "1"}), "invalid_input"),
            (json!({"id": "1", "op": 1}), "invalid_input"),
            (json!({"id": "1", "op": "message.send"}), "invalid_input"),
            (
                json!({"id": "1", "op": "message.send", "conversation_id": "x", "message_id": new_id(), "body": body("x")}),
                "invalid_input",
            ),
            (
                json!({"id": "1", "op": "message.send", "conversation_id": id, "message_id": new_id(), "body": body("x"), "seq": 1}),
                "invalid_input",
            ),
            (json!({"id": "1", "op": "conversation.read", "conversation_id": id, "seq": "1"}), "invalid_input"),
            (json!({"id": "1", "op": "message.list", "conversation_id": id, "limit": 0}), "invalid_input"),
            (json!({"id": "1", "op": "message.list", "conversation_id": id, "limit": 201}), "invalid_input"),
            (json!({"id": "1", "op": "message.list", "conversation_id": id, "position": "x"}), "malformed"),
        ] {
            let status = if code == "malformed" { 400 } else { 422 };
            println!("{frame}");
            refused(&mut socket, frame.to_string(), json!("1"), status, code).await;
        }
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn bad_texts_in_frames_are_refused_like_those_in_requests() {
    let scene = Scene::new().await;
    let mut socket = scene.alice.raw_socket().await;
    let attempts = async {
        let over = "x".repeat(16_385);
        for bad in ["", "a\u{0}b", &over] {
            refused(&mut socket, send(scene.conversation, "1", bad).to_string(), json!("1"), 422, "invalid_input")
                .await;
        }
        let lone = send(scene.conversation, "1", "HERE").to_string().replace("HERE", "\\ud800");
        socket.send(lone).await;
        let answer = socket.find("the answer", |frame| frame["error"]["code"] == "invalid_input").await;
        assert!(answer["id"].is_null() || answer["id"] == "1", "{answer}");
        socket.lives().await;
        let read = json!({"id": "1", "op": "conversation.read", "conversation_id": scene.conversation, "seq": 99});
        refused(&mut socket, read.to_string(), json!("1"), 422, "invalid_input").await;
        for (seq, code) in
            [(json!(99), 422), (json!(-1), 422), (json!("1"), 422), (json!(null), 422), (json!(1.5), 422)]
        {
            let come = json!({"id": "1", "op": "message.delivered", "conversation_id": scene.conversation, "seq": seq});
            refused(&mut socket, come.to_string(), json!("1"), code, "invalid_input").await;
        }
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn a_frame_over_the_limit_closes_with_1009() {
    let scene = Scene::new().await;
    let mut socket = scene.alice.raw_socket().await;
    let attempts = async {
        // It may be closed before all of it is sent.
        let _ = socket.try_send(send(scene.conversation, "1", &"x".repeat(128 * 1024 + 1)).to_string()).await;
        assert_eq!(socket.closed().await.code, Some(1009));
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn the_largest_frame_is_read() {
    let scene = Scene::new().await;
    let mut socket = scene.alice.raw_socket().await;
    let mut frame = json!({"id": "1", "op": "ping", "more": ""});
    let missing = 128 * 1024 - frame.to_string().len();
    frame["more"] = json!("x".repeat(missing));
    assert_eq!(frame.to_string().len(), 128 * 1024);
    refused(&mut socket, frame.to_string(), json!("1"), 422, "invalid_input").await;
}

#[tokio::test]
async fn a_binary_frame_closes_with_1003() {
    let scene = Scene::new().await;
    let mut socket = scene.alice.raw_socket().await;
    let attempts = async {
        socket.try_send_binary(b"{\"id\": \"1\", \"op\": \"ping\"}".to_vec()).await.unwrap();
        assert_eq!(socket.closed().await.code, Some(1003));
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn a_hundred_bad_frames_close_with_1008() {
    let scene = Scene::new().await;
    let mut socket = scene.alice.raw_socket().await;
    let attempts = async {
        for _ in 0..99 {
            socket.send("{").await;
            let answer = socket.answer(&Value::Null).await;
            assert_eq!(answer["error"]["code"], "malformed", "{answer}");
        }
        socket.lives().await;
        for _ in 0..2 {
            // The second may find it closed.
            let _ = socket.try_send("{").await;
        }
        assert_eq!(socket.closed().await.code, Some(1008));
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn a_frame_before_authentication_closes_with_4401() {
    let scene = Scene::new().await;
    let attempts = async {
        for early in [
            send(scene.conversation, "1", "too early"),
            json!({"id": "1", "op": "ping"}),
            json!({"id": "1", "op": "nothing"}),
        ] {
            let mut socket = scene.node.raw().socket().await;
            socket.send(early.to_string()).await;
            assert_eq!(socket.closed().await.code, Some(4401), "{early}");
        }
    };
    scene.unchanged(attempts).await;
}
