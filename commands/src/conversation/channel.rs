//! Channels: beginning one, and being told of what is said there.

use super::{
    Conversations,
    group::{Started, started},
};
use crate::{Keyed, error::Error, friendship::account_key, keys::Key};
use natter_domain::{
    AccountId, ConversationId, GroupName,
    conversation::Command,
    id::derived,
    subscription::{self, Subscription},
};
use natter_streams::{Positions, event::CommandKey, id};
use uuid::Uuid;

impl Conversations<'_> {
    /// Begins a channel of the caller, who is told of what is said there.
    pub async fn start_channel(&self, by: Keyed, name: &GroupName) -> Result<Started, Error> {
        let me = by.caller.account;
        // A repeat must lead to the same lane, where its key is known.
        let id = match by.key {
            Some(key) => derived("natter channel", &[me.0.as_bytes(), key.as_bytes()]),
            None => id::new(),
        };
        let channel = ConversationId(id);
        if self.look(channel).await?.kind.is_none() {
            self.own(me, channel).await?;
        }
        let command = Command::StartChannel { name: self.seal(channel, name.as_str()).await? };
        let begun = self.decide(by, channel, command, &format!("start channel {:?}", name.as_str()), 1).await?;
        let mut begun = started(channel, begun)?;
        // Under a key of its own: a repeat ends what is half done, and does nothing that was done.
        let of_channel = |id: Uuid| {
            let key = derived("natter channel subscription", &[me.0.as_bytes(), id.as_bytes()]);
            Key::new(id, CommandKey { key, fingerprint: [0; 16] })
        };
        let command = subscription::Command::Begin { channel };
        begun.positions.merge(&self.of_subscription(by, channel, command, by.key.map(of_channel)).await?);
        Ok(begun)
    }

    pub(super) async fn subscribe(&self, by: Keyed, channel: ConversationId) -> Result<Positions, Error> {
        let key = by.key.map(|key| account_key(self.0, by, key, &format!("subscribe {channel}")));
        self.of_subscription(by, channel, subscription::Command::Begin { channel }, key).await
    }

    pub(super) async fn unsubscribe(&self, by: Keyed, channel: ConversationId) -> Result<Positions, Error> {
        let command = subscription::Command::End { channel, account: by.caller.account };
        let key = by.key.map(|key| account_key(self.0, by, key, &format!("unsubscribe {channel}")));
        self.of_subscription(by, channel, command, key).await
    }

    async fn of_subscription(
        &self,
        by: Keyed,
        channel: ConversationId,
        command: subscription::Command,
        key: Option<Key>,
    ) -> Result<Positions, Error> {
        let address = subscription::address(channel, by.caller.account);
        Ok(self.0.dispatch.execute::<Subscription>(address, Some(by.caller), key, command).await?.positions)
    }

    /// Of who was banned from it; of who is banned from a group there is none. [`super::process`] does the same where this
    /// did not come to it.
    pub(super) async fn end_subscription(&self, channel: ConversationId, account: AccountId) -> Result<(), Error> {
        let command = subscription::Command::End { channel, account };
        let address = subscription::address(channel, account);
        self.0.dispatch.execute::<Subscription>(address, None, None, command).await.map(drop)
    }
}
