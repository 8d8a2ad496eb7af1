//! `sync`.

use super::{SHOWN_BY, page};
use crate::{
    edge::Inside,
    http::{position, problem::Problem},
};
use natter_client::wire;
use natter_commands::Caller;

pub async fn sync(inside: &Inside, caller: Caller, frame: wire::SyncFrame) -> Result<wire::Sync, Problem> {
    let token = frame.position.map(|token| position::parse(&token, inside.lanes)).transpose()?;
    position::wait(inside, &token.unwrap_or_default(), SHOWN_BY).await?;
    page(inside, caller, frame.cursor.as_deref()).await
}
