//! Taking a place among the groups that somebody may own, before the group is theirs. [`super::process`] gives it back once it is
//! not any more; what died half-way is found here, when all places are taken.

use super::Conversations;
use crate::error::Error;
use natter_domain::{
    AccountId, Code, ConversationId,
    account::{self, Account, Command, State},
    limit,
};
use natter_streams::clock;

impl Conversations<'_> {
    /// Where all places are taken, those of groups that never became theirs are given back first.
    pub(super) async fn own(&self, account: AccountId, group: ConversationId) -> Result<(), Error> {
        match self.take_group(account, group).await {
            Err(error) if error.is(Code::TooManyGroups) => {
                self.leave_groups(account).await?;
                self.take_group(account, group).await
            }
            taken => taken,
        }
    }

    async fn take_group(&self, account: AccountId, conversation_id: ConversationId) -> Result<(), Error> {
        self.tell(account, Command::TakeGroup { conversation_id, max: self.0.groups.own_max }).await
    }

    async fn leave_groups(&self, owner: AccountId) -> Result<(), Error> {
        let state = self.0.dispatch.inspect::<Account>(account::address(owner)).await?;
        let State::Registered(person) = &*state else { return Ok(()) };
        let mut conversation_ids = Vec::new();
        // What was taken just now may be about to be theirs.
        let before = clock::now();
        for (&id, _) in person.groups.iter().filter(|(_, taken_at)| **taken_at + limit::CLAIM_WINDOW < before) {
            let group = self.look(id).await?;
            let is_theirs = group.card.owner == Some(owner) && group.is_in(owner);
            if !is_theirs || group.is_dissolved() {
                conversation_ids.push(id);
            }
        }
        self.tell(owner, Command::LeaveGroups { conversation_ids }).await
    }

    async fn tell(&self, account: AccountId, command: Command) -> Result<(), Error> {
        self.0.dispatch.execute::<Account>(account::address(account), None, None, command).await.map(drop)
    }
}
