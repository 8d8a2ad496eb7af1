//! A group that was handed over or dissolved takes no place any more among those that its owner may own. Should they have
//! taken it anew meanwhile, it is not counted: one group more than they may have, which is better than one less.

use crate::process::{Orders, Process};
use natter_domain::{
    ConversationId, Noun,
    account::{self, Account, Command},
    conversation::Event,
};
use natter_streams::Record;

pub(crate) struct LeavesGroups;

impl Process for LeavesGroups {
    const NAME: &'static str = "conversation.leaves_groups";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        if event.noun != Noun::Conversation || !["owner_changed", "dissolved"].contains(&&*event.event_type) {
            return Ok(());
        }
        if let Event::OwnerChanged { by, .. } | Event::Dissolved { by, .. } = event.decode()? {
            let conversation_ids = vec![ConversationId(event.aggregate_id)];
            orders.give::<Account>(account::address(by), Command::LeaveGroups { conversation_ids });
        }
        Ok(())
    }
}
