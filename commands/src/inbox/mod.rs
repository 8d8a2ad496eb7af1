//! Reading: a person's cursors move forward. The conversations are asked first, one by one: a cursor beyond the
//! newest message is refused. How conversations are shown to a person: [`view`]; what has come to their devices:
//! [`delivery`]; single messages that they delete for themselves: [`delete`].

mod delete;
mod delivery;
mod view;

use crate::{Commands, Keyed, dispatch::Outcome, error::Error, friendship::account_key, keys::Key};
use natter_domain::{
    AccountId, ConversationId,
    account::{self, Account},
    conversation::{self, Conversation, State},
    inbox::{self, Advance, Event, Inbox, Outside},
};
use natter_streams::Positions;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::OnceCell;

pub struct Advanced {
    /// Where each cursor is now.
    pub cursors: Vec<(ConversationId, u64)>,
    pub positions: Positions,
}

/// The use cases of inboxes.
pub struct Inboxes<'a>(pub(crate) &'a Commands);

impl Inboxes<'_> {
    pub async fn advance(&self, by: Keyed, cursors: Vec<(ConversationId, u64)>) -> Result<Advanced, Error> {
        let me = by.caller.account;
        let key = by.key.map(|key| account_key(self.0, by, key, &format!("advance {cursors:?}")));
        let shows = OnceCell::new();
        let asked = cursors.iter().map(|&(conversation_id, seq)| self.advance_of(me, &shows, conversation_id, seq));
        let advances: Vec<Advance> = match futures::future::try_join_all(asked).await {
            Ok(advances) => advances,
            Err(refused) => return self.advanced_before(by, key, refused).await,
        };
        let least: Vec<(ConversationId, u64)> =
            advances.iter().map(|advance| (advance.conversation_id, advance.entered_seq)).collect();
        let command = inbox::Command::Advance { cursors: advances };
        let outcome = self.0.dispatch.execute::<Inbox>(inbox::address(me), Some(by.caller), key, command).await?;
        let moved: HashMap<ConversationId, u64> = moved_to(&outcome).collect();
        let all_moved = least.iter().all(|(id, _)| moved.contains_key(id));
        let before =
            if all_moved { Arc::default() } else { self.0.dispatch.inspect::<Inbox>(inbox::address(me)).await? };
        let now_at = |(id, least): (ConversationId, u64)| {
            let seq = moved.get(&id).or_else(|| before.cursors.get(&id)).copied().unwrap_or_default();
            (id, seq.max(least))
        };
        Ok(Advanced { cursors: least.into_iter().map(now_at).collect(), positions: outcome.positions })
    }

    /// Who has left since they did it is answered as they were then.
    async fn advanced_before(&self, by: Keyed, key: Option<Key>, refused: Error) -> Result<Advanced, Error> {
        let outcome = self.done(by, key, refused).await?;
        Ok(Advanced { cursors: moved_to(&outcome).collect(), positions: outcome.positions })
    }

    /// Refused, unless it was done under this key before.
    async fn done(&self, by: Keyed, key: Option<Key>, refused: Error) -> Result<Outcome<Inbox>, Error> {
        let address = inbox::address(by.caller.account);
        self.0.dispatch.done::<Inbox>(address, by.caller, key).await?.ok_or(refused)
    }

    /// `shows`: whether oneself shows it, which is asked once where there is somebody to tell.
    async fn advance_of(
        &self,
        me: AccountId,
        shows: &OnceCell<bool>,
        conversation_id: ConversationId,
        seq: u64,
    ) -> Result<Advance, Error> {
        let state = self.look(conversation_id).await?;
        // Where nothing passes, nobody is told that it was read.
        let peer = state.peer(me).filter(|_| state.lets_pass());
        let entered_seq = state.entered_seq(me).unwrap_or_default();
        let is_shown = match peer {
            Some(peer) => *shows.get_or_try_init(|| self.shows_reading(me)).await? && self.shows_reading(peer).await?,
            None => false,
        };
        let (last_seq, outside) = (state.last_seq, outside(&state, me));
        let ends_some = state.ends_by_reading(me, seq);
        Ok(Advance { conversation_id, seq, last_seq, entered_seq, peer, is_shown, ends_some, outside })
    }

    /// Whether they show others how far they have read, and are shown it.
    async fn shows_reading(&self, who: AccountId) -> Result<bool, Error> {
        let state = self.0.dispatch.inspect::<Account>(account::address(who)).await?;
        Ok(matches!(&*state, account::State::Registered(person) if person.settings.read_receipts.0))
    }

    async fn look(&self, id: ConversationId) -> Result<Arc<State>, Error> {
        self.0.dispatch.inspect::<Conversation>(conversation::address(id)).await
    }
}

/// `None`: they are in.
fn outside(state: &State, who: AccountId) -> Option<Outside> {
    let out = if state.is_former(who) { Outside::NotAMember } else { Outside::NotFound };
    (!state.is_in(who)).then_some(out)
}

/// Where the command moved cursors; a repeat says what it said the first time.
fn moved_to(outcome: &Outcome<Inbox>) -> impl Iterator<Item = (ConversationId, u64)> {
    let moved = outcome.events.iter().filter_map(|(event, _)| match event {
        Event::CursorsAdvanced { cursors } => Some(cursors),
        _ => None,
    });
    moved.flatten().map(|cursor| (cursor.conversation_id, cursor.seq))
}
