//! What may be asked of a projection. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use crate::EventId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Apply what was set aside once more, of one aggregate and what waits with it or of all.
    Retry { request_id: Uuid, projection: String, aggregate_id: Option<Uuid>, by: String },
    /// Give these events up.
    Skip { request_id: Uuid, projection: String, aggregate_id: Uuid, event_ids: Vec<EventId>, by: String },
}

impl Command {
    pub(super) fn request_id(&self) -> Uuid {
        match self {
            Self::Retry { request_id, .. } | Self::Skip { request_id, .. } => *request_id,
        }
    }

    pub(super) fn by(&self) -> &str {
        match self {
            Self::Retry { by, .. } | Self::Skip { by, .. } => by,
        }
    }
}
