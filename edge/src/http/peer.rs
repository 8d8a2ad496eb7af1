//! Where a request comes from: the address at the other end of its connection. What a header says of it is not believed.

use axum::{extract::FromRequestParts, http::request::Parts};
use std::{convert::Infallible, net::IpAddr};

/// Put into each request by the server.
#[derive(Clone, Copy)]
pub struct Connected(pub IpAddr);

/// `None` where the doors are tried without a connection.
pub struct Peer(pub Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let connected = parts.extensions.get::<Connected>();
        // One that came over IPv6 to an IPv4 listener is the same.
        Ok(Self(connected.map(|Connected(address)| address.to_canonical())))
    }
}
