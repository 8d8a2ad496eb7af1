//! People change how conversations are shown to them, and delete some for themselves.

use super::{Known, tried};
use natter_testkit::{
    Person,
    client::{
        Error,
        rest::{Page, Range, Shown, Signed},
        wire::{self, ViewChange},
    },
};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use uuid::Uuid;

impl Known {
    /// A channel to which they do not subscribe is none of theirs. How many others do is told to nobody.
    pub fn puts(&mut self, own: &wire::OwnConversation) {
        if own.subscribed == Some(false) {
            return self.loses(own.conversation.id);
        }
        let mut own = own.clone();
        if own.subscribed.is_some() {
            own.conversation.member_count = 0;
        }
        self.conversations.insert(own.conversation.id, super::as_json(&own));
    }

    pub fn loses(&mut self, conversation: Uuid) {
        self.conversations.remove(&conversation);
        self.messages.retain(|(id, _), _| *id != conversation);
    }

    /// One message is gone for this person.
    pub fn deletes(&mut self, conversation: Uuid, seq: u64) {
        self.deleted.insert((conversation, seq));
        self.messages.remove(&(conversation, seq));
    }

    /// A client forgets what its person has deleted.
    pub fn forget_what_is_gone(&mut self) {
        let Self { conversations, messages, deleted, .. } = self;
        let cleared = |id: &Uuid| conversations.get(id).and_then(|own| own["cleared_seq"].as_u64()).unwrap_or(0);
        messages.retain(|(id, seq), _| *seq > cleared(id));
        deleted.retain(|(id, seq)| *seq > cleared(id));
    }

    /// Of the messages that are held; what is gone is not missing.
    pub fn newest(&self, conversation: Uuid) -> u64 {
        let all = (conversation, 0)..=(conversation, u64::MAX);
        let held = self.messages.range(all).next_back();
        let cleared = self.conversations.get(&conversation).and_then(|own| own["cleared_seq"].as_u64());
        held.map_or(0, |((_, seq), _)| *seq).max(cleared.unwrap_or(0))
    }
}

/// Those that are hidden too.
pub async fn all(me: &Signed) -> Result<Vec<wire::OwnConversation>, Error> {
    let page = Page { cursor: None, limit: Some(200) };
    let mut all = me.conversations(&page).await?.items;
    let hidden = Shown { hidden: Some(true), ..Shown::default() };
    all.extend(me.conversations_in(&hidden, &page).await?.items);
    Ok(all)
}

pub async fn changes(person: &Person, talk: Uuid, dice: &mut StdRng) {
    let (me, yes) = (person.client(), Some(Some(dice.random::<bool>())));
    let text = dice.random::<bool>().then(|| format!("text {}", dice.random_range(0..3)));
    let change = match dice.random_range(0..20) {
        0 => return tried(person, async || me.clear(talk).await.map(drop)).await,
        17..20 => return marks(person, talk, dice).await,
        1..4 => ViewChange { pinned: yes, archived: yes, ..ViewChange::default() },
        4..10 => ViewChange { hidden: yes, ..ViewChange::default() },
        10..13 => ViewChange { marked_unread: yes, ..ViewChange::default() },
        13..16 => ViewChange { folder: Some(text), ..ViewChange::default() },
        16 => ViewChange { quiet_until: Some(Some("9999-12-31T23:59:59.999Z".into())), ..ViewChange::default() },
        _ => ViewChange { draft: Some(text), ..ViewChange::default() },
    };
    tried(person, async || me.change_view(talk, &change).await.map(drop)).await;
}

/// Or deletes one message.
async fn marks(person: &Person, talk: Uuid, dice: &mut StdRng) {
    let me = person.client();
    let Ok(page) = me.messages(talk, Range { limit: Some(20), ..Range::default() }).await else { return };
    let Some(message) = page.choose(dice).map(|message| message.message_id) else { return };
    let star = wire::MessageMarks { starred: Some(dice.random()), listened: None };
    match dice.random() {
        true => tried(person, async || me.mark(talk, message, &star).await.map(drop)).await,
        false => tried(person, async || me.delete_for_me(talk, message).await.map(drop)).await,
    }
}
