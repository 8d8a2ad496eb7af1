//! What a client may say, read strictly. An error names the frame's `id` wherever that can be read.

use crate::http::{json, problem::Problem};
use natter_client::wire;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// A request.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    Send(wire::SendFrame),
    Edit(wire::EditFrame),
    Recall(wire::MessageFrame),
    React(wire::ReactFrame),
    Unreact(wire::ReactFrame),
    Pin(wire::MessageFrame),
    Unpin(wire::MessageFrame),
    Star(wire::MessageFrame),
    Unstar(wire::MessageFrame),
    Listen(wire::MessageFrame),
    Delete(wire::MessageFrame),
    List(wire::ListFrame),
    Read(wire::ReadFrame),
    Delivered(wire::DeliveredFrame),
    Sync(wire::SyncFrame),
    Typing(wire::TypingFrame),
    Subscribe(wire::PresenceFrame),
    Unsubscribe(wire::PresenceFrame),
    SetPresence(wire::PresenceSetFrame),
    Auth(wire::AuthFrame),
    Ping(wire::PingFrame),
}

/// A frame that is no request, and the `id` to answer it under.
#[derive(Clone, PartialEq, Debug)]
pub struct Bad {
    pub id: Option<String>,
    pub problem: Box<Problem>,
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    op: Option<Value>,
}

impl Op {
    /// Every op that is understood.
    pub const NAMES: [&str; 21] = [
        "message.send",
        "message.list",
        "conversation.read",
        "auth",
        "ping",
        "message.edit",
        "message.recall",
        "message.react",
        "message.unreact",
        "message.pin",
        "message.unpin",
        "sync",
        "message.delivered",
        "typing",
        "presence.subscribe",
        "presence.unsubscribe",
        "presence.set",
        "message.star",
        "message.unstar",
        "message.listen",
        "message.delete",
    ];

    pub fn parse(text: &str) -> Result<Self, Bad> {
        let head: Head =
            json::parse(text.as_bytes()).map_err(|problem| Bad { id: None, problem: as_frame(problem).into() })?;
        let id = head.id.as_ref().and_then(Value::as_str).map(str::to_owned);
        let op = head.op.as_ref().and_then(Value::as_str).unwrap_or_default();
        Self::read(op, text).map_err(|problem| Bad { id, problem: problem.into() })
    }

    fn read(op: &str, text: &str) -> Result<Self, Problem> {
        fn whole<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
            json::parse(text.as_bytes())
        }
        match op {
            "message.send" => whole(text).map(Self::Send),
            "message.edit" => whole(text).map(Self::Edit),
            "message.recall" => whole(text).map(Self::Recall),
            "message.react" => whole(text).map(Self::React),
            "message.unreact" => whole(text).map(Self::Unreact),
            "message.pin" => whole(text).map(Self::Pin),
            "message.unpin" => whole(text).map(Self::Unpin),
            "message.star" => whole(text).map(Self::Star),
            "message.unstar" => whole(text).map(Self::Unstar),
            "message.listen" => whole(text).map(Self::Listen),
            "message.delete" => whole(text).map(Self::Delete),
            "message.list" => whole(text).map(Self::List),
            "conversation.read" => whole(text).map(Self::Read),
            "message.delivered" => whole(text).map(Self::Delivered),
            "sync" => whole(text).map(Self::Sync),
            "typing" => whole(text).map(Self::Typing),
            "presence.subscribe" => whole(text).map(Self::Subscribe),
            "presence.unsubscribe" => whole(text).map(Self::Unsubscribe),
            "presence.set" => whole(text).map(Self::SetPresence),
            "auth" => whole(text).map(Self::Auth),
            "ping" => whole(text).map(Self::Ping),
            _ => Err(Problem::invalid("/op", "is no op that is known")),
        }
    }

    /// The weight of a send's answer.
    pub const SEND_WEIGHT: usize = 1;

    /// To answer it under.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Send(frame) => Some(&frame.id),
            Self::Edit(frame) => Some(&frame.id),
            Self::Recall(frame) | Self::Pin(frame) | Self::Unpin(frame) => Some(&frame.id),
            Self::Star(frame) | Self::Unstar(frame) | Self::Listen(frame) | Self::Delete(frame) => Some(&frame.id),
            Self::React(frame) | Self::Unreact(frame) => Some(&frame.id),
            Self::List(frame) => Some(&frame.id),
            Self::Read(frame) => Some(&frame.id),
            Self::Delivered(frame) => Some(&frame.id),
            Self::Sync(frame) => Some(&frame.id),
            Self::Typing(frame) => frame.id.as_deref(),
            Self::Subscribe(frame) | Self::Unsubscribe(frame) => Some(&frame.id),
            Self::SetPresence(frame) => Some(&frame.id),
            Self::Auth(frame) => frame.id.as_deref(),
            Self::Ping(frame) => frame.id.as_deref(),
        }
    }

    /// For the metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => Self::NAMES[0],
            Self::List(_) => Self::NAMES[1],
            Self::Read(_) => Self::NAMES[2],
            Self::Auth(_) => Self::NAMES[3],
            Self::Ping(_) => Self::NAMES[4],
            Self::Edit(_) => Self::NAMES[5],
            Self::Recall(_) => Self::NAMES[6],
            Self::React(_) => Self::NAMES[7],
            Self::Unreact(_) => Self::NAMES[8],
            Self::Pin(_) => Self::NAMES[9],
            Self::Unpin(_) => Self::NAMES[10],
            Self::Sync(_) => Self::NAMES[11],
            Self::Delivered(_) => Self::NAMES[12],
            Self::Typing(_) => Self::NAMES[13],
            Self::Subscribe(_) => Self::NAMES[14],
            Self::Unsubscribe(_) => Self::NAMES[15],
            Self::SetPresence(_) => Self::NAMES[16],
            Self::Star(_) => Self::NAMES[17],
            Self::Unstar(_) => Self::NAMES[18],
            Self::Listen(_) => Self::NAMES[19],
            Self::Delete(_) => Self::NAMES[20],
        }
    }

    /// What its answer weighs until it is given: a page may be half a megabyte. What has none weighs nothing.
    pub const fn weight(&self) -> usize {
        match self {
            Self::List(_) | Self::Sync(_) => 64,
            Self::Typing(_) => 0,
            _ => Self::SEND_WEIGHT,
        }
    }
}

