//! What has come to a device of a person's. Only of direct conversations is it said: the other one is told.

use super::{Advanced, Inboxes, outside};
use crate::{Keyed, error::Error, friendship::account_key};
use natter_domain::{
    AccountId, ConversationId,
    conversation::{Kind, State},
    inbox::{self, Command, Delivery, Inbox, Outside},
};
use natter_streams::Positions;

impl Inboxes<'_> {
    /// Messages have come to the caller, each conversation's up to its number. Nothing is said of what was said before.
    pub async fn deliver(&self, by: Keyed, come: Vec<(ConversationId, u64)>) -> Result<Advanced, Error> {
        let me = by.caller.account;
        let key = by.key.map(|key| account_key(self.0, by, key, &format!("deliver {come:?}")));
        let asked = come.iter().map(|&(conversation_id, seq)| self.delivery_of(me, conversation_id, seq));
        let told = |positions: Positions| Advanced { cursors: come.clone(), positions };
        let deliveries = match futures::future::try_join_all(asked).await {
            Ok(deliveries) => deliveries,
            // Who has left since they did it is answered as they were then.
            Err(refused) => return Ok(told(self.done(by, key, refused).await?.positions)),
        };
        let (address, command) = (inbox::address(me), Command::Deliver { deliveries });
        let outcome = self.0.dispatch.execute::<Inbox>(address, Some(by.caller), key, command).await?;
        Ok(told(outcome.positions))
    }

    async fn delivery_of(&self, me: AccountId, conversation_id: ConversationId, seq: u64) -> Result<Delivery, Error> {
        let state = self.look(conversation_id).await?;
        let peer = state.peer(me).filter(|_| state.lets_pass());
        Ok(Delivery { conversation_id, seq, last_seq: state.last_seq, peer, outside: not_told(&state, me) })
    }
}

/// `None`: it is a direct conversation of theirs.
fn not_told(state: &State, who: AccountId) -> Option<Outside> {
    outside(state, who).or_else(|| (state.kind != Some(Kind::Direct)).then_some(Outside::NotDirect))
}
