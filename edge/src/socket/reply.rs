//! Frames that we make: answers and notices, as text.

use crate::http::problem::Problem;
use axum::extract::ws::Utf8Bytes;
use natter_client::wire::{self, Reply};
use serde::Serialize;

/// The answer to a frame.
pub fn reply<T: Serialize>(id: Option<String>, outcome: Result<T, Problem>) -> Utf8Bytes {
    match outcome {
        Ok(ok) => text(&Reply { id, ok: Some(ok), error: None }),
        Err(problem) => refusal(id, &problem),
    }
}

pub fn refusal(id: Option<String>, problem: &Problem) -> Utf8Bytes {
    text(&Reply::<()> { id, ok: None, error: Some(problem.frame()) })
}

pub fn notice(notice: &wire::Notice) -> Utf8Bytes {
    text(notice)
}

fn text(frame: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(frame).expect("a frame of plain fields is JSON").into()
}
