//! What may be asked of a message. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use super::Place;
use crate::{Sealed, Timestamp, account::Mute, conversation::BodyKind};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// The actor of the context asks. `message` is what the log says of its birth.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    Edit {
        message: Place,
        body: Sealed,
        /// Of the message, which an edit leaves as it is.
        body_kind: BodyKind,
        /// Bytes of the body's text before sealing.
        size: u32,
        has_link: bool,
        /// Of the body's content: sealed bodies cannot be compared.
        fingerprint: Uuid,
        /// The same of the body that was sent.
        sent: Option<Uuid>,
        /// As in [`crate::conversation::Command::Send`].
        muted: Option<Mute>,
        /// How long after sending it is edited; zero: never.
        window: Duration,
    },
    Recall {
        message: Place,
        /// How long after sending its sender recalls it; zero: never.
        window: Duration,
    },
    React {
        message: Place,
        emoji: String,
    },
    Unreact {
        message: Place,
        emoji: String,
    },
    Pin {
        message: Place,
    },
    Unpin {
        message: Place,
    },
    /// The thread that begins with it.
    Follow {
        message: Place,
        follows: bool,
    },
    ReadThread {
        message: Place,
        seq: u64,
    },
    /// Natter itself, when the moment has come at which the message ends by itself.
    Expire {
        message: Place,
        expires_at: Timestamp,
    },
    /// For the actor alone. What is not said stays.
    Mark {
        message: Place,
        /// Of the message.
        body_kind: BodyKind,
        starred: Option<bool>,
        /// It was listened to.
        listened: bool,
        /// The actor has deleted it for themselves. It rides along, so that a repeat is not refused for it.
        is_gone: bool,
    },
}

impl Command {
    pub fn message(&self) -> &Place {
        match self {
            Self::Edit { message, .. }
            | Self::Recall { message, .. }
            | Self::React { message, .. }
            | Self::Unreact { message, .. }
            | Self::Pin { message }
            | Self::Unpin { message }
            | Self::Follow { message, .. }
            | Self::ReadThread { message, .. }
            | Self::Expire { message, .. }
            | Self::Mark { message, .. } => message,
        }
    }
}
