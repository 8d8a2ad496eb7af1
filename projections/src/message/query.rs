//! Messages for those who may see them. Every query passes the gate first.

use crate::{
    Error, Shared,
    gate::{self, Membership},
    message::{Message, Order},
};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, MessageId, limit};
use natter_streams::keyring::Keyring;

pub struct Query<'a>(pub(crate) &'a Shared);

/// Which messages; the bounds are exclusive. Newest first, with `after_seq` oldest first.
#[derive(Clone, Copy, Default, Debug)]
pub struct Range {
    pub before_seq: Option<u64>,
    pub after_seq: Option<u64>,
    /// Never more than 200 are given.
    pub limit: u32,
}

impl Query<'_> {
    /// `None`: the conversation does not exist for the viewer. An empty page is the end.
    pub async fn page(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        range: Range,
    ) -> Result<Option<Vec<wire::Message>>, Error> {
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(None) };
        Ok(Some(self.seen(&membership, range).await?))
    }

    async fn seen(&self, membership: &Membership, range: Range) -> Result<Vec<wire::Message>, Error> {
        let order = if range.after_seq.is_some() { Order::OldestFirst } else { Order::NewestFirst };
        let until = range.before_seq.map_or(u64::MAX, |seq| seq.saturating_sub(1));
        let spans = membership.visible(range.after_seq.unwrap_or(0), until);
        let limit = range.limit.clamp(1, limit::PAGE_MAX);
        let messages = self.0.history.page(membership.conversation(), &spans, order, limit).await?;
        Ok(messages.iter().map(|message| shown(&self.0.keyring, message)).collect())
    }

    /// One message; `None`: it does not exist for the viewer.
    pub async fn one(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<Option<wire::Message>, Error> {
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(None) };
        let message = self.0.history.one(membership.conversation(), message).await?;
        let seen = message.filter(|message| membership.sees(message.seq));
        Ok(seen.map(|message| shown(&self.0.keyring, &message)))
    }
}

/// As everybody who may see it sees it. The body is null where its key is gone, and where it is of a kind that this
/// binary does not know.
pub(crate) fn shown(keyring: &Keyring, message: &Message) -> wire::Message {
    let conversation = message.conversation_id.0;
    let body = message.body.as_ref().and_then(|sealed| keyring.open(conversation, sealed));
    wire::Message {
        conversation_id: conversation,
        message_id: message.message_id.0,
        seq: message.seq,
        sender: Some(message.sender.0),
        body: body.and_then(|json| serde_json::from_slice(&json).ok()),
        sent_at: message.sent_at.to_string(),
        edited_at: None,
        recalled_at: None,
    }
}
