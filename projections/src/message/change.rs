//! A message as it is kept, and what events do to it. A message at a position is the fold of its changes up to there:
//! [`Change::birth`], then [`Message::apply`].

use natter_domain::{
    AccountId, ConversationId, KeyId, MessageId, Sealed, Timestamp,
    conversation::{BodyKind, Details},
};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub conversation_id: ConversationId,
    pub seq: u64,
    pub message_id: MessageId,
    /// `None`: a system message.
    pub sender: Option<AccountId>,
    /// `None`: recalled, or sealed in a way that this binary does not know.
    pub body: Option<Body>,
    /// Of a recalled one nothing is left.
    pub details: Details,
    pub sent_at: Timestamp,
    pub edited_at: Option<Timestamp>,
    pub recalled_at: Option<Timestamp>,
    pub recalled_by: Option<AccountId>,
    pub pinned_at: Option<Timestamp>,
    /// When it ends by itself; `None` also while it was not read yet after which it does.
    pub expires_at: Option<Timestamp>,
    /// Emoji -> how many; never 0.
    pub reactions: BTreeMap<String, u64>,
    /// Of its birth, in the conversation's lane.
    pub position: u64,
    /// Of its newest change; `position` where there was none.
    pub changed: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    Sealed(Sealed),
    /// The body's JSON: ids only, nothing personal.
    System(String),
}

impl Body {
    /// The text form in stores, read. JSON begins with a brace, nothing sealed does.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('{') { Some(Self::System(text.to_owned())) } else { Sealed::parse(text).map(Self::Sealed) }
    }
}

/// The text form in stores.
impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed(sealed) => sealed.fmt(f),
            Self::System(json) => f.write_str(json),
        }
    }
}

/// What an event does to history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub conversation_id: ConversationId,
    pub seq: u64,
    /// The event's, in the conversation's lane.
    pub position: u64,
    pub at: Timestamp,
    pub what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    Sent {
        message_id: MessageId,
        sender: Option<AccountId>,
        body: Body,
        /// `None`: a system message.
        kind: Option<BodyKind>,
        details: Box<Details>,
    },
    Edited {
        body: Body,
        has_link: bool,
    },
    /// Of what it said, and of what became of it, nothing is left: only that it was recalled, when, and by whom.
    Recalled {
        /// `None`: by nobody, it ended by itself.
        by: Option<AccountId>,
    },
    /// `count`: of that emoji on that message, with this one.
    Reacted {
        account: AccountId,
        emoji: String,
        count: u64,
    },
    Unreacted {
        account: AccountId,
        emoji: String,
        count: u64,
    },
    Pinned,
    Unpinned,
    /// It was read, and ends by itself then.
    Counting {
        expires_at: Timestamp,
    },
}

impl What {
    /// A text and nothing else is sent.
    pub fn text(message_id: MessageId, sender: AccountId, body: Body) -> Self {
        let (kind, details) = (Some(BodyKind::Text), Box::default());
        Self::Sent { message_id, sender: Some(sender), body, kind, details }
    }
}

impl Change {
    /// The message that the change brings into being, if it does.
    pub fn birth(&self) -> Option<Message> {
        let What::Sent { message_id, sender, body, details, .. } = &self.what else { return None };
        Some(Message {
            conversation_id: self.conversation_id,
            seq: self.seq,
            message_id: *message_id,
            sender: *sender,
            body: Some(body.clone()),
            details: (**details).clone(),
            sent_at: self.at,
            edited_at: None,
            recalled_at: None,
            recalled_by: None,
            pinned_at: None,
            expires_at: details.self_destruct.and_then(|it| it.expires_at()),
            reactions: BTreeMap::new(),
            position: self.position,
            changed: self.position,
        })
    }
}

/// Whose a body is: the conversation's, or, of what somebody says to themselves, its sender's.
pub(crate) fn sealed_for(key: KeyId, conversation: ConversationId, sender: Option<AccountId>) -> Uuid {
    match (key, sender) {
        (KeyId::Owner, Some(sender)) => sender.0,
        (KeyId::Owner | KeyId::Installation | KeyId::Month(_), _) => conversation.0,
    }
}

impl Message {
    /// What its body is opened with, and for whom.
    pub(crate) fn key(&self) -> Option<(Uuid, KeyId)> {
        match self.body.as_ref()? {
            Body::Sealed(sealed) => Some((sealed_for(sealed.key, self.conversation_id, self.sender), sealed.key)),
            Body::System(_) => None,
        }
    }

    /// The same, and of the words of what it answers.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Uuid, KeyId)> + '_ {
        let quoted = self.details.reply_to.as_ref().and_then(|quote| quote.excerpt.as_ref());
        let quoted = quoted.map(|sealed| (sealed_for(sealed.key, self.conversation_id, self.sender), sealed.key));
        self.key().into_iter().chain(quoted)
    }

    /// Changes of one message in rising positions; one that is not newer changes nothing, nor does any behind a recall.
    pub fn apply(&mut self, change: &Change) {
        if change.position <= self.changed || self.recalled_at.is_some() {
            return;
        }
        self.changed = change.position;
        match &change.what {
            What::Sent { .. } => {}
            What::Edited { body, .. } => (self.body, self.edited_at) = (Some(body.clone()), Some(change.at)),
            What::Recalled { by } => {
                (self.body, self.details, self.edited_at) = (None, Details::default(), None);
                (self.pinned_at, self.expires_at, self.reactions) = (None, None, BTreeMap::new());
                (self.recalled_at, self.recalled_by) = (Some(change.at), *by);
            }
            What::Reacted { emoji, count, .. } | What::Unreacted { emoji, count, .. } => {
                if *count == 0 {
                    self.reactions.remove(emoji);
                } else {
                    self.reactions.insert(emoji.clone(), *count);
                }
            }
            What::Pinned => self.pinned_at = Some(change.at),
            What::Unpinned => self.pinned_at = None,
            What::Counting { expires_at } => self.expires_at = Some(*expires_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_from_their_text() {
        let sealed = Body::Sealed(Sealed { key: KeyId::Installation, bytes: vec![1, 2, 3] });
        let system = Body::System(r#"{"kind":"system"}"#.to_owned());
        for body in [sealed, system] {
            assert_eq!(Body::parse(&body.to_string()), Some(body));
        }
        assert_eq!(Body::parse("unknown.AQID"), None);
    }
}
