//! Bad input, one by one: each gets the error of the contract, the connection lives where it should, and nothing
//! is written.

mod frames;
mod requests;
mod tokens;

use natter_testkit::{Node, Person, RawSocket, Stack};
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
