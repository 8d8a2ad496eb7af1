//! Answers that are no errors: JSON, and the position of what was written.

use super::position;
use axum::{
    Json,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use natter_streams::Positions;
use serde::Serialize;

/// The answer to a write: where it stands in the log, and the thing itself.
pub struct Written<T>(pub StatusCode, pub Positions, pub T);

impl<T> Written<T> {
    pub fn ok(positions: Positions, thing: T) -> Self {
        Self(StatusCode::OK, positions, thing)
    }

    /// 201 where it is new, 200 where it was there.
    pub fn new(created: bool, positions: Positions, thing: T) -> Self {
        Self(if created { StatusCode::CREATED } else { StatusCode::OK }, positions, thing)
    }
}

impl<T: Serialize> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        let Self(status, positions, thing) = self;
        at(&positions, (status, Json(thing)).into_response())
    }
}

/// The answer to a write that shows a thing as it is now: 200. 204 where it is there no more for the caller, as a repeat may
/// find it: the write stands all the same.
pub struct Shown<T>(pub Positions, pub Option<T>);

impl<T: Serialize> IntoResponse for Shown<T> {
    fn into_response(self) -> Response {
        let Self(positions, thing) = self;
        match thing {
            Some(thing) => Written::ok(positions, thing).into_response(),
            None => Done(positions).into_response(),
        }
    }
}

/// The answer to a write that has nothing to show: 204.
pub struct Done(pub Positions);

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        at(&self.0, StatusCode::NO_CONTENT.into_response())
    }
}

fn at(positions: &Positions, mut response: Response) -> Response {
    if !positions.is_empty() {
        let token = HeaderValue::try_from(positions.to_string()).expect("a position token is plain ASCII");
        response.headers_mut().insert(position::HEADER, token);
    }
    response
}
