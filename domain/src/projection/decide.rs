//! What is answered to who asks something of a projection.

use super::{Command, Event, State};
use crate::{Code, value};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("who asks must be named, in 1 to 100 characters without control characters")]
    Nameless,
    #[error("nothing is named that could be given up")]
    Nothing,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        Code::InvalidInput
    }
}

pub fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    if state.last_request == Some(command.request_id()) {
        return Ok(vec![]); // PRJ-3
    }
    if !value::is_operator(command.by()) {
        return Err(Refusal::Nameless); // PRJ-1
    }
    match command.clone() {
        Command::Retry { request_id, projection, aggregate_id, by } => {
            Ok(vec![Event::RetryRequested { request_id, projection, aggregate_id, by }])
        }
        Command::Skip { event_ids, .. } if event_ids.is_empty() => Err(Refusal::Nothing), // PRJ-2
        Command::Skip { request_id, projection, aggregate_id, event_ids, by } => {
            Ok(vec![Event::SkipRequested { request_id, projection, aggregate_id, event_ids, by }])
        }
    }
}
