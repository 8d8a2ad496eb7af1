//! The WebSocket: the ways in, requests and answers, pushes.

use super::{FRIEND_REQUEST, MESSAGE, PERSONAL, Someone, has, is_id, is_time, lacks, new_id, text};
use natter_testkit::{Node, RawSocket, Stack};
use serde_json::{Value, json};

async fn connect(someone: &Someone) -> RawSocket {
    let mut socket = someone.raw.socket().await;
    socket.event("ready").await;
    socket
}

fn is_ready(ready: &Value, someone: &Someone) {
    has(ready, &["event", "account_id", "session_id", "heartbeat_ms", "max_frame_bytes", "server_time"]);
    assert_eq!(ready["account_id"], json!(someone.id));
    is_id(&ready["session_id"]);
    is_time(&ready["server_time"]);
    assert_eq!(ready["heartbeat_ms"], json!(5_000), "as the node was told");
    assert_eq!(ready["max_frame_bytes"], json!(128 * 1024));
}

#[tokio::test]
async fn a_token_comes_in_a_header_a_protocol_or_the_first_frame() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = Someone::register(&node, "alice").await;
    let token = &alice.access_token;

    let mut socket = alice.raw.socket().await;
    assert_eq!(socket.protocol(), None, "selected only if offered");
    is_ready(&socket.event("ready").await, &alice);
    let mut socket = alice.raw.with("sec-websocket-protocol", "natter.v1").socket().await;
    assert_eq!(socket.protocol(), Some("natter.v1"));
    is_ready(&socket.event("ready").await, &alice);

    let offered = format!("natter.v1, bearer.{token}");
    let mut socket = node.raw().with("sec-websocket-protocol", &offered).socket().await;
    assert_eq!(socket.protocol(), Some("natter.v1"), "never the one with the token");
    is_ready(&socket.event("ready").await, &alice);

    let mut socket = node.raw().with("sec-websocket-protocol", "natter.v1").socket().await;
    let auth = socket.ok(json!({"id": "1", "op": "auth", "token": token})).await;
    is_time(&auth["expires_at"]);
    is_ready(&socket.event("ready").await, &alice);
    let mut socket = node.raw().socket().await;
    socket.send(json!({"op": "auth", "token": token}).to_string()).await;
    is_ready(&socket.event("ready").await, &alice);
    let renewed = socket.ok(json!({"id": "2", "op": "auth", "token": token})).await;
    is_time(&renewed["expires_at"]);
    socket.lives().await;
}

#[tokio::test]
async fn a_bad_token_is_refused_as_the_way_it_came_demands() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let header = node.raw().with("authorization", "Bearer nonsense").try_socket().await;
    assert_eq!(header.err().and_then(|error| error.code().map(str::to_owned)).as_deref(), Some("unauthenticated"));

    let mut protocol = node.raw().with("sec-websocket-protocol", "natter.v1, bearer.nonsense").socket().await;
    assert_eq!(protocol.closed().await.code, Some(4401));

    let mut frame = node.raw().socket().await;
    frame.send(json!({"id": "1", "op": "auth", "token": "nonsense"}).to_string()).await;
    assert_eq!(frame.closed().await.code, Some(4401));

    let mut early = node.raw().socket().await;
    early.send(json!({"id": "1", "op": "ping"}).to_string()).await;
    assert_eq!(early.closed().await.code, Some(4401));
}

#[tokio::test]
async fn a_token_of_another_session_does_not_renew() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let mut socket = connect(&alice).await;
    socket.send(json!({"id": "1", "op": "auth", "token": bob.access_token}).to_string()).await;
    assert_eq!(socket.closed().await.code, Some(4401));
}

async fn two_friends(node: &Node) -> (Someone, Someone, String) {
    let (alice, bob) = (Someone::register(node, "alice").await, Someone::register(node, "bob").await);
    let (id, _) = alice.befriends(&bob).await;
    (alice, bob, id)
}

#[tokio::test]
async fn requests_are_answered_by_id() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob, id) = two_friends(&node).await;
    let mut socket = connect(&alice).await;
    assert_eq!(socket.ask(json!({"id": "any string \u{1f600}", "op": "ping"})).await["ok"], json!({}));

    let message_id = new_id();
    let body = json!({"kind": "text", "text": "hi"});
    let send = json!({"id": "2", "op": "message.send", "conversation_id": id, "message_id": message_id, "body": body});
    let sent = socket.ok(send.clone()).await;
    has(&sent, &["message_id", "seq", "sent_at", "position"]);
    assert_eq!((&sent["message_id"], &sent["seq"]), (&json!(message_id), &json!(1)));
    is_time(&sent["sent_at"]);
    assert_eq!(socket.ok(send.clone()).await, sent, "the same again: the first answer");
    let mut other = send;
    other["body"]["text"] = json!("something else");
    other["id"] = json!("3");
    socket.send(other.to_string()).await;
    socket.refused(&json!("3"), 409, "conflict").await;

    let mut bobs = connect(&bob).await;
    let list = json!({"id": "4", "op": "message.list", "conversation_id": id, "after_seq": 0, "limit": 10, "position": sent["position"]});
    let listed = bobs.ok(list).await;
    has(&listed["items"][0], MESSAGE);
    assert_eq!((&listed["items"][0]["message_id"], &listed["items"][0]["body"]), (&json!(message_id), &body));

    let read = bobs.ok(json!({"id": "5", "op": "conversation.read", "conversation_id": id, "seq": 1})).await;
    assert_eq!(read["seq"], json!(1));
    text(&read["position"]);
    let own =
        bob.raw.with("natter-position", &text(&read["position"])).get(&format!("/api/v1/conversations/{id}")).await;
    assert_eq!(own.ok(200)["read_seq"], json!(1), "the ok of a write means: written");
}

