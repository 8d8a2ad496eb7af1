//! What people do to messages that were sent: editing, recalling, reacting, pinning, marking them for themselves. What the log says of the message's
//! birth goes with the command; the message's lane says the rest.

mod birth;
mod outgoing;
mod quote;
pub(crate) mod timer;
pub(crate) mod turn;

use crate::{Commands, Keyed, Pending, error::Error, friendship::account_key, keys::Key};
use birth::Birth;
pub(crate) use birth::Births;
use natter_domain::{
    AccountId, Code, ConversationId, Emoji, MessageId,
    account::Mute,
    inbox::{self, Inbox},
    message::{self, Command, Message},
};
use natter_streams::{Positions, keyring::Keyring};
pub use outgoing::{GivenBody, Outgoing};
pub(crate) use quote::apart;
pub(crate) use quote::{Quoted, Quotes, Referred};
use std::future::ready;
use uuid::Uuid;

/// Bytes of commands that carry no body.
const SMALL: usize = 512;

/// A message, by where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Named {
    pub conversation: ConversationId,
    pub message: MessageId,
}

/// The use cases of messages. Each is queued behind what the same caller has queued for the same message before; its
/// answer comes when it is durable, and says where.
pub struct Messages<'a>(pub(crate) &'a Commands, pub(crate) Option<Mute>);

impl Messages<'_> {
    /// As [`crate::Conversations::muted`].
    #[must_use]
    pub fn muted(self, mute: Option<Mute>) -> Self {
        Self(self.0, mute)
    }

    /// `body` is a text, as the message is one.
    pub fn edit(&self, by: Keyed, of: Named, body: GivenBody) -> Pending<Positions> {
        let content = edit_content(of, &body);
        let fingerprint = Uuid::from_bytes(fingerprint(&self.0.keyring, by.caller.account, body.known()));
        let GivenBody { json: body, size, has_link, .. } = body;
        let (seals, size_in_memory) = (self.0.seals.clone(), body.len());
        let sealed = async move {
            let sealing = seals.of(by.caller, of.conversation).await;
            let sealing = sealing.map_err(|error| if error.is(Code::NotFound) { no_such_message() } else { error })?;
            Ok(sealing.seal(body.as_bytes()))
        };
        let (muted, window) = (self.1, self.0.windows.edit);
        self.ask(by, of, &content, size_in_memory, sealed, move |Birth { place, kind, sent, .. }, body| Command::Edit {
            message: place,
            body,
            body_kind: kind,
            size,
            has_link,
            fingerprint,
            sent,
            muted,
            window,
        })
    }

    /// Where it was edited so under the same key; `None`: it was not. For an edit that would not be taken any more.
    pub async fn edited_before(&self, by: Keyed, of: Named, body: &GivenBody) -> Result<Option<Positions>, Error> {
        let key = by.key.map(|key| account_key(self.0, by, key, &edit_content(of, body)));
        let address = message::address(of.conversation, of.message);
        let done = self.0.dispatch.done::<Message>(address, by.caller, key).await?;
        Ok(done.map(|outcome| outcome.positions))
    }

    pub fn recall(&self, by: Keyed, of: Named) -> Pending<Positions> {
        let window = self.0.windows.recall;
        self.small(by, of, "recall", move |message| Command::Recall { message, window })
    }

    pub fn react(&self, by: Keyed, of: Named, emoji: &Emoji) -> Pending<Positions> {
        let (what, emoji) = (format!("react {}", emoji.as_str()), emoji.as_str().to_owned());
        self.small(by, of, &what, |message| Command::React { message, emoji })
    }

    pub fn unreact(&self, by: Keyed, of: Named, emoji: &Emoji) -> Pending<Positions> {
        let (what, emoji) = (format!("unreact {}", emoji.as_str()), emoji.as_str().to_owned());
        self.small(by, of, &what, |message| Command::Unreact { message, emoji })
    }

    pub fn pin(&self, by: Keyed, of: Named) -> Pending<Positions> {
        self.small(by, of, "pin", |message| Command::Pin { message })
    }

    pub fn unpin(&self, by: Keyed, of: Named) -> Pending<Positions> {
        self.small(by, of, "unpin", |message| Command::Unpin { message })
    }

    /// The thread that begins with the message.
    pub fn follow(&self, by: Keyed, of: Named, follows: bool) -> Pending<Positions> {
        let what = if follows { "follow" } else { "unfollow" };
        self.small(by, of, what, move |message| Command::Follow { message, follows })
    }

    /// How far the caller has read that thread.
    pub fn read_thread(&self, by: Keyed, of: Named, seq: u64) -> Pending<Positions> {
        self.small(by, of, &format!("thread {seq}"), move |message| Command::ReadThread { message, seq })
    }

    /// For the caller alone: their star, and that they have listened to it. What is not said stays.
    pub fn mark(&self, by: Keyed, of: Named, starred: Option<bool>, listened: bool) -> Pending<Positions> {
        let content = format!("mark {starred:?} {listened} {} {}", of.conversation, of.message);
        let (dispatch, me) = (self.0.dispatch.clone(), inbox::address(by.caller.account));
        let inbox = async move { dispatch.inspect::<Inbox>(me).await };
        self.ask(by, of, &content, SMALL, inbox, move |Birth { place, kind, .. }, inbox| Command::Mark {
            message: place,
            body_kind: kind,
            starred,
            listened,
            is_gone: inbox.has_deleted(place.conversation_id, place.seq),
        })
    }

    fn small(
        &self,
        by: Keyed,
        of: Named,
        what: &str,
        command: impl FnOnce(message::Place) -> Command + Send + 'static,
    ) -> Pending<Positions> {
        let content = format!("{what} {} {}", of.conversation, of.message);
        self.ask(by, of, &content, SMALL, ready(Ok(())), |birth, ()| command(birth.place))
    }

    /// `more`: what the command needs besides, found meanwhile.
    fn ask<T: Send + 'static>(
        &self,
        by: Keyed,
        of: Named,
        content: &str,
        size: usize,
        more: impl Future<Output = Result<T, Error>> + Send + 'static,
        command: impl FnOnce(Birth, T) -> Command + Send + 'static,
    ) -> Pending<Positions> {
        let key: Option<Key> = by.key.map(|key| account_key(self.0, by, key, content));
        let (births, dispatch) = (self.0.births.clone(), self.0.dispatch.clone());
        let address = message::address(of.conversation, of.message);
        let mut turn = births.turns.take(address.id);
        Pending::new(async move {
            let found = async { tokio::try_join!(births.find(of.conversation, of.message), more) };
            let (birth, more) = turn.come_with(found).await?;
            let birth = birth.ok_or_else(no_such_message)?;
            let answer = dispatch.queue::<Message>(address, Some(by.caller), key, Some(command(birth, more)), size);
            drop(turn);
            Ok(answer.await?.positions)
        })
    }
}

/// What tells an edit from another one.
fn edit_content(of: Named, body: &GivenBody) -> String {
    format!("edit {} {} {}", of.conversation, of.message, body.known())
}

/// In the same words whatever it is that is not there.
fn no_such_message() -> Error {
    Error::code(Code::NotFound, "there is no such message")
}

/// Of who says it and what: a message's send and its edits are compared by it.
pub(crate) fn fingerprint(keyring: &Keyring, sender: AccountId, body: &str) -> [u8; 16] {
    keyring.fingerprint(&[sender.0.as_bytes().as_slice(), body.as_bytes()].concat())
}
