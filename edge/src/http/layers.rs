//! What happens around every request, whatever its path: its id, its span, its metrics, headers that browsers heed,
//! a body for every error, and an answer even where a handler panicked.

use super::{problem, problem::Problem, request_id};
use crate::metrics;
use axum::{
    body::HttpBody as _,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use std::{panic::AssertUnwindSafe, time::Instant};
use tracing::Instrument;

/// The page at `/docs` runs its own scripts and styles, and nothing from elsewhere.
const DOCS_POLICY: &str =
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";
/// Answers of the API show nothing and run nothing.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

pub async fn around(request: Request, next: Next) -> Response {
    let id = request_id::of(request.headers());
    let text = id.to_str().unwrap_or_default().to_owned();
    let method = request.method().clone();
    let is_docs = request.uri().path().starts_with("/docs");
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id = text, %method, route);
    let begun = Instant::now();

    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let answered = answered.unwrap_or_else(|_| Problem::internal("a handler panicked").into_response());
    let mut response = span.in_scope(|| problem::render(answered, &text));

    metrics::answered(&method, route, response.status(), begun.elapsed());
    response.headers_mut().insert(request_id::HEADER, id);
    secure(&mut response, is_docs);
    without_body_of_head(&method, response)
}

fn secure(response: &mut Response, is_docs: bool) {
    let policy = if is_docs { DOCS_POLICY } else { API_POLICY };
    let mut set = |name: HeaderName, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, policy);
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    if !is_docs {
        set(header::CACHE_CONTROL, "no-store");
    }
}

/// An error's body is written here, after the router took the bodies of answers to HEAD away.
fn without_body_of_head(method: &Method, mut response: Response) -> Response {
    if method == Method::HEAD {
        if let Some(length) = response.body().size_hint().exact().filter(|&length| length > 0) {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        *response.body_mut() = axum::body::Body::empty();
    }
    response
}