#[tokio::test]
async fn a_newer_read_cursor_answers_the_older_ones_too() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob, id) = two_friends(&node).await;
    for number in 0..3 {
        alice.says(&id, &new_id(), &number.to_string()).await.ok(201);
    }
    let mut socket = connect(&bob).await;
    let before = stack.event_count().await;
    for seq in 1..=3 {
        let read = json!({"id": seq.to_string(), "op": "conversation.read", "conversation_id": id, "seq": seq});
        socket.send(read.to_string()).await;
    }
    for id in ["1", "2", "3"] {
        let answer = socket.answer(&json!(id)).await;
        assert!(answer["ok"]["seq"].as_u64() >= id.parse().ok(), "{answer}");
        text(&answer["ok"]["position"]);
    }
    let own = bob.raw.get(&format!("/api/v1/conversations/{id}")).await.ok(200);
    assert!(own["read_seq"].as_u64() <= Some(3));
    let written = stack.event_count().await - before;
    assert!((1..=3).contains(&written), "{written} events for three cursors");
}

#[tokio::test]
async fn pipelined_sends_keep_their_order() {
    const MANY: u64 = 100;
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob, id) = two_friends(&node).await;
    let mut bobs = connect(&bob).await;
    let mut socket = connect(&alice).await;
    for number in 1..=MANY {
        let body = json!({"kind": "text", "text": number.to_string()});
        let send = json!({"id": number.to_string(), "op": "message.send", "conversation_id": id, "message_id": new_id(), "body": body});
        socket.send(send.to_string()).await;
    }
    for number in 1..=MANY {
        let answer = socket.answer(&json!(number.to_string())).await;
        assert_eq!(answer["ok"]["seq"], json!(number), "{answer}");
    }
    for socket in [&mut bobs, &mut socket] {
        for number in 1..=MANY {
            let push = socket.event("message.sent").await;
            assert_eq!(
                (&push["message"]["seq"], &push["message"]["body"]["text"]),
                (&json!(number), &json!(number.to_string()))
            );
        }
    }
}

#[tokio::test]
async fn pushes_have_their_fields_and_nothing_personal() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let mut sockets = [connect(&alice).await, connect(&bob).await];

    let (id, _) = alice.befriends(&bob).await;
    for socket in &mut sockets {
        let requested = socket.event("friend.requested").await;
        has(&requested, &["request", "by", "position"]);
        has(&requested["request"], FRIEND_REQUEST);
        assert_eq!((&requested["by"], &requested["request"]["status"]), (&json!(alice.id), &json!("pending")));
        let accepted = socket.event("friend.accepted").await;
        has(&accepted, &["request", "by", "position"]);
        assert_eq!((&accepted["by"], &accepted["request"]["status"]), (&json!(bob.id), &json!("accepted")));
        assert_eq!(accepted["request"]["conversation_id"], json!(id));
        let started = socket.event("conversation.started").await;
        has(&started, &["conversation", "position"]);
        has(
            &started["conversation"],
            &["id", "kind", "state", "name", "avatar", "member_count", "account_ids", "last_seq"],
        );
        lacks(&started["conversation"], PERSONAL);
        assert_eq!(started["conversation"]["id"], json!(id));
    }

    let message_id = new_id();
    alice.says(&id, &message_id, "hi").await.ok(201);
    for (socket, someone) in sockets.iter_mut().zip([&alice, &bob]) {
        let sent = socket.event("message.sent").await;
        has(&sent, &["message", "position"]);
        has(&sent["message"], MESSAGE);
        lacks(&sent["message"], &["reactions", "mine"]);
        assert_eq!((&sent["message"]["message_id"], &sent["message"]["seq"]), (&json!(message_id), &json!(1)));
        let reader = someone.raw.with("natter-position", &text(&sent["position"]));
        let own = reader.get(&format!("/api/v1/conversations/{id}")).await.ok(200);
        assert_eq!(own["last_seq"], json!(1), "a read with the push's position sees what it told");
    }

    bob.raw.put(&format!("/api/v1/conversations/{id}/read"), json!({"seq": 1}).to_string()).await.ok(200);
    for socket in &mut sockets {
        let read = socket.event("conversation.read").await;
        assert_eq!(
            (&read["conversation_id"], &read["account_id"], &read["seq"]),
            (&json!(id), &json!(bob.id), &json!(1))
        );
    }

    let carol = Someone::register(&node, "carol").await;
    let asked = carol.raw.post("/api/v1/friends/requests", json!({"to": bob.id}).to_string()).await.ok(201);
    bob.raw.post_nothing(&format!("/api/v1/friends/requests/{}/reject", text(&asked["id"]))).await.ok(200);
    let rejected = sockets[1].event("friend.rejected").await;
    has(&rejected, &["request", "by", "position"]);
    assert_eq!((&rejected["request"]["id"], &rejected["by"]), (&asked["id"], &json!(bob.id)));
}

#[tokio::test]
async fn only_those_concerned_are_told() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob, id) = two_friends(&node).await;
    let carol = Someone::register(&node, "carol").await;
    let mut carols = connect(&carol).await;
    alice.says(&id, &new_id(), "not for carol").await.ok(201);
    // What carol is told of next is about herself: pushes to a person come in order.
    let (with_bob, _) = carol.befriends(&bob).await;
    bob.says(&with_bob, &new_id(), "for carol").await.ok(201);
    let first = carols.event("message.sent").await;
    assert_eq!(first["message"]["body"]["text"], json!("for carol"));
}
