//! `Natter-Position`: handed out by writes, waited for by reads.

use super::problem::Problem;
use crate::edge::{Edge, Inside};
use axum::{
    extract::FromRequestParts,
    http::{HeaderName, request::Parts},
};
use natter_projections::Projection;
use natter_streams::{Lanes, Positions};
use std::{sync::Arc, time::Duration};

pub const HEADER: HeaderName = HeaderName::from_static("natter-position");

/// The longest token that is read: every lane of 256, each once.
const MAX_BYTES: usize = 16 * 1024;

/// A read waits no longer for what it did not name: stale is better than late.
const FRESH: Duration = Duration::from_millis(250);

pub fn parse(text: &str, lanes: Lanes) -> Result<Positions, Problem> {
    let positions = (text.len() <= MAX_BYTES).then(|| Positions::parse(text, lanes)).flatten();
    positions.ok_or_else(|| Problem::malformed("Natter-Position is not a token of this installation"))
}

/// What the caller wants to see, from its header; nothing where there is none.
pub struct Seen(Positions);

impl Seen {
    /// Waits until the projections that the answer is made of show it.
    pub async fn by(&self, inside: &Inside, projections: &[Projection]) -> Result<(), Problem> {
        wait(inside, &self.0, projections).await
    }
}

impl FromRequestParts<Arc<Edge>> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let mut positions = Positions::default();
        for value in parts.headers.get_all(HEADER) {
            positions.merge(&parse(value.to_str().unwrap_or_default(), edge.lanes)?);
        }
        Ok(Self(positions))
    }
}

/// Waits until the projections show these positions. Whatever was acknowledged before is shown too, named or not, unless
/// the read side lags by more than [`FRESH`], or it was written by another process within the last second.
pub async fn wait(inside: &Inside, positions: &Positions, projections: &[Projection]) -> Result<(), Problem> {
    let _ = inside.projections.freshen(FRESH, projections).await;
    if positions.is_empty() {
        return Ok(());
    }
    Ok(inside.projections.wait(positions, projections).await?)
}
