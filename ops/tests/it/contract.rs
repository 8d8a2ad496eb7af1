//! The contract as its page says it, in its own words: paths, fields, codes and frames are spelled here again and
//! not taken from the wire types, so that a field renamed in both server and wire types is noticed.

mod afterwards;
mod auth;
mod blocks;
mod changes;
mod channels;
mod conversations;
mod filter;
mod forward;
mod friends;
mod groups;
mod idempotency;
mod inbox;
mod kinds;
mod messages;
mod own_view;
mod receipts;
mod replies;
mod scheduled;
mod self_destruct;
mod socket;
mod system;
mod threads;

use natter_testkit::{Node, Raw};
use serde_json::{Value, json};

/// Somebody in raw JSON.
struct Someone {
    id: String,
    raw: Raw,
    access_token: String,
}

impl Someone {
    async fn register(node: &Node, name: &str) -> Self {
        let body = json!({"username": name, "password": "eight characters"}).to_string();
        let registered = node.raw().post("/api/v1/auth/register", body).await.ok(201);
        let access_token = text(&registered["tokens"]["access_token"]);
        let raw = node.raw().with("authorization", &format!("Bearer {access_token}"));
        Self { id: text(&registered["account"]["id"]), raw, access_token }
    }

    /// The other one accepts; the conversation's id and a position that sees it.
    async fn befriends(&self, other: &Self) -> (String, String) {
        let asked = self.raw.post("/api/v1/friends/requests", json!({"to": other.id}).to_string()).await.ok(201);
        let path = format!("/api/v1/friends/requests/{}/accept", text(&asked["id"]));
        let accepted = other.raw.post_nothing(&path).await;
        (text(&accepted.ok(200)["conversation_id"]), accepted.position())
    }

    async fn says(&self, conversation: &str, message_id: &str, words: &str) -> natter_testkit::Reply {
        self.raw.post(&format!("/api/v1/conversations/{conversation}/messages"), message(message_id, words)).await
    }
}

fn message(message_id: &str, words: &str) -> String {
    json!({"message_id": message_id, "body": {"kind": "text", "text": words}}).to_string()
}

fn new_id() -> String {
    natter_testkit::client::new_id().to_string()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text was expected, not {value}")).to_owned()
}

/// The named fields are there; answers may have more.
#[track_caller]
fn has(thing: &Value, fields: &[&str]) {
    let object = thing.as_object().unwrap_or_else(|| panic!("an object was expected, not {thing}"));
    for field in fields {
        assert!(object.contains_key(*field), "no {field:?} in {thing}");
    }
}

/// None of these is there.
#[track_caller]
fn lacks(thing: &Value, fields: &[&str]) {
    for field in fields {
        assert!(thing.get(field).is_none(), "{field:?} in {thing}");
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.
#[track_caller]
fn is_time(value: &Value) {
    let text = text(value);
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{text}");
}

/// Lower case with hyphens.
#[track_caller]
fn is_id(value: &Value) {
    let text = text(value);
    let read: uuid::Uuid = text.parse().unwrap_or_else(|_| panic!("no UUID: {text}"));
    assert_eq!(read.to_string(), text);
}

const OWN_CONVERSATION: &[&str] = &[
    "id",
    "kind",
    "state",
    "name",
    "avatar",
    "member_count",
    "account_ids",
    "last_seq",
    "peer",
    "peer_read_seq",
    "peer_delivered_seq",
    "read_seq",
    "unread",
    "mentions",
    "last_message",
    "joined_seq",
    "left_seq",
    "pinned",
    "quiet_until",
    "archived",
    "hidden",
    "folder",
    "draft",
    "draft_at",
    "marked_unread",
    "cleared_seq",
];
const FRIEND_REQUEST: &[&str] =
    &["id", "from", "to", "message", "status", "created_at", "expires_at", "conversation_id"];
const MESSAGE: &[&str] = &[
    "conversation_id",
    "message_id",
    "seq",
    "sender",
    "body",
    "sent_at",
    "edited_at",
    "recalled_at",
    "reply_to",
    "mentions",
];
/// What only its owner may see of a conversation.
const PERSONAL: &[&str] = &[
    "peer",
    "peer_read_seq",
    "peer_delivered_seq",
    "read_seq",
    "unread",
    "mentions",
    "last_message",
    "pinned",
    "quiet_until",
    "archived",
    "hidden",
    "folder",
    "draft",
    "draft_at",
    "marked_unread",
    "cleared_seq",
    "joined_seq",
    "left_seq",
];
