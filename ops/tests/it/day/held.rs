//! What a device holds, kept by the rules of `edge/PROTOCOL.md` (Sync; Pushes and a cursor). Nothing here asks anybody.

use natter_testkit::{client::follow::Update, wire};
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

pub struct Held {
    me: Uuid,
    pub conversations: BTreeMap<Uuid, wire::OwnConversation>,
    /// By conversation and seq.
    pub messages: BTreeMap<Uuid, BTreeMap<u64, wire::Message>>,
    /// By what they begin with.
    pub threads: BTreeMap<Uuid, wire::ThreadState>,
    pub friends: BTreeMap<Uuid, wire::Friend>,
    pub blocks: BTreeMap<Uuid, wire::Block>,
    /// What waits or could not be sent.
    pub scheduled: BTreeMap<Uuid, wire::Scheduled>,
    /// What was sent later or taken back: it stays so, whatever comes late.
    over: HashSet<Uuid>,
    pub settings: Option<wire::Settings>,
    pub account: Option<wire::Account>,
    pub cursor: Option<String>,
    /// The newest message of each conversation that was told.
    newest: HashMap<Uuid, u64>,
    /// Up to where each was deleted for oneself.
    cleared: HashMap<Uuid, u64>,
    /// What a follower may never do.
    pub broken: Vec<String>,
    /// How often each was pushed; of typing only that of others.
    pub pushes: BTreeMap<String, u64>,
    /// How often the connection was lost.
    pub breaks: u64,
    /// What was told of conversations that come and go, for the message of a failure.
    pub trail: Vec<String>,
}

/// What has to be read because of a push.
pub enum Look {
    Message { conversation: Uuid, message: Uuid, position: String },
    Conversation { conversation: Uuid, position: String },
}

impl Held {
    pub fn of(me: Uuid) -> Self {
        let (conversations, messages, threads) = Default::default();
        let (friends, blocks, scheduled, over, newest, cleared) = Default::default();
        let (settings, account, cursor, broken, pushes, breaks, trail) = Default::default();
        Self {
            me,
            conversations,
            messages,
            threads,
            friends,
            blocks,
            scheduled,
            over,
            settings,
            account,
            cursor,
            newest,
            cleared,
            broken,
            pushes,
            breaks,
            trail,
        }
    }

    /// Where a follower goes on.
    pub fn known(&self) -> HashMap<Uuid, u64> {
        let mut known = self.newest.clone();
        for (&id, &up_to) in &self.cleared {
            let last = known.entry(id).or_default();
            *last = up_to.max(*last);
        }
        known
    }

    pub fn take(&mut self, update: Update) -> Vec<Look> {
        match update {
            Update::Message(message) => self.message(*message),
            Update::Changed(message) => self.replace(*message),
            Update::Deleted(gone) => self.lose(gone.conversation_id, gone.seq),
            Update::Conversation(own) => self.conversation(*own),
            Update::Rest(told) => self.rest(*told),
            Update::Cursor(cursor) => self.cursor = Some(cursor),
            Update::Push(push) => return self.pushed(*push).into_iter().collect(),
            Update::Offline(_) => self.breaks += 1,
            Update::Online => {}
        }
        Vec::new()
    }

    fn message(&mut self, message: wire::Message) {
        let newest = self.newest.entry(message.conversation_id).or_default();
        if *newest == 0 {
            let (now, id, seq) = (natter_testkit::in_seconds(0), message.conversation_id, message.seq);
            self.trail.push(format!("{now} {id} begins with {seq}, of {:?}", message.edited_at));
        }
        if message.seq <= *newest {
            let id = message.conversation_id;
            self.broken.push(format!("message {} of {id} was told behind {newest}", message.seq));
        }
        *newest = message.seq.max(*newest);
        if self.cleared.get(&message.conversation_id).is_some_and(|up_to| message.seq <= *up_to) {
            // It was on its way when that was read.
            return;
        }
        self.messages.entry(message.conversation_id).or_default().insert(message.seq, message);
    }

