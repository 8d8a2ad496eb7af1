//! Blocks, and strangers who begin to talk.

use super::{Friendships, Told, pair};
use crate::{Keyed, account, error::Error};
use natter_domain::{
    AccountId, Code, ConversationId, FriendshipId,
    account::MessagesFrom,
    friendship::{self, Event},
};
use natter_streams::{Positions, id};

impl Friendships<'_> {
    /// Whom the caller blocks already stays blocked, whatever has become of them.
    pub async fn block(&self, by: Keyed, other: AccountId) -> Result<Positions, Error> {
        let is_known = match account::known(self.0, other).await {
            Ok(person) => person.is_some(),
            Err(refused) if refused.is(Code::NotFound) => false,
            Err(error) => return Err(error),
        };
        self.stand(by, other, friendship::Command::Block { other, is_known }, &format!("block {other}")).await
    }

    pub async fn unblock(&self, by: Keyed, other: AccountId) -> Result<Positions, Error> {
        self.stand(by, other, friendship::Command::Unblock { other }, &format!("unblock {other}")).await
    }

    async fn stand(
        &self,
        by: Keyed,
        other: AccountId,
        command: friendship::Command,
        content: &str,
    ) -> Result<Positions, Error> {
        let me = by.caller.account;
        let outcome = self.decide(by, FriendshipId::of(me, other), command, content).await?;
        Ok(self.tell([me, other], outcome).await?.positions)
    }

    /// The one conversation with this person. Strangers begin one where the installation and the other one let them.
    pub(crate) async fn open(&self, by: Keyed, with: AccountId) -> Result<(ConversationId, Told), Error> {
        let (me, person) = (by.caller.account, account::known(self.0, with).await?);
        let takes = person.is_some_and(|person| person.settings.messages_from == MessagesFrom::All);
        let (is_taken, conversation_id) = (takes && self.0.strangers, ConversationId(id::new()));
        let command = friendship::Command::Open { other: with, is_taken, conversation_id };
        let outcome = self.decide(by, FriendshipId::of(me, with), command, &format!("open {with}")).await?;
        let opened = match outcome.events.first() {
            Some((Event::Opened { conversation_id, .. }, _)) => Some(*conversation_id),
            _ => pair(&self.0.dispatch, me, with).await?.conversation_id,
        };
        let id = opened.ok_or_else(|| Error::code(Code::NotFriends, "only friends can open a direct conversation"))?;
        Ok((id, self.tell([me, with], outcome).await?))
    }
}
