//! Bad input, one by one: each gets the error of the contract, the connection lives where it should, and nothing
//! is written.

mod bytes;
mod frames;
mod requests;
mod sweep;
mod tokens;
mod values;

use natter_testkit::{BOUND, Node, Person, RawSocket, Stack, eventually};
use serde_json::{Value, json};
use std::future::Future;
use uuid::Uuid;

/// Alice and bob are friends and have talked; carol knows nobody.
struct Scene {
    stack: Stack,
    node: Node,
    alice: Person,
    bob: Person,
    carol: Person,
    conversation: Uuid,
    /// Of the two messages that were sent.
    position: String,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        let (alice, bob, carol) =
            (node.register("alice").await, node.register("bob").await, node.register("carol").await);
        let conversation = alice.befriends(&bob).await;
        alice.says(&bob, "one").await;
        let position = alice.says(&bob, "two").await.position.expect("a write has a position");
        bob.reads(&alice, 1).await;
        Self { stack, node, alice, bob, carol, conversation, position }
    }

    /// Nothing of what happens in there may reach the log.
    async fn unchanged<T>(&self, attempts: impl Future<Output = T>) -> T {
        let before = self.stack.event_count().await;
        let result = attempts.await;
        // A write that is accepted last comes behind whatever might have been written before.
        self.alice.says(&self.bob, "the last word").await;
        assert_eq!(self.stack.event_count().await, before + 1, "only the last word was written");
        result
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/conversations/{}{rest}", self.conversation)
    }
}

/// Whatever happens in there, the node works afterwards and holds nothing more: no connection, no request, no task.
async fn leaves_nothing<T>(node: &Node, attempts: impl Future<Output = T>) -> T {
    let before = Held::by(node).await;
    let result = attempts.await;
    eventually("the node holds what it held before", BOUND, async || {
        let now = Held::by(node).await;
        if now.is_within(&before) { Ok(()) } else { Err(format!("{now:?} after {before:?}")) }
    })
    .await;
    let nobody = node.raw();
    assert_eq!((nobody.get("/healthz").await.status, nobody.get("/readyz").await.status), (200, 200));
    nobody.get("/api/v1/accounts/me").await.refused(401, "unauthenticated");
    let output = node.output();
    assert!(!output.contains("panicked"), "{output}");
    result
}

/// What a process has in hand.
#[derive(Debug)]
struct Held {
    connections: f64,
    requests: f64,
    sockets: f64,
    tasks: f64,
}

impl Held {
    async fn by(node: &Node) -> Self {
        let text = node.raw().get("/metrics").await.text();
        let gauge = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(of, _)| *of == name).map_or(0.0, |(_, value)| value.parse().expect("a number"))
        };
        Self {
            connections: gauge("natter_edge_connections"),
            requests: gauge("natter_door_requests"),
            sockets: gauge("natter_edge_sockets"),
            tasks: gauge("natter_edge_tasks"),
        }
    }

    /// Of tasks some come and go by themselves: timers, leases.
    fn is_within(&self, before: &Self) -> bool {
        self.connections <= before.connections
            && self.requests <= before.requests
            && self.sockets <= before.sockets
            && self.tasks <= before.tasks + 8.0
    }
}

fn new_id() -> String {
    natter_testkit::client::new_id().to_string()
}

fn body(text: &str) -> Value {
    json!({"kind": "text", "text": text})
}

/// A frame that sends `text`.
fn send(conversation: Uuid, id: &str, text: &str) -> Value {
    json!({"id": id, "op": "message.send", "conversation_id": conversation, "message_id": new_id(), "body": body(text)})
}

/// The text is refused where it stands, and the connection lives.
async fn refused(socket: &mut RawSocket, frame: impl AsRef<str>, id: Value, status: u16, code: &str) {
    socket.send(frame).await;
    socket.refused(&id, status, code).await;
    socket.lives().await;
}