    /// As it is now; only where it is held.
    pub fn replace(&mut self, message: wire::Message) {
        if let Some(summary) = &message.thread_summary {
            let (conversation_id, message_id) = (message.conversation_id, message.message_id);
            let wire::ThreadSummary { followed, read_seq, .. } = *summary;
            let state = wire::ThreadState { conversation_id, message_id, followed, read_seq };
            self.threads.insert(message_id, state);
        }
        if let Some(held) = self.held(message.conversation_id, message.seq) {
            *held = message;
        }
    }

    pub fn conversation(&mut self, own: wire::OwnConversation) {
        self.forget(own.conversation.id, own.cleared_seq);
        if own.subscribed == Some(false) {
            // It can be read, and is in no list.
            self.conversations.remove(&own.conversation.id);
            return;
        }
        self.conversations.insert(own.conversation.id, own);
    }

    fn lose(&mut self, conversation: Uuid, seq: u64) {
        self.messages.entry(conversation).or_default().remove(&seq);
    }

    fn forget(&mut self, conversation: Uuid, up_to: u64) {
        if let Some(all) = self.messages.get_mut(&conversation) {
            *all = all.split_off(&(up_to + 1));
        }
        let cleared = self.cleared.entry(conversation).or_default();
        *cleared = up_to.max(*cleared);
    }

    fn rest(&mut self, told: wire::Sync) {
        for id in &told.left {
            self.trail.push(format!("{} left {id}", natter_testkit::in_seconds(0)));
            self.conversations.remove(id);
            self.messages.remove(id);
            self.newest.remove(id);
        }
        self.threads.extend(told.threads.into_iter().map(|state| (state.message_id, state)));
        self.friends.extend(told.friends.into_iter().map(|friend| (friend.account.id, friend)));
        self.blocks.extend(told.blocks.into_iter().map(|block| (block.account.id, block)));
        told.removed_friends.iter().for_each(|id| drop(self.friends.remove(id)));
        told.unblocked.iter().for_each(|id| drop(self.blocks.remove(id)));
        told.scheduled.into_iter().for_each(|one| self.scheduled(one));
        self.settings = told.settings.or(self.settings.take());
        self.account = told.account.or(self.account.take());
    }

    fn scheduled(&mut self, one: wire::Scheduled) {
        let id = one.message_id;
        if matches!(one.state.as_str(), "sent" | "cancelled") {
            self.over.insert(id);
            self.scheduled.remove(&id);
        } else if !self.over.contains(&id) {
            self.scheduled.insert(id, one);
        }
    }

    fn pushed(&mut self, push: wire::Push) -> Option<Look> {
        use wire::Push;
        if !matches!(push, Push::Typing { account_id, .. } if account_id == self.me) {
            *self.pushes.entry(name(&push)).or_default() += 1;
        }
        match push {
            Push::MessageEdited { message, position } => self.edited(message, position),
            Push::MessageRecalled { message, .. } => {
                self.recalled(message);
                None
            }
            Push::MessageReacted { conversation_id, message_id, position, .. }
            | Push::MessageUnreacted { conversation_id, message_id, position, .. }
            | Push::MessagePinned { conversation_id, message_id, position, .. }
            | Push::MessageUnpinned { conversation_id, message_id, position, .. } => {
                Some(Look::Message { conversation: conversation_id, message: message_id, position })
            }
            Push::InboxChanged { conversation_id, changed, position } => {
                if let wire::InboxChanged::Cleared { cleared_seq } = changed {
                    self.forget(conversation_id, cleared_seq);
                }
                Some(Look::Conversation { conversation: conversation_id, position })
            }
            Push::ConversationRead { conversation_id, position, .. }
            | Push::MessageDelivered { conversation_id, position, .. } => {
                Some(Look::Conversation { conversation: conversation_id, position })
            }
            Push::MessageDeleted { conversation_id, seq, position, .. } => {
                self.lose(conversation_id, seq);
                Some(Look::Conversation { conversation: conversation_id, position })
            }
            other => {
                self.told(other);
                None
            }
        }
    }

