//! What operators may have asked of a projection. A storage contract: see `domain/tests/golden/projection/`.

use crate::EventId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    RetryRequested {
        request_id: Uuid,
        projection: String,
        /// None: all that was set aside.
        aggregate_id: Option<Uuid>,
        by: String,
    },
    SkipRequested {
        request_id: Uuid,
        projection: String,
        aggregate_id: Uuid,
        event_ids: Vec<EventId>,
        by: String,
    },
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::RetryRequested { .. } => "retry_requested",
            Self::SkipRequested { .. } => "skip_requested",
        }
    }
}
