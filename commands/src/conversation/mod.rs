//! Talking: opening the direct conversation of two friends, and sending. Groups: [`group`], coming to one: [`join`]. Channels: [`channel`].

mod asked;
mod channel;
mod group;
mod join;
mod link;
mod owned;
pub(crate) mod process;
pub(crate) mod timer;

use crate::{
    Caller, Commands, Keyed, Pending,
    dispatch::{Dispatch, Outcome},
    error::Error,
    friendship::Told,
    keys::Key,
    message::{self, GivenBody, Outgoing, Quoted, Referred, apart},
    seal::Hand,
};
use natter_domain::{
    AccountId, Address, Code, ConversationId, MessageId, Timestamp,
    account::Mute,
    conversation::{self, Command, Conversation, Details, Event, Missing, Quote, SelfDestruct, Standing},
};
use natter_streams::{Positions, event::CommandKey};
use uuid::Uuid;

pub use group::{CardChange, Joined, MemberChange, Started};
pub use join::{Behind, Came, Made};
pub use link::Token;

pub struct Opened {
    pub conversation_id: ConversationId,
    /// False: it was there.
    pub created: bool,
    pub positions: Positions,
}

/// A message that is durable.
#[derive(Clone, PartialEq, Debug)]
pub struct Sent {
    pub message_id: MessageId,
    pub seq: u64,
    pub sent_at: Timestamp,
    /// True: it was sent before, and this is the first answer.
    pub repeated: bool,
    pub positions: Positions,
}

/// The use cases of conversations.
pub struct Conversations<'a>(pub(crate) &'a Commands, pub(crate) Option<Mute>);

impl Conversations<'_> {
    /// For somebody who is muted, as far as who calls knows. What was sent before is answered as it was then.
    #[must_use]
    pub fn muted(self, mute: Option<Mute>) -> Self {
        Self(self.0, mute)
    }

    /// The one conversation of the caller with themselves.
    pub async fn open_own(&self, by: Keyed) -> Result<Opened, Error> {
        let id = conversation::own_id(by.caller.account);
        let outcome = self.decide(by, id, Command::StartOwn, "start own", 1).await?;
        Ok(Opened { conversation_id: id, created: !outcome.events.is_empty(), positions: outcome.positions })
    }

    /// The one conversation of two friends, or of strangers who may talk; with oneself, [`Self::open_own`].
    pub async fn open_direct(&self, by: Keyed, with: AccountId) -> Result<Opened, Error> {
        let me = by.caller.account;
        if me == with {
            return self.open_own(by).await;
        }
        let (conversation_id, Told { positions, began }) = self.0.friendship().open(by, with).await?;
        Ok(Opened { conversation_id, created: began, positions })
    }

    /// Queues a message; the answer comes when it is durable. Messages queued one after the other to one
    /// conversation are numbered in that order.
    pub fn send(&self, caller: Caller, conversation_id: ConversationId, message: Outgoing) -> Pending<Sent> {
        if conversation::system_message_seq(conversation_id, message.message_id).is_some() {
            // CNV-8: it is, or will be, somebody else's.
            let taken = Error::code(Code::Conflict, "this id is a system message's");
            return Pending::new(std::future::ready(Err(taken)));
        }
        let key = self.message_key(caller, conversation_id, &message);
        let said = self.said(caller, &message);
        let (dispatch, muted) = (self.0.dispatch.clone(), self.1);
        let (reply_to, thread) = (message.reply_to, message.thread);
        let queue = move |hand: &Hand, referred: Referred| {
            let size = message.body.json.len();
            let command = sending(message, hand, muted, referred, said);
            let address = conversation::address(conversation_id);
            dispatch.queue::<Conversation>(address, Some(caller), Some(key), Some(command), size)
        };
        let refers = reply_to.is_some() || thread.is_some();
        let at_hand = || self.0.seals.at_hand(caller, conversation_id);
        if let Some(hand) = (!refers).then(at_hand).flatten() {
            let answer = queue(&hand, Referred::default());
            return Pending::new(async move { sent(&answer.await?) });
        }
        let quotes = self.0.quotes.clone();
        let referred = quotes.clone().find(conversation_id, reply_to, thread);
        let again = move |found| quotes.again(conversation_id, reply_to, thread, found);
        let queued = self.0.seals.queue(caller, conversation_id, referred, again, queue);
        Pending::new(async move { sent(&queued.await?) })
    }

    /// The answer to a message that was sent before under this id with this content; `None`: there is none.
    pub async fn sent_before(
        &self,
        caller: Caller,
        conversation_id: ConversationId,
        message: &Outgoing,
    ) -> Result<Option<Sent>, Error> {
        let key = self.message_key(caller, conversation_id, message);
        let address = conversation::address(conversation_id);
        let outcome = self.0.dispatch.done::<Conversation>(address, caller, Some(key)).await?;
        outcome.as_ref().map(sent).transpose()
    }

    /// What edits are compared with, where the key says more.
    fn said(&self, caller: Caller, message: &Outgoing) -> Option<Uuid> {
        let of_body = || message::fingerprint(&self.0.keyring, caller.account, message.body.known());
        (!message.is_plain()).then(|| Uuid::from_bytes(of_body()))
    }

    /// A message's key is its place: its id in its conversation. Sender and content are its fingerprint.
    fn message_key(&self, caller: Caller, conversation_id: ConversationId, message: &Outgoing) -> Key {
        let key = natter_domain::message::id(conversation_id, message.message_id);
        let fingerprint = message::fingerprint(&self.0.keyring, caller.account, &message.content());
        Key::new(message.message_id.0, CommandKey { key, fingerprint })
    }
}