/// What is no object is no frame at all.
fn as_frame(problem: Problem) -> Problem {
    let whole = problem.errors.iter().any(|error| error.pointer.is_empty());
    if whole { Problem::malformed("a frame is one JSON object") } else { problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_domain::Code;
    use serde_json::json;
    use uuid::Uuid;

    #[track_caller]
    fn bad(text: &str) -> (Option<String>, Code, Vec<String>) {
        let Bad { id, problem } = Op::parse(text).unwrap_err();
        (id, problem.code, problem.errors.into_iter().map(|error| error.pointer).collect())
    }

    #[test]
    fn a_request_is_read_with_its_id() {
        let frame = json!({"id": "1", "op": "conversation.read", "conversation_id": Uuid::nil(), "seq": 7});
        let read = wire::ReadFrame {
            id: "1".to_owned(),
            op: "conversation.read".to_owned(),
            conversation_id: Uuid::nil(),
            seq: 7,
            command_id: None,
        };
        assert_eq!(Op::parse(&frame.to_string()).unwrap(), Op::Read(read));
    }

    #[test]
    fn what_is_no_object_is_malformed_and_has_no_id() {
        for text in ["", "{", "null", "[]", "\"x\"", "1", "{} {}"] {
            assert_eq!(bad(text), (None, Code::Malformed, vec![]), "{text}");
        }
    }

    #[test]
    fn an_unknown_op_is_invalid_under_its_id() {
        let unknown = (Some("7".to_owned()), Code::InvalidInput, vec!["/op".to_owned()]);
        for op in [json!("message.sent"), json!("typing "), json!("presence"), json!(1), Value::Null] {
            assert_eq!(bad(&json!({"id": "7", "op": op}).to_string()), unknown);
        }
        assert_eq!(bad(r#"{"id": "7"}"#), unknown);
    }

    #[test]
    fn a_wrong_field_is_invalid_under_its_id_and_pointer() {
        let id = Uuid::nil();
        for (frame, pointer) in [
            (json!({"id": "1", "op": "message.list", "conversation_id": id, "limit": -1}), "/limit"),
            (json!({"id": "1", "op": "message.list", "conversation_id": id, "sender_id": id}), "/sender_id"),
            (json!({"id": "1", "op": "message.list"}), "/conversation_id"),
            (json!({"id": "1", "op": "message.list", "conversation_id": "*"}), "/conversation_id"),
            (json!({"id": "1", "op": "conversation.read", "conversation_id": id, "seq": "1"}), "/seq"),
            (json!({"id": "1", "op": "message.delivered", "conversation_id": id, "seq": -1}), "/seq"),
            (json!({"id": "1", "op": "message.delivered", "seq": 1}), "/conversation_id"),
            (json!({"id": "1", "op": "message.edit", "conversation_id": id, "message_id": id}), "/body"),
            (json!({"id": "1", "op": "message.edit", "conversation_id": id, "message_id": id, "body": []}), "/body"),
            (json!({"id": "1", "op": "message.react", "conversation_id": id, "message_id": id}), "/emoji"),
            (json!({"id": "1", "op": "message.recall", "conversation_id": id, "message_id": "x"}), "/message_id"),
            (json!({"id": "1", "op": "message.pin", "conversation_id": id, "message_id": id, "emoji": "x"}), "/emoji"),
            (json!({"id": "1", "op": "auth", "token": 1}), "/token"),
            (json!({"id": "1", "op": "typing"}), "/conversation_id"),
            (json!({"id": "1", "op": "typing", "conversation_id": id, "account_id": id}), "/account_id"),
            (json!({"id": "1", "op": "presence.subscribe", "account_ids": id}), "/account_ids"),
            (json!({"id": "1", "op": "presence.unsubscribe", "account_ids": ["x"]}), "/account_ids/0"),
            (json!({"id": "1", "op": "presence.set", "state": 1}), "/state"),
        ] {
            assert_eq!(bad(&frame.to_string()), (Some("1".to_owned()), Code::InvalidInput, vec![pointer.to_owned()]));
        }
        let numbered = json!({"id": 1, "op": "conversation.read", "conversation_id": id, "seq": 1});
        assert_eq!(bad(&numbered.to_string()), (None, Code::InvalidInput, vec!["/id".to_owned()]));
    }

    #[test]
    fn every_named_op_is_understood() {
        for name in Op::NAMES {
            let text = json!({"id": "1", "op": name, "no such field": 1}).to_string();
            assert_eq!(Op::parse(&text).unwrap_err().problem.code, Code::InvalidInput, "{name}");
        }
    }
}
