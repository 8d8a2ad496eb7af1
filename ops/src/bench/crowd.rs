//! Groups that have talked for long, for a benchmark: their events are appended in bulk before any server starts, lane
//! beside lane. Every message's id is made from its place, so that who reads one knows whether it is the right one.

use super::people::{self, Person};
use anyhow::{Result, bail, ensure};
use clap::Args;
use indicatif::ProgressBar;
use natter_domain::{AccountId, ConversationId, MessageId, Timestamp, conversation, message};
use natter_projections::message::{Body, Change, What};
use natter_streams::{
    Draft, Lane, Link, Log, clock,
    event::CommandKey,
    id,
    keyring::Keyring,
    log::{Appended, Ownership, chain},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Events of one statement.
const BATCH: usize = 1_000;
/// Lanes that are written at a time.
const AT_ONCE: usize = 4;
const EMOJI: &str = "\u{1f44d}";

#[derive(Args, Clone, Debug)]
pub struct CrowdArgs {
    /// history, replay: groups that talk
    #[arg(long, default_value_t = 1_000)]
    pub groups: usize,
    /// history, replay: members of each group
    #[arg(long, default_value_t = 12)]
    pub members: usize,
    /// history: people who read at once
    #[arg(long, default_value_t = 32)]
    pub readers: usize,
    /// history, replay: messages per second that are sent meanwhile
    #[arg(long, default_value_t = 40)]
    pub trickle: u32,
    /// replay: of a hundred, how much of the time the rebuilding may take, as `natter projections rebuild` has it
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub share: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Accounts, two at least.
    pub people: usize,
    pub groups: usize,
    /// Of each group.
    pub members: usize,
    /// Of all groups together, about.
    pub events: usize,
    /// Every so many messages one is edited and one is reacted to; 0: none.
    pub later_every: u64,
    /// Keep what history is to write.
    pub keeps: bool,
    /// What each message says.
    pub text: &'a str,
}

pub struct Crowd {
    pub groups: Vec<Group>,
    /// Events that were appended.
    pub events: u64,
    /// By lane, in the lane's order: what history is to write, where that was to be kept.
    pub changes: BTreeMap<Lane, Vec<Change>>,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub conversation: ConversationId,
    pub members: Vec<Person>,
    /// Of the newest message.
    pub last_seq: u64,
}

/// Of the message at that place.
pub fn message_id(conversation: ConversationId, seq: u64) -> MessageId {
    MessageId(Uuid::from_u128(conversation.0.as_u128() ^ (u128::from(seq) << 1 | 1)))
}

pub async fn make(log: &Log, keyring: &Arc<Keyring>, plan: Plan<'_>) -> Result<Crowd> {
    let before = events(log).await?;
    let pairs = people::make(log, keyring, plan.people.div_ceil(2)).await?;
    let people: Vec<Person> = pairs.iter().flat_map(|pair| pair.people).collect();
    let mut lanes: BTreeMap<Lane, Vec<Group>> = BTreeMap::new();
    for number in 0..plan.groups {
        let group = group(&people, number, plan.members);
        lanes.entry(log.lanes().of(group.conversation.0)).or_default().push(group);
    }
    let progress = Arc::new(ProgressBar::new(plan.events as u64).with_message("events"));
    let mut crowd = Crowd { groups: Vec::new(), events: 0, changes: BTreeMap::new() };
    let (mut waiting, mut writing) = (lanes.into_iter(), JoinSet::new());
    loop {
        while writing.len() < AT_ONCE
            && let Some((lane, groups)) = waiting.next()
        {
            let events = plan.events * groups.len() / plan.groups.max(1);
            let writer = Writer::start(log, keyring, lane, groups, plan).await?;
            writing.spawn(writer.write(events, progress.clone()));
        }
        let Some(written) = writing.join_next().await else { break };
        let (lane, groups, changes) = written??;
        crowd.groups.extend(groups);
        crowd.changes.insert(lane, changes);
    }
    progress.finish_and_clear();
    crowd.events = events(log).await? - before;
    Ok(crowd)
}

/// In all lanes.
pub async fn events(log: &Log) -> Result<u64> {
    let mut events = 0;
    for lane in log.lanes().iter() {
        events += log.head(lane, log.incarnation(lane).await?).await?.link.position;
    }
    Ok(events)
}

fn group(people: &[Person], number: usize, members: usize) -> Group {
    let members = members.min(people.len());
    let members = (0..members).map(|member| people[(number * 7 + member) % people.len()]).collect();
    Group { conversation: ConversationId(id::new()), members, last_seq: 0 }
}

/// One lane's.
struct Writer {
    log: Log,
    keyring: Arc<Keyring>,
    ownership: Ownership,
    head: Link,
    groups: Vec<Group>,
    turn: usize,
    drafts: Vec<Draft>,
    changes: Vec<Change>,
    metadata: Arc<str>,
    body: String,
    size: u32,
    later_every: u64,
    keeps: bool,
}

type Written = (Lane, Vec<Group>, Vec<Change>);

impl Writer {
    async fn start(log: &Log, keyring: &Arc<Keyring>, lane: Lane, groups: Vec<Group>, plan: Plan<'_>) -> Result<Self> {
        let (ownership, head) = log.take_over(lane, "bench").await?;
        Ok(Self {
            log: log.clone(),
            keyring: keyring.clone(),
            ownership,
            head: head.link,
            groups,
            turn: 0,
            drafts: Vec::new(),
            changes: Vec::new(),
            metadata: "{}".into(),
            body: super::engine::body(plan.text),
            size: u32::try_from(plan.text.len())?,
            later_every: plan.later_every,
            keeps: plan.keeps,
        })
    }

    /// Every group begins, then they talk in turn.
    async fn write(mut self, events: usize, progress: Arc<ProgressBar>) -> Result<Written> {
        for number in 0..self.groups.len() {
            self.begin(number)?;
        }
        let mut left = events.saturating_sub(self.drafts.len());
        loop {
            while left > 0 && self.drafts.len() < BATCH {
                let before = self.drafts.len();
                self.say()?;
                left = left.saturating_sub(self.drafts.len() - before);
            }
            if self.drafts.is_empty() {
                return Ok((self.ownership.lane, self.groups, self.changes));
            }
            let drafts: Vec<Draft> = self.drafts.drain(..).collect();
            for drafts in drafts.chunks(BATCH) {
                self.append(drafts.to_vec()).await?;
                progress.inc(drafts.len() as u64);
            }
        }
    }

    async fn append(&mut self, drafts: Vec<Draft>) -> Result<()> {
        let records = chain(&self.head, drafts);
        match self.log.append(&self.ownership, self.head.position, &records).await {
            Appended::Durable => self.head = records.last().map_or(self.head, |last| last.link()),
            other => bail!("append a crowd: {other:?}"),
        }
        Ok(())
    }

    fn begin(&mut self, number: usize) -> Result<()> {
        let group = &mut self.groups[number];
        let members: Vec<_> = group.members.iter().map(|member| member.account).collect();
        ensure!(!members.is_empty(), "a group has members");
        group.last_seq = conversation::Kind::Group.first_seq();
        let name = self.keyring.seal(group.conversation.0, format!("group {number}").as_bytes());
        let owner = members.first().copied();
        let event = conversation::Event::Started { kind: conversation::Kind::Group, members, name: Some(name), owner };
        let address = conversation::address(group.conversation);
        self.drafts.push(Draft::encode(&event, address, 1, self.metadata.clone(), clock::now())?);
        Ok(())
    }

    /// The next message, and now and then what becomes of it.
    fn say(&mut self) -> Result<()> {
        let (turn, now) = (self.turn, clock::now());
        self.turn += 1;
        let number = turn % self.groups.len();
        let group = &mut self.groups[number];
        group.last_seq += 1;
        let (conversation_id, seq) = (group.conversation, group.last_seq);
        let sender = group.members[turn / 3 % group.members.len()].account;
        let message_id = message_id(conversation_id, seq);
        let body = self.keyring.seal(conversation_id.0, self.body.as_bytes());
        let event = conversation::Event::MessageSent {
            message_id,
            seq,
            sender,
            body: body.clone(),
            body_kind: conversation::BodyKind::Text,
            size: self.size,
            details: Box::default(),
        };
        let address = conversation::address(conversation_id);
        let mut draft = Draft::encode(&event, address, seq, self.metadata.clone(), now)?;
        let key = message::id(conversation_id, message_id);
        draft.key = Some(CommandKey { key, fingerprint: [0; 16] });
        self.drafts.push(draft);
        if self.keeps {
            let position = self.head.position + self.drafts.len() as u64;
            let what = What::text(message_id, sender, Body::Sealed(body));
            self.changes.push(Change { conversation_id, seq, position, at: now, what });
        }
        let place = message::Place { conversation_id, message_id, seq, sender: Some(sender), sent_at: now };
        self.later(&place, sender, now)
    }

    fn later(&mut self, place: &message::Place, account_id: AccountId, now: Timestamp) -> Result<()> {
        if !place.seq.is_multiple_of(self.later_every) {
            return Ok(());
        }
        let body = self.keyring.seal(place.conversation_id.0, self.body.as_bytes());
        let events = [
            message::Event::Edited {
                message: *place,
                body,
                body_kind: conversation::BodyKind::Text,
                size: self.size,
                fingerprint: id::new(),
                has_link: false,
            },
            message::Event::Reacted { message: *place, account_id, emoji: EMOJI.to_owned(), count: 1 },
        ];
        let address = message::address(place.conversation_id, place.message_id);
        for (sequence, event) in (1..).zip(&events) {
            self.drafts.push(Draft::encode(event, address, sequence, self.metadata.clone(), now)?);
        }
        Ok(())
    }
}
