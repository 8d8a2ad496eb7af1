//! What is unread, by the plain rule and from the log alone: who said what in each conversation, who was there when, how far
//! each person has read. Nothing of it is taken from a read model or shared with one. It is all in memory, four bytes a message
//! and what people are: for who checks, not for who serves.

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use natter_domain::{
    AccountId, ConversationId, Noun,
    conversation::{Event as Conversation, Kind, Mentions, SystemMessage},
    inbox::Event as Inbox,
    message::Event as Message,
    subscription::Event as Subscription,
};
use natter_streams::{Link, Log, Record};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

/// Whose view of what.
pub type Pair = (AccountId, ConversationId);

const PAGE: usize = 1_000;

/// Nobody: the sender of system messages.
const SYSTEM: u32 = 0;

pub struct Book {
    /// How far each lane is read.
    read: Vec<Link>,
    /// A short number for each person, from 1.
    numbers: HashMap<AccountId, u32>,
    talks: HashMap<ConversationId, Talk>,
    views: HashMap<Pair, View>,
    /// Where somebody is or was.
    places: BTreeMap<AccountId, BTreeSet<ConversationId>>,
    events: u64,
}

/// A conversation.
#[derive(Default)]
struct Talk {
    is_channel: bool,
    has_ended: bool,
    /// By number, from 1.
    senders: Vec<u32>,
    recalled: BTreeSet<u64>,
    /// Whom a message mentions, by its number.
    mentions: HashMap<u64, Mentioned>,
    stays: HashMap<AccountId, Vec<Stay>>,
    banned: BTreeSet<AccountId>,
    happened: u64,
}

enum Mentioned {
    All,
    These(Vec<u32>),
}

impl Mentioned {
    fn is(&self, person: u32) -> bool {
        match self {
            Self::All => true,
            Self::These(people) => people.contains(&person),
        }
    }
}

/// What waits for somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    pub unread: u64,
    pub mentions: u64,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unread, mentions } = self;
        match mentions {
            0 => write!(f, "{unread}"),
            _ => write!(f, "{unread} ({mentions} mentions)"),
        }
    }
}

#[derive(Clone, Copy)]
struct Stay {
    /// What is behind it is seen.
    begin: u64,
    /// What is behind it has to be read.
    came: u64,
    end: Option<u64>,
}

impl Stay {
    fn sees(&self, seq: u64) -> bool {
        self.begin < seq && self.end.is_none_or(|end| seq <= end)
    }
}

/// Of a person's inbox.
#[derive(Default)]
struct View {
    read: u64,
    cleared: u64,
    /// One by one.
    deleted: BTreeSet<u64>,
    happened: u64,
}

impl Book {
    pub async fn open(log: &Log) -> Result<Self> {
        let mut read = Vec::new();
        for lane in log.lanes().iter() {
            read.push(Link::start(lane, log.incarnation(lane).await?));
        }
        let (numbers, talks, views) = Default::default();
        Ok(Self { read, numbers, talks, views, places: BTreeMap::new(), events: 0 })
    }

    /// To where the lanes end now.
    pub async fn read_on(&mut self, log: &Log, progress: &ProgressBar) -> Result<()> {
        for lane in 0..self.read.len() {
            loop {
                let page = log.read(&self.read[lane], PAGE).await?;
                let Some(newest) = page.last() else { break };
                self.read[lane] = newest.link();
                for record in &page {
                    self.note(record)
                        .with_context(|| format!("read event {} of lane {}", record.position, record.lane))?;
                }
                self.events += page.len() as u64;
                progress.set_message(format!("{} events read", self.events));
                progress.tick();
            }
        }
        Ok(())
    }

    /// Everybody who was ever in a conversation.
    pub fn people(&self) -> Vec<AccountId> {
        self.places.keys().copied().collect()
    }

    pub fn conversations_of(&self, account: AccountId) -> BTreeSet<ConversationId> {
        self.places.get(&account).cloned().unwrap_or_default()
    }

    /// Counts what has happened that may change what is unread.
    pub fn happened(&self, pair: Pair) -> u64 {
        let talk = self.talks.get(&pair.1).map_or(0, |talk| talk.happened);
        talk + self.views.get(&pair).map_or(0, |view| view.happened)
    }

    /// The rule: messages of others that the person sees behind the cursor and has not deleted for themselves, but system messages
    /// and recalled ones. `None`: the conversation does not exist for them.
    pub fn waiting(&self, pair: Pair) -> Option<Waiting> {
        let (account, talk) = (pair.0, self.talks.get(&pair.1)?);
        let stays = talk.stays.get(&account)?;
        if talk.has_ended || talk.is_channel && talk.banned.contains(&account) {
            return None;
        }
        let latest = stays.last()?;
        if talk.is_channel && latest.end.is_some() {
            return Some(Waiting { unread: 0, mentions: 0 }); // They do not subscribe to it any more.
        }
        let (read, cleared) = self.views.get(&pair).map_or((0, 0), |view| (view.read, view.cleared));
        let read = read.max(cleared).max(latest.begin).max(latest.came);
        let me = self.numbers.get(&account).copied().unwrap_or(u32::MAX);
        let of_others = |seq: &u64| ![SYSTEM, me].contains(&talk.senders[*seq as usize - 1]);
        let behind = read.saturating_add(1)..=talk.senders.len() as u64;
        let seen = behind.filter(|seq| stays.iter().any(|stay| stay.sees(*seq)) && !talk.recalled.contains(seq));
        let is_deleted = |seq: &u64| self.views.get(&pair).is_some_and(|view| view.deleted.contains(seq));
        let unread: Vec<u64> = seen.filter(of_others).filter(|seq| !is_deleted(seq)).collect();
        let mentions = unread.iter().filter(|seq| talk.mentions.get(seq).is_some_and(|those| those.is(me)));
        Some(Waiting { unread: unread.len() as u64, mentions: mentions.count() as u64 })
    }

