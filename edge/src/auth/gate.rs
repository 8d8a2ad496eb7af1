//! The gate: everything behind it has a verified caller. Whether a route stands behind it is said once, in
//! `http/router.rs`, and tried for every route of the API description.

use super::Identity;
use crate::{
    door::{layer, table::By, told::Counted},
    edge::Edge,
    http::problem::Problem,
};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse, Response},
};
use natter_commands::{Caller, Keyed};
use std::sync::Arc;

/// Lets verified callers pass, before anything else of the request is looked at.
pub async fn signed_in(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let identity = edge.auth.authenticate(request.headers())?;
    request.extensions_mut().insert(identity);
    let limits = layer::limits(&request, &[By::Account, By::Session]);
    let counted = match edge.door.count_caller(identity.caller, limits).await {
        Ok(counted) => counted,
        Err(refused) => return Ok(refused.into_response()),
    };
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Counted(counted));
    Ok(response)
}

/// The verified caller of this request.
#[derive(Clone, Copy)]
pub struct Viewer(pub Caller);

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let identity = parts.extensions.get::<Identity>();
        identity
            .map(|identity| Self(identity.caller))
            .ok_or_else(|| Problem::internal("a route that needs a caller stands before the gate"))
    }
}

/// The verified caller of a write, and the key under which the first answer is to be given again.
pub struct Writer(pub Keyed);

impl<S: Sync> FromRequestParts<S> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Viewer(caller) = Viewer::from_request_parts(parts, state).await?;
        Ok(Self(Keyed { caller, key: crate::http::key::read(&parts.headers)? }))
    }
}
