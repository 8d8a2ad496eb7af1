//! How conversations are shown to a person, and what they delete for themselves. Who was in a conversation and left may do
//! that too: their view of it stays theirs. What the conversation has to say is asked of it first; of one that has ended
//! everything is taken back that was set, for it would count for ever.

use super::{Inboxes, outside};
use crate::{Keyed, dispatch::Outcome, error::Error, friendship::account_key};
use natter_domain::{
    AccountId, ConversationId, Sealed,
    account::Change,
    conversation::{Kind, Refusal, State},
    inbox::{self, Command, Inbox, Outside, ViewChange},
};
use natter_streams::{Positions, sealing::Sealing};

/// Bytes of a command with a draft as long as may be, sealed and written down; of all else of it, roughly.
const DRAFT_BYTES: usize = 32 * 1024;
const BYTES: usize = 2 * 1024;

impl Inboxes<'_> {
    /// Changes how a conversation is shown to the caller.
    pub async fn change(
        &self,
        by: Keyed,
        conversation_id: ConversationId,
        given: ViewChange<String>,
    ) -> Result<Positions, Error> {
        let me = by.caller.account;
        let content = format!("view {conversation_id} {given:?}");
        let newest = self.newest_of(me, conversation_id).await?;
        let size = if matches!(given.draft, Change::Set(_)) { DRAFT_BYTES } else { BYTES };
        let change = self.sealed(me, given).await?;
        match newest {
            Some(newest) => {
                let command = Command::Change { conversation_id, newest, change };
                Ok(self.decide(by, command, &content, size).await?.positions)
            }
            None => self.take_back(by, conversation_id, change, &content, size).await,
        }
    }

    /// Deletes the conversation for the caller: all that is there by now is gone for them.
    pub async fn clear(&self, by: Keyed, conversation_id: ConversationId) -> Result<Positions, Error> {
        let content = format!("clear {conversation_id}");
        let (state, me) = (self.look(conversation_id).await?, by.caller.account);
        match newest(&state, me) {
            Some(newest) => {
                let ends_some = state.ends_by_reading(me, newest);
                let command = Command::Clear { conversation_id, newest, ends_some };
                Ok(self.decide(by, command, &content, BYTES).await?.positions)
            }
            None => self.take_back(by, conversation_id, ViewChange::away(), &content, BYTES).await,
        }
    }

    /// The conversation is over for them, or never was theirs: then nothing of them is there to be taken back.
    async fn take_back(
        &self,
        by: Keyed,
        conversation_id: ConversationId,
        change: ViewChange<Sealed>,
        content: &str,
        size: usize,
    ) -> Result<Positions, Error> {
        let outcome = self.decide(by, Command::TakeBack { conversation_id, change }, content, size).await?;
        if outcome.events.is_empty() {
            return Err(Error::refused(&Refusal::NotFound));
        }
        Ok(outcome.positions)
    }

    /// The caller has read the announcement as it stood at that message.
    pub async fn read_announcement(
        &self,
        by: Keyed,
        conversation_id: ConversationId,
        seq: u64,
    ) -> Result<Positions, Error> {
        let state = self.look(conversation_id).await?;
        let no_group = (!matches!(state.kind, Some(Kind::Group | Kind::Channel))).then_some(Outside::NotAGroup);
        let outside = outside(&state, by.caller.account).or(no_group);
        let command = Command::ReadAnnouncement { conversation_id, seq, last_seq: state.last_seq, outside };
        Ok(self.decide(by, command, &format!("announcement {conversation_id} {seq}"), BYTES).await?.positions)
    }

    async fn newest_of(&self, me: AccountId, conversation: ConversationId) -> Result<Option<u64>, Error> {
        Ok(newest(&*self.look(conversation).await?, me))
    }

    pub(super) async fn decide(
        &self,
        by: Keyed,
        command: Command,
        content: &str,
        size: usize,
    ) -> Result<Outcome<Inbox>, Error> {
        let key = by.key.map(|key| account_key(self.0, by, key, content));
        let address = inbox::address(by.caller.account);
        self.0.dispatch.queue::<Inbox>(address, Some(by.caller), key, Some(command), size).await
    }

    /// The account's own: it is forgotten with them. Only what has a text needs the key.
    async fn sealed(&self, me: AccountId, given: ViewChange<String>) -> Result<ViewChange<Sealed>, Error> {
        let ViewChange { pinned, quiet_until, archived, hidden, folder, draft, marked_unread } = given;
        let has_text = [&folder, &draft].iter().any(|it| matches!(it, Change::Set(_)));
        let sealing = if has_text { Some(self.0.keys.of_account(me).await?) } else { None };
        let (folder, draft) = (seal(sealing.as_ref(), folder), seal(sealing.as_ref(), draft));
        Ok(ViewChange { pinned, quiet_until, archived, hidden, folder, draft, marked_unread })
    }
}

/// The same text gives the same value: so a folder is known in every conversation, and what is so already is silent.
fn seal(sealing: Option<&Sealing>, given: Change<String>) -> Change<Sealed> {
    match (given, sealing) {
        (Change::Set(text), Some(sealing)) => Change::Set(sealing.seal_alike(text.as_bytes())),
        (Change::Clear, _) => Change::Clear,
        (Change::Keep | Change::Set(_), _) => Change::Keep,
    }
}

/// The newest message that they may see; `None`: the conversation does not exist for them. Who has left learns nothing of
/// what came after.
fn newest(state: &State, who: AccountId) -> Option<u64> {
    if state.is_in(who) {
        return Some(state.last_seq);
    }
    state.past.get(&who)?.last().map(|stay| stay.left_seq)
}