    /// What says all that there is to know.
    fn told(&mut self, push: wire::Push) {
        use wire::Push;
        match push {
            Push::MessageMarked { conversation_id, seq, starred, listened, .. } => {
                let held = self.held(conversation_id, seq).filter(|held| held.recalled_at.is_none());
                held.into_iter().for_each(|held| (held.starred, held.listened) = (starred, listened));
            }
            Push::MessageCountdown { conversation_id, seq, expires_at, .. } => {
                let held = self.held(conversation_id, seq).filter(|held| held.recalled_at.is_none());
                held.into_iter().for_each(|held| held.expires_at = Some(expires_at.clone()));
            }
            Push::ThreadChanged { conversation_id, message_id, followed, read_seq, .. } => {
                let state = wire::ThreadState { conversation_id, message_id, followed: false, read_seq: 0 };
                let state = self.threads.entry(message_id).or_insert(state);
                state.followed = followed.unwrap_or(state.followed);
                state.read_seq = state.read_seq.max(read_seq.unwrap_or(0));
            }
            Push::MessageScheduled { scheduled, .. } => self.scheduled(scheduled),
            _ => {}
        }
    }

    fn held(&mut self, conversation: Uuid, seq: u64) -> Option<&mut wire::Message> {
        self.messages.get_mut(&conversation)?.get_mut(&seq)
    }

    fn edited(&mut self, message: wire::Message, position: String) -> Option<Look> {
        let held = self.held(message.conversation_id, message.seq)?;
        if held.recalled_at.is_some() || held.edited_at > message.edited_at {
            return None;
        }
        if held.edited_at == message.edited_at {
            let (conversation, message) = (message.conversation_id, message.message_id);
            return Some(Look::Message { conversation, message, position });
        }
        (held.body, held.edited_at) = (message.body, message.edited_at);
        None
    }

    fn recalled(&mut self, message: wire::Message) {
        if let Some(held) = self.held(message.conversation_id, message.seq) {
            *held = message;
        }
    }

    /// The messages of a conversation as they are shown: answers without the words of what was recalled, and what a thread
    /// has come to left out, which is told with the answers only.
    pub fn shown(&self, conversation: Uuid) -> Vec<wire::Message> {
        let Some(all) = self.messages.get(&conversation) else { return Vec::new() };
        all.values().map(|message| shown(message.clone(), all)).collect()
    }

    /// How far each thread has come for this person, from what is held alone.
    pub fn summary(&self, conversation: Uuid, root: Uuid) -> Summary {
        let state = self.threads.get(&root);
        let read_seq = state.map_or(0, |state| state.read_seq);
        let all = self.messages.get(&conversation);
        let replies = all.into_iter().flat_map(BTreeMap::values).filter(|message| {
            message.recalled_at.is_none() && message.thread.as_ref().is_some_and(|thread| thread.message_id == root)
        });
        let followed = state.is_some_and(|state| state.followed);
        let mut summary = Summary { replies: 0, last_seq: 0, unread: 0, followed, read_seq };
        for reply in replies {
            summary.replies += 1;
            summary.last_seq = reply.seq;
            summary.unread += u64::from(reply.seq > read_seq && reply.sender != Some(self.me));
        }
        summary
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Summary {
    pub replies: u64,
    pub last_seq: u64,
    pub unread: u64,
    pub followed: bool,
    pub read_seq: u64,
}

impl From<&wire::ThreadSummary> for Summary {
    fn from(told: &wire::ThreadSummary) -> Self {
        let wire::ThreadSummary { replies, last_seq, unread, followed, read_seq, .. } = *told;
        Self { replies, last_seq, unread, followed, read_seq }
    }
}

/// As the contract calls it.
fn name(push: &wire::Push) -> String {
    let push = serde_json::to_value(push).expect("a push is JSON");
    push["event"].as_str().unwrap_or_default().to_owned()
}

/// As [`Held::shown`] has it, of the messages around it.
pub fn shown(mut message: wire::Message, all: &BTreeMap<u64, wire::Message>) -> wire::Message {
    // Of what was deleted for oneself nobody is told that it was recalled.
    let is_said = |quoted: &wire::Message| quoted.recalled_at.is_none();
    if let Some(quote) = &mut message.reply_to
        && !all.get(&quote.seq).is_some_and(is_said)
    {
        quote.excerpt = None;
    }
    message.thread_summary = None;
    message.pinned_by = None;
    if message.recalled_at.is_none() {
        message.reactions.get_or_insert_default();
    } else {
        message.reactions = message.reactions.filter(|all| !all.is_empty());
    }
    message
}
