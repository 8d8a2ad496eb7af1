//! Who is in, who leads, who may write, and people among each other.

use super::person::{Done, NAMES, Not, Person};
use natter_testkit::{
    client::new_id,
    in_seconds,
    wire::{self, Body, MessageNew},
};
use rand::Rng;
use uuid::Uuid;

const HOUR: u64 = 60 * 60;
/// Those who come and go; the others stay.
const RESTLESS: std::ops::Range<usize> = 3..5;

fn changed(settings: wire::GroupSettingsChange) -> wire::ConversationChange {
    wire::ConversationChange { name: None, avatar: None, description: None, settings: Some(settings) }
}

impl Person {
    fn is_restless(&self) -> bool {
        NAMES[RESTLESS].contains(&self.name)
    }

    fn somebody_restless(&self) -> Uuid {
        self.pick(&self.world.accounts[RESTLESS]).expect("there are two")
    }

    /// A group that they own.
    fn led(&self) -> Result<Uuid, Not> {
        let led = self.talks(|own| own.conversation.kind == "group" && own.role.as_deref() == Some("owner"));
        self.one_of(&led).map(|own| own.conversation.id)
    }

    /// Leaves where they are in, or comes back by a link.
    pub async fn comes_and_goes(&self) -> Done {
        if !self.is_restless() {
            return Err(Not::Possible);
        }
        let talks = &self.world.talks;
        let (group, link) = self.one_of(&[(talks.us, &talks.links[0]), (talks.them, &talks.links[1])])?;
        let is_in = self.talks(|own| own.conversation.id == group).len() == 1;
        if is_in {
            return self.does("leaves", async |me| me.leave(group).await).await.map(drop);
        }
        self.does("comes back", async |me| me.join_by(link).await).await.map(drop)
    }

    /// Removed, banned and let in again, or added.
    pub async fn is_sent_away(&self) -> Done {
        let (group, whom) = (self.led()?, self.somebody_restless());
        match self.roll(|dice| dice.random_range(0..4)) {
            0 => self.does("removes", async |me| me.remove_member(group, whom).await).await.map(drop),
            1 => {
                self.does("bans", async |me| me.ban(group, whom).await).await?;
                self.does("unbans", async |me| me.unban(group, whom).await).await.map(drop)
            }
            _ => self.does("adds", async |me| me.add_members(group, &[whom]).await).await.map(drop),
        }
    }

    pub async fn changes_group(&self) -> Done {
        let group = self.led()?;
        let change = match self.roll(|dice| dice.random_range(0..3)) {
            0 => wire::ConversationChange { name: Some(self.name()), avatar: None, description: None, settings: None },
            1 => {
                let description = Some(Some(self.words()));
                wire::ConversationChange { name: None, avatar: None, description, settings: None }
            }
            _ => {
                let shares_history = Some(self.roll(|dice| dice.random_bool(0.5)));
                changed(wire::GroupSettingsChange { shares_history, ..wire::GroupSettingsChange::default() })
            }
        };
        self.does("changes the group", async |me| me.change_group(group, &change).await).await.map(drop)
    }

    pub async fn announces(&self) -> Done {
        let (group, words) = (self.led()?, self.words());
        self.does("announces", async |me| me.announce(group, &words).await).await.map(drop)
    }

    /// For an hour, or no longer.
    pub async fn mutes_somebody(&self) -> Done {
        let (group, whom) = (self.led()?, self.somebody_restless());
        let until = self.roll(|dice| dice.random_bool(0.4)).then(|| in_seconds(HOUR));
        let change = wire::MemberChange { role: None, nickname: None, muted_until: Some(until) };
        self.does("mutes", async |me| me.change_member(group, whom, &change).await).await.map(drop)
    }

    pub async fn names_somebody(&self) -> Done {
        let groups = self.talks(|own| own.conversation.kind == "group");
        let (group, me_myself) = (self.one_of(&groups)?.conversation.id, self.id);
        let change = wire::MemberChange { role: None, nickname: Some(Some(self.name())), muted_until: None };
        self.does("takes a name", async |me| me.change_member(group, me_myself, &change).await).await.map(drop)
    }

    pub async fn blocks(&self) -> Done {
        let whom = self.another();
        self.does("blocks", async |me| me.block(whom).await).await.map(drop)
    }

    pub async fn unblocks(&self) -> Done {
        let blocked: Vec<Uuid> = self.devices[0].held().blocks.keys().copied().collect();
        let whom = self.one_of(&blocked)?;
        self.does("unblocks", async |me| me.unblock(whom).await).await.map(drop)
    }

    pub async fn notes_of_friend(&self) -> Done {
        let (whom, starred) = (self.another(), self.roll(|dice| dice.random_bool(0.5)));
        let change = wire::FriendChange { remark: Some(Some(self.name())), folder: None, starred: Some(Some(starred)) };
        self.does("notes", async |me| me.change_friend(whom, &change).await).await.map(drop)
    }

    pub async fn changes_settings(&self) -> Done {
        let shown = self.roll(|dice| dice.random_bool(0.7));
        let change = match self.roll(|dice| dice.random_range(0..2)) {
            0 => wire::SettingsChange { read_receipts: Some(shown), ..wire::SettingsChange::default() },
            _ => wire::SettingsChange { messages_from: Some("all".to_owned()), ..wire::SettingsChange::default() },
        };
        self.does("changes settings", async |me| me.change_settings(&change).await).await.map(drop)
    }

    pub async fn changes_profile(&self) -> Done {
        let signature = Some(Some(self.words()));
        let change = wire::AccountChange { signature, ..wire::AccountChange::default() };
        self.does("changes the profile", async |me| me.change_account(&change).await).await.map(drop)
    }

    pub async fn broadcasts(&self) -> Done {
        let body = Body::text(format!("{}, the news", self.words()));
        self.sends(self.world.talks.news, MessageNew::new(new_id(), body.clone()), Some(body)).await
    }

    /// The channel's owner stays.
    pub async fn subscribes(&self) -> Done {
        let news = self.world.talks.news;
        let subscribed = self.talks(|own| own.conversation.id == news);
        match subscribed.first() {
            Some(own) if own.role.as_deref() == Some("owner") => Err(Not::Possible),
            Some(_) => self.does("unsubscribes", async |me| me.leave(news).await).await.map(drop),
            None => self.does("subscribes", async |me| me.join(news, None).await).await.map(drop),
        }
    }
}
