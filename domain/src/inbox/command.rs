//! What may be asked of an inbox. Its serde shape is for nodes of one version that ask each other; nothing stores it.
//! What the conversation has to say comes along as facts: this noun asks nobody.

use crate::{AccountId, ConversationId, MessageId, Sealed, Timestamp, account::Change};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Move cursors forward. The conversations' own word (`last_seq`, `entered_seq`, `outside`) comes along as facts.
    Advance { cursors: Vec<Advance> },
    /// Messages have come to a device of the owner's.
    Deliver { deliveries: Vec<Delivery> },
    /// Change how the conversation is shown to its owner.
    Change {
        conversation_id: ConversationId,
        /// The newest message that the owner may see.
        newest: u64,
        change: ViewChange<Sealed>,
    },
    /// Delete the conversation for its owner, up to that message.
    Clear {
        conversation_id: ConversationId,
        /// As above.
        newest: u64,
        /// Something ends because that counts as read (INB-17).
        ends_some: bool,
    },
    /// Delete one message for its owner.
    Delete {
        conversation_id: ConversationId,
        message_id: MessageId,
        /// Its number; 0 where there is none, as `outside` says then.
        seq: u64,
        outside: Option<Outside>,
    },
    /// Take back what was set of a conversation that is over for its owner.
    TakeBack { conversation_id: ConversationId, change: ViewChange<Sealed> },
    /// Move how far the announcement was read.
    ReadAnnouncement {
        conversation_id: ConversationId,
        seq: u64,
        /// The conversation's newest message.
        last_seq: u64,
        outside: Option<Outside>,
    },
}

/// Why there is nothing for them to read. It rides in the command, so that a repeat, which is not decided, is not refused for
/// what has changed since.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outside {
    NotFound,
    NotAMember,
    /// The conversation is theirs, and has no such message that they could see.
    NoMessage,
    /// What is asked is a group's.
    NotAGroup,
    /// What is asked is a direct conversation's.
    NotDirect,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Advance {
    pub conversation_id: ConversationId,
    pub seq: u64,
    /// The conversation's newest message when the command was made: a cursor beyond it is refused.
    pub last_seq: u64,
    /// Where the member came, which is behind the begin of what they see where history is shared: the cursor's least value.
    pub entered_seq: u64,
    pub peer: Option<AccountId>,
    /// Whether the peer is told that it was read; if not, that it has come.
    pub is_shown: bool,
    /// Whether messages end because they are read.
    pub ends_some: bool,
    pub outside: Option<Outside>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Delivery {
    pub conversation_id: ConversationId,
    /// Everything up to here has come.
    pub seq: u64,
    /// As in [`Advance`].
    pub last_seq: u64,
    pub peer: Option<AccountId>,
    pub outside: Option<Outside>,
}

/// What is to become of a view, field by field. `T`: a text, or its sealed form. The same text is always sealed to the
/// same value: what is so already is recognised by that.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ViewChange<T> {
    pub pinned: Option<bool>,
    pub quiet_until: Change<Timestamp>,
    pub archived: Option<bool>,
    pub hidden: Option<bool>,
    pub folder: Change<T>,
    pub draft: Change<T>,
    pub marked_unread: Option<bool>,
}

/// Nothing: all of it stays.
impl<T> Default for ViewChange<T> {
    fn default() -> Self {
        Self {
            pinned: None,
            quiet_until: Change::Keep,
            archived: None,
            hidden: None,
            folder: Change::Keep,
            draft: Change::Keep,
            marked_unread: None,
        }
    }
}

impl<T> ViewChange<T> {
    /// All of it goes.
    pub fn away() -> Self {
        Self {
            pinned: Some(false),
            quiet_until: Change::Clear,
            archived: Some(false),
            hidden: Some(false),
            folder: Change::Clear,
            draft: Change::Clear,
            marked_unread: Some(false),
        }
    }

    /// Nothing is set by it.
    pub(super) fn only_takes_back(&self) -> bool {
        let flags = [self.pinned, self.archived, self.hidden, self.marked_unread];
        let texts = [&self.folder, &self.draft];
        !flags.contains(&Some(true))
            && !matches!(self.quiet_until, Change::Set(_))
            && !texts.iter().any(|it| matches!(it, Change::Set(_)))
    }
}
