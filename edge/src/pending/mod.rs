//! Messages that wait to be said.

pub mod http;

use crate::{edge::Inside, http::problem::Problem};
use natter_client::wire;
use natter_commands::{Caller, Named};
use natter_domain::{Code, Timestamp, limit};
use natter_projections::Projection;

/// What answers about them are made of.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations];

/// Before another one waits. Where two come at once one more may: the lanes keep the bound of each conversation.
pub async fn has_room(inside: &Inside, caller: Caller) -> Result<(), Problem> {
    let waiting = inside.projections.pending().count(caller.account).await?;
    if waiting < limit::PENDING_OF_ONE_MAX {
        return Ok(());
    }
    Err(Problem::new(Code::Conflict, "too much waits already"))
}

/// That it lies ahead, the lane of its conversation looks at.
fn moment(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).ok_or_else(|| Problem::invalid("/send_at", "must be an RFC 3339 time"))
}

async fn shown(inside: &Inside, caller: Caller, of: Named) -> Result<Option<wire::Scheduled>, Problem> {
    Ok(inside.projections.pending().one(caller.account, of.conversation, of.message).await?)
}
