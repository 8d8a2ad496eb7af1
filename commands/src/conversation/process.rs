//! What is done because of what became of a group or a channel.
//!
//! A group that was handed over, dissolved or left by its last one takes no place any more among those that its owner may own. Should they have
//! taken it anew meanwhile, it is not counted: one group more than they may have, which is better than one less.

use crate::process::{Orders, Process};
use natter_domain::{
    AccountId, ConversationId, Noun,
    account::{self, Account, Command},
    conversation::{self, Conversation, Event},
    inbox,
    subscription::{self, Subscription},
};
use natter_streams::Record;

pub(crate) struct LeavesGroups;

impl Process for LeavesGroups {
    const NAME: &'static str = "conversation.leaves_groups";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        let names_one = ["owner_changed", "dissolved", "member_left"];
        if event.noun != Noun::Conversation || !names_one.contains(&&*event.event_type) {
            return Ok(());
        }
        let by = match event.decode()? {
            Event::OwnerChanged { by, .. } | Event::Dissolved { by, .. } => Some(by),
            // An owner leaves as the last one. Of all others it says nothing.
            Event::MemberLeft { by, account_id, .. } => Some(by).filter(|by| *by == account_id),
            _ => None,
        };
        if let Some(by) = by {
            let conversation_ids = vec![ConversationId(event.aggregate_id)];
            orders.give::<Account>(account::address(by), Command::LeaveGroups { conversation_ids });
        }
        Ok(())
    }
}

/// Nothing is said to who is banned from a channel: that is decided by the ban itself, wherever something is said. What is left of
/// their subscription ends behind it. In a group there is none, and nothing happens.
pub(crate) struct EndsSubscriptions;

impl Process for EndsSubscriptions {
    const NAME: &'static str = "conversation.ends_subscriptions";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        if event.noun != Noun::Conversation || &*event.event_type != "banned" {
            return Ok(());
        }
        if let Event::Banned { account_id: account, .. } = event.decode()? {
            let channel = ConversationId(event.aggregate_id);
            let command = subscription::Command::End { channel, account };
            orders.give::<Subscription>(subscription::address(channel, account), command);
        }
        Ok(())
    }
}

/// Who has read messages that end by being read has begun their countdowns: the conversation knows which they are.
pub(crate) struct BeginsCountdowns;

impl Process for BeginsCountdowns {
    const NAME: &'static str = "conversation.begins_countdowns";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        if event.noun != Noun::Inbox || &*event.event_type != "ending_read" {
            return Ok(());
        }
        if let inbox::Event::EndingRead { conversation_id, seq } = event.decode()? {
            let (reader, read_at) = (AccountId(event.aggregate_id), event.time);
            let command = conversation::Command::BeginCountdowns { reader, seq, read_at };
            orders.give::<Conversation>(conversation::address(conversation_id), command);
        }
        Ok(())
    }
}
