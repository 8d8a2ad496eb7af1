//! `GET /ws`: the way in. A token in the header must be good; one in a sub-protocol may be bad, and is then told by a
//! close code, since browsers cannot see the status of a refused upgrade.

use super::drive;
use crate::{
    auth::{Identity, Refused},
    door::{Full, Visitor},
    edge::Edge,
    http::{problem::Problem, router::Routes},
};
use axum::{
    Extension,
    extract::{
        State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, header},
    response::Response,
};
use natter_domain::{Code, limit};
use std::{sync::Arc, time::Duration};
use utoipa_axum::routes;

const PROTOCOL: &str = "natter.v1";
const BEARER: &str = "bearer.";

/// Read eagerly for each connection: the library's default costs 128 KiB each.
const READ_BUFFER: usize = 4 * 1024;

/// Frames that wait together leave in one system call; grows on use, so an idle connection has none.
const WRITE_BUFFER: usize = 16 * 1024;
/// Beyond this a connection's own frames do not fit: the largest is a page of messages.
const WRITE_BUFFER_MAX: usize = 2 * 1024 * 1024;

/// When one of too many connections may have ended.
const AGAIN: Duration = Duration::from_secs(10);

pub fn routes() -> Routes {
    Routes::new().routes(routes!(open))
}

/// A WebSocket. The access token comes in the `Authorization` header, in a sub-protocol `bearer.<token>`, or in the
/// first frame.
#[utoipa::path(get, path = "/ws", operation_id = "socket_open", tag = "socket", responses(
    (status = 101, description = "The sub-protocol is `natter.v1`, where it was offered."),
    (status = 400, description = "`malformed`: no WebSocket handshake"),
    (status = 401, description = "`unauthenticated`, `token_expired`: the token in the header is bad"),
    (status = 403, description = "`forbidden`: a page of another origin"),
    (status = 429, description = "`rate_limited`: too often, or too many from one address"),
))]
async fn open(
    State(edge): State<Arc<Edge>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if !edge.door.opens_to(&headers) {
        return Err(Problem::new(Code::Forbidden, "pages of that origin open no WebSocket here"));
    }
    let credentials = credentials(&edge, &headers)?;
    let upgrade = upgrade.map_err(|rejection| Problem::malformed(rejection.to_string()))?;
    let place = edge.door.socket(visitor).map_err(|Full| Problem::too_often(AGAIN))?;
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_frame_size(limit::FRAME_MAX_BYTES)
        .max_message_size(limit::FRAME_MAX_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _place = place;
        drive::begin(socket, edge, visitor, credentials).await;
    }))
}

/// What was found of the token; nothing where the first frame is to bring it.
fn credentials(edge: &Edge, headers: &HeaderMap) -> Result<Option<Result<Identity, Refused>>, Problem> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(Some(Ok(edge.auth.authenticate(headers)?)));
    }
    Ok(offered_token(headers).map(|token| edge.auth.verify(token)))
}

fn offered_token(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let protocols = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    protocols.map(str::trim).find_map(|protocol| protocol.strip_prefix(BEARER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_token_may_be_offered_as_a_sub_protocol() {
        let offered = |text: &'static str| {
            let headers = HeaderMap::from_iter([(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(text))]);
            offered_token(&headers).map(str::to_owned)
        };
        assert_eq!(offered("natter.v1, bearer.a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(offered("bearer.").as_deref(), Some(""));
        assert_eq!(offered("natter.v1"), None);
    }
}
