//! Where a request comes from, as the door has found out (`door/address.rs`).

use crate::door::Visitor;
use axum::{extract::FromRequestParts, http::request::Parts};
use std::{convert::Infallible, net::IpAddr};

/// The other end of the connection, put into each request by the server. A proxy, maybe: only the door reads it.
#[derive(Clone, Copy)]
pub struct Connected(pub IpAddr);

/// Who that is to the door. Nobody it knows, where the doors are tried without a connection.
pub struct Guest(pub Visitor);

impl<S: Sync> FromRequestParts<S> for Guest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Visitor>().copied().unwrap_or_default()))
    }
}

/// The address alone. `None` where the doors are tried without a connection.
pub struct Peer(pub Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Guest(visitor) = Guest::from_request_parts(parts, state).await?;
        Ok(Self(visitor.address))
    }
}
