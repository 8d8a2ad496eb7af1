//! What is to be said later: scheduled for a moment, or held until somebody has looked at it. It is sealed with its author's
//! key, for nobody else has heard it yet; whoever says it in the end seals it for the conversation ([`process`]).

pub(crate) mod process;
mod review;
pub(crate) mod timer;

use crate::{
    Caller, Commands, GivenBody, Keyed, Named, Outgoing,
    error::Error,
    friendship::account_key,
    keys::Key,
    message::{self, Quoted, apart},
};
use natter_domain::{
    Address, Code, ConversationId, MessageId, Timestamp,
    account::Mute,
    conversation::{self, Missing, Quote},
    id::derived,
    pending::{self, Command, Content, NewBody, Pending, Place, Said},
};
use natter_streams::{Positions, event::CommandKey};
use uuid::Uuid;

/// What is asked besides the message, by who holds it.
const HELD: &str = "held";

/// A message that waits.
pub struct Waiting {
    /// False: it was put there before, and this is the first answer.
    pub created: bool,
    pub positions: Positions,
}

/// The use cases of what is pending.
pub struct Pendings<'a>(pub(crate) &'a Commands, pub(crate) Option<Mute>);

impl Pendings<'_> {
    /// As [`crate::Conversations::muted`].
    #[must_use]
    pub fn muted(self, mute: Option<Mute>) -> Self {
        Self(self.0, mute)
    }

    /// Says it at that moment. The same message again gets the first answer.
    pub async fn schedule(
        &self,
        caller: Caller,
        conversation: ConversationId,
        message: Outgoing,
        send_at: Timestamp,
    ) -> Result<Waiting, Error> {
        self.put(caller, conversation, message, &at(send_at), |said| Command::Schedule { said, send_at }).await
    }

    /// The answer to what was put there under this id for this moment, or, without one, held; `None`: there is none.
    pub async fn put_before(
        &self,
        caller: Caller,
        conversation: ConversationId,
        message: &Outgoing,
        send_at: Option<Timestamp>,
    ) -> Result<Option<Waiting>, Error> {
        let place = Place { conversation_id: conversation, message_id: message.message_id, author: caller.account };
        let (told, address) = (send_at.map_or(HELD.to_owned(), at), pending::address(conversation, caller.account));
        self.before(caller, address, self.key(&place, message, &told)).await
    }

    async fn before(&self, caller: Caller, address: Address, key: Key) -> Result<Option<Waiting>, Error> {
        let done = self.0.dispatch.done::<Pending>(address, caller, Some(key)).await?;
        Ok(done.map(|done| Waiting { created: false, positions: done.positions }))
    }

    /// Has it reviewed before it is said. For the rules of an installation, where a message meets one that wants it so.
    pub async fn hold(
        &self,
        caller: Caller,
        conversation: ConversationId,
        message: Outgoing,
        rule: &str,
    ) -> Result<Waiting, Error> {
        let rule = rule.to_owned();
        self.put(caller, conversation, message, HELD, |said| Command::Hold { said, rule }).await
    }

    /// `told`: what is asked besides the message, for who asks again.
    async fn put(
        &self,
        caller: Caller,
        conversation: ConversationId,
        message: Outgoing,
        told: &str,
        command: impl FnOnce(Said) -> Command,
    ) -> Result<Waiting, Error> {
        let place = Place { conversation_id: conversation, message_id: message.message_id, author: caller.account };
        let (key, address) = (self.key(&place, &message, told), pending::address(conversation, caller.account));
        if self.is_spent(conversation, message.message_id).await? {
            let before = self.before(caller, address, key).await?;
            return before.ok_or_else(|| Error::code(Code::Conflict, "a message of this id was sent before"));
        }
        let size = message.body.json.len();
        let command = command(self.said(caller, place, message).await?);
        let outcome = self.0.dispatch.queue::<Pending>(address, Some(caller), Some(key), Some(command), size).await?;
        Ok(Waiting { created: !outcome.repeated, positions: outcome.positions })
    }

    /// Also the ids of system messages, past and to come (CNV-8).
    async fn is_spent(&self, conversation: ConversationId, message: MessageId) -> Result<bool, Error> {
        let is_system = conversation::system_message_seq(conversation, message).is_some();
        Ok(is_system || self.0.births.is_born(conversation, message).await?)
    }

    fn key(&self, place: &Place, message: &Outgoing, told: &str) -> Key {
        let key = derived("natter pending command", &[place.id().as_bytes()]);
        let content = format!("{told}\n{}", message.content());
        let fingerprint = message::fingerprint(&self.0.keyring, place.author, &content);
        Key::new(place.message_id.0, CommandKey { key, fingerprint })
    }

    async fn said(&self, caller: Caller, message: Place, outgoing: Outgoing) -> Result<Said, Error> {
        let Outgoing { body, reply_to, thread, mentions, silent, self_destruct, .. } = outgoing;
        let (quotes, there) = (&self.0.quotes, message.conversation_id);
        let referred = quotes.clone().find(there, reply_to, thread).await?;
        let referred = quotes.clone().again(there, reply_to, thread, referred).await?;
        let (quoted, answered) = apart(referred.answered);
        let (root, rootless) = apart(referred.root);
        let quote =
            quoted.map(|Quoted { message_id, seq, sender, .. }| Quote { message_id, seq, sender, excerpt: None });
        let missing = Missing { answered, root: rootless };
        let gone = self.0.seals.gone(caller, message.conversation_id).await?;
        let NewBody { body, given, said, body_kind, size, has_link } = self.sealed(caller, body).await?;
        let content =
            Content { body, given, said, body_kind, size, has_link, reply_to, thread, mentions, silent, self_destruct };
        Ok(Said { message, content, quote, root, missing, muted: self.1, gone })
    }

    /// With the key of its author.
    async fn sealed(&self, caller: Caller, body: GivenBody) -> Result<NewBody, Error> {
        let sealing = self.0.keys.of_account(caller.account).await?;
        let said = message::fingerprint(&self.0.keyring, caller.account, body.known());
        let GivenBody { json, kind: body_kind, size, has_link, given } = body;
        let given = given.map(|given| sealing.seal(given.as_bytes()));
        let said = Some(Uuid::from_bytes(said));
        Ok(NewBody { body: sealing.seal(json.as_bytes()), given, said, body_kind, size, has_link })
    }

    /// Says something else, or at another moment.
    pub async fn change(
        &self,
        by: Keyed,
        of: Named,
        body: Option<GivenBody>,
        send_at: Option<Timestamp>,
    ) -> Result<Positions, Error> {
        let said = body.as_ref().map(|body| body.known().as_str());
        let content = format!("change pending {} {} {send_at:?} {said:?}", of.conversation, of.message);
        let size = body.as_ref().map_or(0, |body| body.json.len());
        let body = match body {
            Some(body) => Some(self.sealed(by.caller, body).await?),
            None => None,
        };
        let command = Command::Change { message_id: of.message, body, send_at };
        self.ask(by, of, &content, command, size).await
    }

    /// Takes it back, or puts away what could not be sent.
    pub async fn cancel(&self, by: Keyed, of: Named) -> Result<Positions, Error> {
        let content = format!("cancel pending {} {}", of.conversation, of.message);
        self.ask(by, of, &content, Command::Cancel { message_id: of.message }, 0).await
    }

    async fn ask(
        &self,
        by: Keyed,
        of: Named,
        content: &str,
        command: Command,
        size: usize,
    ) -> Result<Positions, Error> {
        let key = by.key.map(|key| account_key(self.0, by, key, content));
        let address = pending::address(of.conversation, by.caller.account);
        let outcome = self.0.dispatch.queue::<Pending>(address, Some(by.caller), key, Some(command), size).await?;
        Ok(outcome.positions)
    }
}

/// What is asked besides the message, by who schedules it.
fn at(send_at: Timestamp) -> String {
    format!("at {send_at}")
}
