//! What somebody says, as the doors hand it on.

use natter_domain::{
    MessageId,
    conversation::{BodyKind, Lifetime, Mentions},
};
use serde_json::json;

/// A body that was checked. Without `Debug`: what people write stands in no log.
#[derive(Clone)]
pub struct GivenBody {
    /// As clients are to get it.
    pub json: String,
    pub kind: BodyKind,
    /// Bytes of its texts.
    pub size: u32,
    pub has_link: bool,
    /// As its sender gave it, where it is another by now: a repeat is known by that.
    pub given: Option<String>,
}

impl GivenBody {
    /// A text without a link.
    pub fn text(json: impl Into<String>, size: u32) -> Self {
        Self { json: json.into(), kind: BodyKind::Text, size, has_link: false, given: None }
    }

    /// What it is known by.
    pub(crate) fn known(&self) -> &String {
        self.given.as_ref().unwrap_or(&self.json)
    }
}

/// A message on its way.
#[derive(Clone)]
pub struct Outgoing {
    pub message_id: MessageId,
    pub body: GivenBody,
    /// The message of the same conversation that it answers.
    pub reply_to: Option<MessageId>,
    /// A message of the thread that it is a reply in.
    pub thread: Option<MessageId>,
    pub mentions: Mentions,
    pub silent: bool,
    /// What is forwarded, and from where: the same again is the same message, though its source has changed since.
    pub forwarded: Option<String>,
    /// It ends by itself.
    pub self_destruct: Option<Lifetime>,
}

impl Outgoing {
    /// Nothing but a body.
    pub fn plain(message_id: MessageId, body: GivenBody) -> Self {
        let (mentions, self_destruct) = Default::default();
        Self { message_id, body, reply_to: None, thread: None, mentions, silent: false, forwarded: None, self_destruct }
    }

    /// `None`: as it is.
    #[must_use]
    pub fn saying(self, changed: Option<GivenBody>) -> Self {
        Self { body: changed.unwrap_or(self.body), ..self }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.reply_to.is_none()
            && self.thread.is_none()
            && self.mentions.is_nobody()
            && !self.silent
            && self.forwarded.is_none()
            && self.self_destruct.is_none()
    }

    /// All that makes it another message under the same id: of a plain one its body.
    pub(crate) fn content(&self) -> String {
        if self.is_plain() {
            return self.body.known().clone();
        }
        let Self { reply_to, thread, mentions, silent, forwarded, self_destruct, .. } = self;
        let said = forwarded.as_ref().unwrap_or(self.body.known());
        let mut more = json!({"reply_to": reply_to, "thread": thread, "mentions": mentions, "silent": silent});
        // Those without stay known by what they were known by before there was this.
        if let Some(lifetime) = self_destruct {
            more["self_destruct"] = json!(lifetime);
        }
        format!("{said}\n{more}")
    }
}