fn sending(message: Outgoing, hand: &Hand, muted: Option<Mute>, referred: Referred, said: Option<Uuid>) -> Command {
    let Outgoing { message_id, body, mentions, silent, forwarded, self_destruct, .. } = message;
    let GivenBody { json, kind, size, has_link, .. } = body;
    let (quoted, answered) = apart(referred.answered);
    let (thread, root) = apart(referred.root);
    let reply_to = quoted.map(|Quoted { message_id, seq, sender, excerpt }| {
        let excerpt = excerpt.map(|words| hand.sealing.seal(words.as_bytes()));
        Quote { message_id, seq, sender, excerpt }
    });
    let (forwarded, self_destruct) = (forwarded.is_some(), self_destruct.map(SelfDestruct::of));
    let details = Details { reply_to, thread, mentions, silent, forwarded, said, has_link, self_destruct };
    Command::Send {
        message_id,
        body: hand.sealing.seal(json.as_bytes()),
        body_kind: kind,
        size,
        details: details.into(),
        missing: Missing { answered, root },
        muted,
        gone: hand.gone,
    }
}

fn sent(outcome: &Outcome<Conversation>) -> Result<Sent, Error> {
    match outcome.events.first() {
        Some((Event::MessageSent { message_id, seq, .. }, sent_at)) => Ok(Sent {
            message_id: *message_id,
            seq: *seq,
            sent_at: *sent_at,
            repeated: outcome.repeated,
            positions: outcome.positions.clone(),
        }),
        _ => Err(Error::Failed { what: "send a message", source: "the decision wrote no message".into() }),
    }
}

/// Tells the conversation how it stands; begins it, if it has not begun.
pub(crate) async fn set_direct(
    dispatch: &Dispatch,
    key: Option<Key>,
    id: ConversationId,
    members: [AccountId; 2],
    standing: Standing,
) -> Result<Outcome<Conversation>, Error> {
    let (address, command) = direct(id, members, standing);
    dispatch.execute::<Conversation>(address, None, key, command).await
}

pub(crate) fn direct(id: ConversationId, mut members: [AccountId; 2], standing: Standing) -> (Address, Command) {
    members.sort();
    (conversation::address(id), Command::SetDirect { members, standing })
}
