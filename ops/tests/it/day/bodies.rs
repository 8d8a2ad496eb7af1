//! A body of every kind that somebody may send.

use natter_testkit::{client::new_id, wire::Body};
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

pub const KINDS: usize = 11;
pub const VOICE: usize = 2;

/// One kind after the other.
pub fn of_kind(number: usize, words: &str, somebody: Uuid) -> Body {
    let file_id = new_id();
    let kinds: [_; KINDS] = [
        json!({"kind": "text", "text": format!("**{words}**"), "format": "markdown"}),
        json!({"kind": "image", "file_id": file_id, "media_type": "image/png", "width": 640, "height": 480, "caption": words}),
        json!({"kind": "voice", "file_id": file_id, "duration_ms": 1_500, "waveform": [0, 120, 255]}),
        json!({"kind": "video", "file_id": file_id, "name": "a film.mp4", "duration_ms": 9_000}),
        json!({"kind": "file", "file_id": file_id, "name": "a file.pdf", "size": 12_345, "caption": words}),
        json!({"kind": "location", "latitude": 52.5, "longitude": 13.25, "name": "by the bridge"}),
        json!({"kind": "contact", "account_id": somebody, "name": "somebody"}),
        json!({"kind": "link", "url": "https://natter.example/page", "title": "a page"}),
        json!({"kind": "sticker", "sticker_id": "cat-7", "pack_id": "cats", "emoji": "🐈"}),
        json!({"kind": "custom", "type": "com.example.poll", "data": {"options": ["tea", "coffee"]}, "text": words}),
        json!({"kind": "opaque", "algorithm": "mls", "ciphertext": "b3BhcXVl"}),
    ];
    let body = kinds[number % KINDS].clone();
    serde_json::from_value(body).expect("a body of the contract")
}

/// The first kind that is not among these.
pub fn unsaid(kinds: &BTreeSet<String>) -> Option<usize> {
    (0..KINDS).find(|number| !kinds.contains(&kind(&of_kind(*number, "", Uuid::nil()))))
}

/// Its name in the contract.
pub fn kind(body: &Body) -> String {
    serde_json::to_value(body).expect("a body is JSON")["kind"].as_str().unwrap_or_default().to_owned()
}
