//! What was released is said, as its author would say it: with the message's own key, so that it is said once, and with
//! what is known of them now. What came of it is told to what waited.
//!
//! A send that was refused may be accepted a moment later, when somebody who died half-way is followed by another. So the
//! command that says that it failed has the message's key too: whichever of both comes first stands in the log, and the
//! other is refused as a key that was used. Who finds that the key was used looks what stands there.
//!
//! What has been settled is settled again where an event is read again: the keys know it.

use crate::{
    Caller, GivenBody, Outgoing,
    error::Error,
    keys::Key,
    process::{Around, Effect, Orders, Process, is_answer},
};
use futures::future::BoxFuture;
use natter_domain::{
    Address, Code, Noun, SessionId, Timestamp,
    account::{self, Account},
    message,
    pending::{self, Command, Content, Event, Pending, Place},
};
use natter_streams::{Record, clock, event::CommandKey, fault};
use uuid::Uuid;

/// Nobody's: the author may have signed out everywhere.
const NO_SESSION: SessionId = SessionId(Uuid::nil());

pub(crate) struct SaysReleased;

impl Process for SaysReleased {
    const NAME: &'static str = "pending.says_released";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        if event.noun != Noun::Pending || &*event.event_type != "released" {
            return Ok(());
        }
        if let Event::Released { message, content, .. } = event.decode()? {
            orders.have(pending::address(message.conversation_id, message.author), Say { message, content });
        }
        Ok(())
    }
}

struct Say {
    message: Place,
    content: Content,
}

impl Effect for Say {
    fn give<'a>(&'a self, around: &'a Around, address: Address, key: Key) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let message_id = self.message.message_id;
            fault::reach("pending.before_send").await;
            let said = self.say(around).await;
            fault::reach("pending.after_send").await;
            match said {
                Ok(seq) => settle(around, address, key, Command::SettleSent { message_id, seq }).await,
                Err(error) => self.fail(around, address, key, error).await,
            }
        })
    }
}

impl Say {
    /// Where it stands.
    async fn say(&self, around: &Around) -> Result<u64, Error> {
        let Place { conversation_id, message_id, author } = self.message;
        let state = around.dispatch.inspect::<Account>(account::address(author)).await?;
        let muted = state.voice(clock::now()).map_err(|refusal| Error::refused(&refusal))?;
        let Content { body_kind, size, has_link, reply_to, thread, mentions, silent, self_destruct, .. } =
            self.content.clone();
        let (json, given) = self.opened(around).await?;
        let body = GivenBody { json, kind: body_kind, size, has_link, given };
        let plain = Outgoing::plain(message_id, body);
        let outgoing = Outgoing { reply_to, thread, mentions, silent, self_destruct, ..plain };
        let caller = Caller { account: author, session: NO_SESSION };
        let sent = around.commands.conversation().muted(muted).send(caller, conversation_id, outgoing).await?;
        Ok(sent.seq)
    }

    /// What is said, and what was given where that is something else.
    async fn opened(&self, around: &Around) -> Result<(String, Option<String>), Error> {
        let (author, Content { body, given, .. }) = (self.message.author.0, &self.content);
        let keys = [Some(body), given.as_ref()].into_iter().flatten().map(|sealed| (author, sealed.key));
        let opener = around.keys.opener(keys.collect::<Vec<_>>()).await?;
        let open = |sealed| {
            let opened = opener.open_text(author, sealed);
            opened.ok_or_else(|| Error::code(Code::Gone, "nobody can read it any more"))
        };
        Ok((open(body)?, given.as_ref().map(open).transpose()?))
    }

    async fn fail(&self, around: &Around, address: Address, key: Key, error: Error) -> Result<(), Error> {
        let failed = Err(error);
        if !is_answer(&failed) {
            return failed;
        }
        let Err(Error::Refused { code, until, .. }) = failed else { return failed };
        let command = self.failed(code, until);
        match settle(around, address, spent(self.message), command.clone()).await {
            Err(error) if error.is(Code::Conflict) => {
                // Of a conflict it is known that what stands there is another message.
                let stands = if code == Code::Conflict { None } else { self.stands(around).await? };
                settle(around, address, key, stands.unwrap_or(command)).await
            }
            settled => settled,
        }
    }

    /// `None`: not as its author's. Before, or by who died half-way, or by them with the same id, it was sent.
    async fn stands(&self, around: &Around) -> Result<Option<Command>, Error> {
        let Place { conversation_id, message_id, author } = self.message;
        let born = around.commands.births.place(conversation_id, message_id).await?;
        let own = born.filter(|place| place.sender == Some(author));
        Ok(own.map(|place| Command::SettleSent { message_id, seq: place.seq }))
    }

    fn failed(&self, code: Code, until: Option<Timestamp>) -> Command {
        Command::SettleFailed { message_id: self.message.message_id, code: code.as_str().to_owned(), until }
    }
}

async fn settle(around: &Around, address: Address, key: Key, command: Command) -> Result<(), Error> {
    around.dispatch.execute::<Pending>(address, None, Some(key), command).await.map(drop)
}

/// The message's key, with the fingerprint of no message, and of nobody else's failure.
pub(super) fn spent(message: Place) -> Key {
    let key = message::id(message.conversation_id, message.message_id);
    Key::new(message.message_id.0, CommandKey { key, fingerprint: message.id().into_bytes() })
}
