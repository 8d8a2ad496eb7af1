//! What happens to each request at the door, in this order: where it comes from is found out, and whether that is let
//! in; a browser that asks what a page may send is told; it is counted; it is let in if there is room; and it ends in time.

use super::{
    Keeper, Verdict, Visitor,
    table::{self, By, FREE, Limit},
    told::{Counted, tell},
};
use crate::{
    edge::Edge,
    http::{json::Within, peer::Connected, problem::Problem},
    metrics,
};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use natter_domain::Code;
use std::{sync::Arc, time::Duration};

/// A year.
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// In a second there may be room again.
const SOON: Duration = Duration::from_secs(1);

pub async fn attend(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let keeper = &edge.door;
    let peer = request.extensions().get::<Connected>().map(|Connected(peer)| *peer);
    let visitor = keeper.visitor(peer, request.headers());
    request.extensions_mut().insert(visitor);
    request.extensions_mut().insert(Within(keeper.settings.bounds.body));
    let origin = keeper.settings.origins.named(request.headers());
    let mut response = keeper.answer(visitor, request, next).await;
    keeper.settings.origins.mark(origin, &mut response);
    if keeper.says_tls {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
    if let Some(Counted(counted)) = response.extensions_mut().remove() {
        tell(&counted, response.headers_mut());
    }
    response
}

/// Those that count this request by one of these.
pub fn limits(request: &Request, by: &[By]) -> Vec<&'static Limit> {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    table::of_request(request.method().as_str(), route, by)
}

impl Keeper {
    async fn answer(&self, visitor: Visitor, request: Request, next: Next) -> Response {
        if visitor.verdict == Some(Verdict::Deny) {
            metrics::denied();
            return Problem::new(Code::Forbidden, "nobody is let in from there").into_response();
        }
        if FREE.contains(&request.uri().path()) {
            return match self.signed(request).await {
                Ok(request) => next.run(request).await,
                Err(problem) => problem.into_response(),
            };
        }
        let limits = limits(&request, &[By::Address]);
        let counted = match self.count_visitor(visitor, limits).await {
            Ok(counted) => counted,
            Err(refused) => return refused.into_response(),
        };
        let mut response = match self.settings.origins.preflight(request.method(), request.headers()) {
            Some(told) => told,
            None => self.hand_on(request, next).await,
        };
        let behind = response.extensions_mut().remove::<Counted>().unwrap_or_default();
        response.extensions_mut().insert(Counted([counted, behind.0].concat()));
        response
    }

    /// Lets a request in if there is room, and has it end in time. What was begun behind the door goes on without it.
    async fn hand_on(&self, request: Request, next: Next) -> Response {
        let Some(_under_way) = self.enter() else {
            metrics::shed("request");
            return Problem { retry_after: Some(SOON.as_secs()), ..Problem::unavailable() }.into_response();
        };
        let answered = async {
            match self.signed(request).await {
                Ok(request) => next.run(request).await,
                Err(problem) => problem.into_response(),
            }
        };
        match tokio::time::timeout(self.settings.bounds.request, answered).await {
            Ok(response) => response,
            Err(_) => {
                metrics::slow("request");
                Problem::unavailable().into_response()
            }
        }
    }
}
