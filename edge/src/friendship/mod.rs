//! Becoming friends, being friends, and not wanting to hear of somebody. A request is addressed by its id alone; the
//! friendship that holds it is found in the projection.

pub mod block;
pub mod friend;
mod given;
pub mod http;

use crate::{edge::Inside, http::problem::Problem};
use natter_client::wire;
use natter_domain::{AccountId, FriendshipId, RequestId};
use natter_projections::Projection;

/// What answers about friends are made of.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations];

/// A request that the viewer may know of. On a miss the projection is given the time to catch up: the request may
/// have been pushed to the viewer before it is shown.
pub async fn find(
    inside: &Inside,
    viewer: AccountId,
    id: RequestId,
) -> Result<(FriendshipId, wire::FriendRequest), Problem> {
    if let Some(found) = inside.projections.friendship().request(viewer, id).await? {
        return Ok(found);
    }
    inside.projections.catch_up(SHOWN_BY).await?;
    inside.projections.friendship().request(viewer, id).await?.ok_or_else(Problem::not_found)
}