    fn note(&mut self, record: &Record) -> Result<()> {
        match record.noun {
            Noun::Conversation => self.conversation(ConversationId(record.aggregate_id), record.decode()?),
            Noun::Message => {
                if let Message::Recalled { message, .. } | Message::Expired { message } = record.decode()? {
                    self.talk(message.conversation_id).recalled.insert(message.seq);
                }
            }
            Noun::Subscription => self.subscription(record.decode()?),
            Noun::Inbox => self.inbox(AccountId(record.aggregate_id), record.decode()?),
            Noun::Account | Noun::Handle | Noun::Session | Noun::Friendship | Noun::Pending | Noun::Projection => {}
        }
        Ok(())
    }

    fn conversation(&mut self, id: ConversationId, event: Conversation) {
        if let Some(message) = SystemMessage::of(&event) {
            self.say(id, message.seq, SYSTEM);
        }
        match event {
            Conversation::Started { kind, members, .. } => {
                self.talk(id).is_channel = kind == Kind::Channel;
                // Who owns a channel is in it once they subscribe.
                let members = if kind == Kind::Channel { Vec::new() } else { members };
                members.into_iter().for_each(|member| self.join(id, member, 0, 0));
            }
            Conversation::MessageSent { seq, sender, details, .. } => {
                let number = self.number(sender);
                self.say(id, seq, number);
                self.mention(id, seq, &details.mentions);
            }
            Conversation::MembersJoined { seq, account_ids, begins, .. } => {
                let came = seq.saturating_sub(1);
                for (index, account) in account_ids.into_iter().enumerate() {
                    self.join(id, account, begins.get(index).copied().unwrap_or(came), came);
                }
            }
            Conversation::MemberLeft { seq, account_id, joined_seq, .. } => self.leave(id, account_id, joined_seq, seq),
            Conversation::Banned { account_id, .. } => _ = self.talk(id).banned.insert(account_id),
            Conversation::Unbanned { account_id, .. } => _ = self.talk(id).banned.remove(&account_id),
            Conversation::Ended {} => self.talk(id).has_ended = true,
            _ => {}
        }
    }

    /// All of a channel is seen, and what came before the subscription has not to be read.
    fn subscription(&mut self, event: Subscription) {
        match event {
            Subscription::Begun { conversation_id, account_id, last_seq } => {
                self.talk(conversation_id).stays.remove(&account_id);
                self.join(conversation_id, account_id, 0, last_seq);
            }
            Subscription::Ended { conversation_id, account_id, last_seq } => {
                self.leave(conversation_id, account_id, 0, last_seq);
            }
        }
    }

    fn inbox(&mut self, owner: AccountId, event: Inbox) {
        match event {
            Inbox::CursorsAdvanced { cursors } => {
                for cursor in cursors {
                    self.view((owner, cursor.conversation_id)).read = cursor.seq;
                }
            }
            Inbox::Cleared { conversation_id, up_to_seq } => self.view((owner, conversation_id)).cleared = up_to_seq,
            Inbox::MessageDeleted { conversation_id, seq, .. } => {
                _ = self.view((owner, conversation_id)).deleted.insert(seq);
            }
            Inbox::DeliveriesAdvanced { .. }
            | Inbox::EndingRead { .. }
            | Inbox::ViewChanged { .. }
            | Inbox::DraftChanged { .. }
            | Inbox::AnnouncementRead { .. } => {}
        }
    }

    fn say(&mut self, id: ConversationId, seq: u64, sender: u32) {
        let senders = &mut self.talk(id).senders;
        senders.resize(senders.len().max(seq as usize), SYSTEM);
        if let Some(place) = (seq as usize).checked_sub(1) {
            senders[place] = sender;
        }
    }

    fn mention(&mut self, id: ConversationId, seq: u64, mentions: &Mentions) {
        let people: Vec<u32> = mentions.people().map(|account| self.number(account)).collect();
        let mentioned = if mentions.all { Mentioned::All } else { Mentioned::These(people) };
        if !matches!(&mentioned, Mentioned::These(people) if people.is_empty()) {
            self.talk(id).mentions.insert(seq, mentioned);
        }
    }

    fn join(&mut self, id: ConversationId, account: AccountId, begin: u64, came: u64) {
        self.number(account);
        self.places.entry(account).or_default().insert(id);
        self.talk(id).stays.entry(account).or_default().push(Stay { begin, came, end: None });
    }

    fn leave(&mut self, id: ConversationId, account: AccountId, begin: u64, end: u64) {
        let stays = self.talk(id).stays.entry(account).or_default();
        if let Some(stay) = stays.iter_mut().rfind(|stay| stay.begin == begin) {
            stay.end = Some(end);
        }
    }

    fn number(&mut self, account: AccountId) -> u32 {
        let next = self.numbers.len() as u32 + 1;
        *self.numbers.entry(account).or_insert(next)
    }

    fn talk(&mut self, id: ConversationId) -> &mut Talk {
        let talk = self.talks.entry(id).or_default();
        talk.happened += 1;
        talk
    }

    fn view(&mut self, pair: Pair) -> &mut View {
        let view = self.views.entry(pair).or_default();
        view.happened += 1;
        view
    }
}
