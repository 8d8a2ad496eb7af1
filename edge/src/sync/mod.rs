//! What changed for the caller since they last asked. REST and WebSocket come through the same function.

pub mod http;
pub mod socket;

use crate::{edge::Inside, http::problem::Problem};
use natter_client::wire;
use natter_commands::Caller;
use natter_projections::{Error, Projection};

pub const SHOWN_BY: &[Projection] = &[Projection::Relations, Projection::History];

/// An answer's JSON ends before this, unless one thing of each kind does not fit: a connection's buffers stay small.
const ANSWER_MAX_BYTES: usize = 512 * 1024;

/// Things of one answer at most.
const THINGS_MAX: usize = 200;

/// The next page: as many things as fit.
async fn page(inside: &Inside, caller: Caller, cursor: Option<&str>) -> Result<wire::Sync, Problem> {
    let mut things = THINGS_MAX;
    loop {
        let answer = inside.projections.sync().since(caller.account, cursor, things).await.map_err(refused)?;
        let bytes = serde_json::to_vec(&answer).map_err(Problem::internal)?.len();
        if bytes <= ANSWER_MAX_BYTES || things == 1 {
            return Ok(answer);
        }
        // As many as would have fitted, were all of one size.
        things = (things * ANSWER_MAX_BYTES / bytes).clamp(1, things / 2);
    }
}

fn refused(error: Error) -> Problem {
    match error {
        Error::BadCursor => Problem::invalid("/cursor", "is no cursor of this account"),
        other => other.into(),
    }
}
