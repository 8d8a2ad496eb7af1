//! People. Every signed-in person may read the public part of an account.

pub mod given;
pub mod http;
pub mod mutes;
pub mod settings;

use crate::{
    edge::Inside,
    http::{answer::Written, position, problem::Problem},
};
use natter_client::wire;
use natter_commands::Caller;
use natter_projections::Projection;
use natter_streams::Positions;

/// What answers about accounts are made of.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations];

/// The caller's own account, as it is after what they wrote.
pub async fn own_after(
    inside: &Inside,
    caller: Caller,
    positions: Positions,
) -> Result<Written<wire::Account>, Problem> {
    position::wait(inside, &positions, SHOWN_BY).await?;
    let account = inside.projections.account().own(caller.account).await?.ok_or_else(Problem::not_found)?;
    Ok(Written::ok(positions, account))
}
