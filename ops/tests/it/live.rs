//! What is told while it happens and kept nowhere: who is online, who types. In raw JSON, over several edges.

mod presence;
mod standing;
mod typing;

use natter_ops::bench::counters::Counters;
use natter_testkit::{BOUND, Node, Options, PASSWORD, Raw, RawSocket, Stack};
use serde_json::{Value, json};

/// Somebody, on one device.
struct Device {
    id: String,
    token: String,
}

impl Device {
    async fn register(node: &Node, name: &str) -> Self {
        let body = json!({"username": name, "password": PASSWORD, "device": device("desktop")}).to_string();
        Self::of(&node.raw().post("/api/v1/auth/register", body).await.ok(201))
    }

    /// Of somebody who is there.
    async fn another(node: &Node, name: &str, platform: &str) -> Self {
        let body = json!({"login": name, "password": PASSWORD, "device": device(platform)}).to_string();
        Self::of(&node.raw().post("/api/v1/auth/login", body).await.ok(200))
    }

    fn of(signed_in: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Self { id: text(&signed_in["account"]["id"]), token: text(&signed_in["tokens"]["access_token"]) }
    }

    fn at(&self, node: &Node) -> Raw {
        node.raw().with("authorization", &format!("Bearer {}", self.token))
    }

    /// A connection that is ready.
    async fn comes(&self, node: &Node) -> RawSocket {
        let mut socket = self.at(node).socket().await;
        socket.event("ready").await;
        socket
    }

    async fn befriends(&self, node: &Node, other: &Self) -> String {
        let asked = json!({"to": other.id}).to_string();
        let asked = self.at(node).post("/api/v1/friends/requests", asked).await.ok(201);
        let path = format!("/api/v1/friends/requests/{}/accept", asked["id"].as_str().expect("an id"));
        let accepted = other.at(node).post_nothing(&path).await.ok(200);
        accepted["conversation_id"].as_str().expect("a conversation").to_owned()
    }
}

fn device(platform: &str) -> Value {
    json!({"name": "mine", "platform": platform})
}

/// With every role. Some connections say nothing for long.
async fn node(stack: &Stack, more: &[(&'static str, String)]) -> Node {
    stack.node_with(Options { more: more.to_vec(), heartbeat: BOUND * 3, ..Options::default() }).await
}

/// One that has doors and nothing else, so that it may die.
async fn edge(stack: &Stack, more: &[(&'static str, String)]) -> Node {
    node(stack, &[more, &[("NATTER_ROLES", "edge".to_owned())]].concat()).await
}

/// What a node has counted.
async fn counted(node: &Node, name: &str, label: Option<&str>) -> f64 {
    Counters::read(&node.base_url()).await.expect("read the metrics").sum(name, label)
}
