//! The evening: what every device holds beside what the server answers, and the checks that operators have. What people were
//! answered beside what is there is `acknowledged`.

use super::{
    PATIENCE,
    acknowledged::{self, Histories},
    bodies, deed,
    device::Device,
    held::{self, Held, Summary},
    house::House,
    lists,
    person::{Person, World},
};
use natter_testkit::{
    client::{
        Error, Signed,
        rest::{Page, Range, Shown},
    },
    eventually, law, wire,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// Within which every device is told what it was not; several syncs.
const SETTLES: Duration = Duration::from_secs(60);
pub const PAGE: Page = Page { cursor: None, limit: Some(200) };
/// What somebody must have been told by a push on such a day; `message.sent` a follower keeps to itself.
const PUSHED: &[&str] = &[
    "message.edited",
    "message.recalled",
    "message.reacted",
    "message.unreacted",
    "message.pinned",
    "message.unpinned",
    "message.marked",
    "message.deleted",
    "message.delivered",
    "message.countdown",
    "message.scheduled",
    "thread.changed",
    "conversation.updated",
    "conversation.read",
    "inbox.changed",
    "member.joined",
    "member.left",
    "member.changed",
    "typing",
];
/// Of a failure, so many differences are told.
const TOLD: usize = 12;

pub type History = BTreeMap<u64, wire::Message>;

pub async fn is_as_it_should_be(house: &House, world: &World, people: &[Arc<Person>]) {
    println!("day          evening: {} deeds done, {} tries made again", world.done(), world.failures());
    eventually("all that is held is looked at", PATIENCE, async || {
        if house.reviews(world).await { Ok(()) } else { Err("not all of it".to_owned()) }
    })
    .await;
    nothing_waits(people).await;
    every_code_came(house, world).await;
    law::projections_are_at_the_head(&house.stack).await;
    for device in people.iter().flat_map(|person| &person.devices) {
        holds_what_is_answered(device).await;
    }
    println!("day          every device holds what the server answers");
    let mut histories = Vec::new();
    for person in people {
        histories.push(Histories::of(person).await);
    }
    for (person, answers) in people.iter().zip(&histories) {
        lists::agree(&person.devices[0].signed, &answers.answers).await;
    }
    let mut wrong = Vec::new();
    acknowledged::is_there(&world.ledger(), &histories, &mut wrong);
    wrong.extend(unheard_of(world, people, house));
    assert!(wrong.is_empty(), "{} things are wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(TOLD)]);
    let unread = house.comes_to_say(&["projections", "unread"]).await;
    assert!(unread.contains("5 accounts") && unread.contains(": 0 differ"), "{unread}");
    let verified = house.comes_to_say(&["streams", "verify"]).await;
    assert!(verified.contains(" 0 broken"), "{verified}");
    println!("day          {} messages, {}", world.ledger().sent.len(), unread.trim());
}

/// What was to be sent later is sent, has failed, or was taken back, and what is to end has ended.
async fn nothing_waits(people: &[Arc<Person>]) {
    for person in people {
        eventually(&format!("nothing of {} waits", person.name), PATIENCE, async || {
            let answers = Answers::to(&person.devices[0].signed).await.map_err(|error| error.to_string())?;
            let waiting = answers.scheduled.values().filter(|one| one.state != "failed").map(|one| one.message_id);
            let is_to_end = |message: &&wire::Message| {
                message.expires_at.is_some() && message.recalled_at.is_none() && answers.is_in(message.conversation_id)
            };
            let ending = answers.messages.values().flat_map(BTreeMap::values).filter(is_to_end);
            let left: Vec<Uuid> = waiting.chain(ending.map(|message| message.message_id)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }
}

/// However the mail server felt when it was to be sent.
async fn every_code_came(house: &House, world: &World) {
    let addresses = world.ledger().addresses.clone();
    for address in addresses {
        eventually(&format!("a code comes to {address}"), PATIENCE, async || match house.codes_to(&address).first() {
            Some(_) => Ok(()),
            None => Err("no mail with six digits".to_owned()),
        })
        .await;
    }
}

/// Once the next sync has told the rest.
async fn holds_what_is_answered(device: &Device) {
    eventually(&format!("{} holds what is answered", device.name), SETTLES, async || {
        let answers = Answers::to(&device.signed).await.map_err(|error| error.to_string())?;
        let held = device.held();
        let differ = answers.differ_from(&held);
        if differ.is_empty() {
            Ok(())
        } else {
            Err(format!("{}: {:#?}", differ.len(), &differ[..differ.len().min(TOLD)]))
        }
    })
    .await;
}

/// Everything that a client shows, as the server answers now.
pub struct Answers {
    pub conversations: BTreeMap<Uuid, wire::OwnConversation>,
    pub messages: BTreeMap<Uuid, History>,
    friends: BTreeMap<Uuid, wire::Friend>,
    blocks: BTreeMap<Uuid, wire::Block>,
    pub scheduled: BTreeMap<Uuid, wire::Scheduled>,
    settings: wire::Settings,
    account: wire::Account,
}

impl Answers {
    pub async fn to(me: &Signed) -> Result<Self, Error> {
        let conversations = conversations(me).await?;
        let mut messages = BTreeMap::new();
        for id in conversations.keys() {
            messages.insert(*id, history(me, *id).await?);
        }
        let friends = me.friends(&PAGE).await?.items.into_iter().map(|friend| (friend.account.id, friend)).collect();
        let blocks = me.blocks(&PAGE).await?.items.into_iter().map(|block| (block.account.id, block)).collect();
        let scheduled = me.scheduled(&PAGE).await?.items.into_iter().map(|one| (one.message_id, one)).collect();
        let (settings, account) = (me.settings().await?, me.me().await?);
        Ok(Self { conversations, messages, friends, blocks, scheduled, settings, account })
    }

    pub fn is_in(&self, conversation: Uuid) -> bool {
        self.conversations.get(&conversation).is_some_and(|own| own.left_seq.is_none())
    }

    fn differ_from(&self, held: &Held) -> Vec<String> {
        let mut differ: Vec<String> = held.broken.clone();
        each("conversation", &shown(&self.conversations), &shown(&held.conversations), &mut differ);
        each("friend", &self.friends, &held.friends, &mut differ);
        each("block", &self.blocks, &held.blocks, &mut differ);
        each("scheduled", &self.scheduled, &held.scheduled, &mut differ);
        same("settings", Some(&self.settings), held.settings.as_ref(), &mut differ);
        same("account", Some(&self.account), held.account.as_ref(), &mut differ);
        for (id, answered) in &self.messages {
            let shown: History = held.shown(*id).into_iter().map(|message| (message.seq, message)).collect();
            let answers = answered.values().map(|message| held::shown(message.clone(), answered));
            each(&format!("message of {id}"), &answers.map(|it| (it.seq, it)).collect(), &shown, &mut differ);
            for root in answered.values().filter(|message| message.recalled_at.is_none()) {
                let told = root.thread_summary.as_ref().map(Summary::from);
                let summary = held.summary(*id, root.message_id);
                let kept = (told.is_some() || summary.replies > 0).then_some(summary);
                same(&format!("thread {} of {id}", root.seq), told.as_ref(), kept.as_ref(), &mut differ);
            }
        }
        if !differ.is_empty() {
            differ.extend(held.trail.iter().cloned());
        }
        differ
    }
}

/// Who else subscribes to a channel is told to nobody.
fn shown(all: &BTreeMap<Uuid, wire::OwnConversation>) -> BTreeMap<Uuid, wire::OwnConversation> {
    let mut all = all.clone();
    for own in all.values_mut().filter(|own| own.conversation.kind == "channel") {
        own.conversation.member_count = 0;
    }
    all
}

async fn conversations(me: &Signed) -> Result<BTreeMap<Uuid, wire::OwnConversation>, Error> {
    let mut all = me.conversations(&PAGE).await?.items;
    let hidden = Shown { hidden: Some(true), ..Shown::default() };
    all.extend(me.conversations_in(&hidden, &PAGE).await?.items);
    Ok(all.into_iter().map(|own| (own.conversation.id, own)).collect())
}

async fn history(me: &Signed, conversation: Uuid) -> Result<History, Error> {
    let mut all = History::new();
    loop {
        let after_seq = Some(all.last_key_value().map_or(0, |(seq, _)| *seq));
        let page = me.messages(conversation, Range { after_seq, limit: Some(200), ..Range::default() }).await?;
        if page.is_empty() {
            return Ok(all);
        }
        let before = all.len() + page.len();
        all.extend(page.into_iter().map(|message| (message.seq, message)));
        assert_eq!(all.len(), before, "a number is there once");
    }
}

fn each<K: Ord + Debug, T: PartialEq + Debug>(
    what: &str,
    answered: &BTreeMap<K, T>,
    held: &BTreeMap<K, T>,
    differ: &mut Vec<String>,
) {
    for key in answered.keys().collect::<BTreeSet<_>>().union(&held.keys().collect()) {
        same(&format!("{what} {key:?}"), answered.get(key), held.get(key), differ);
    }
}

fn same<T: PartialEq + Debug>(what: &str, answered: Option<&T>, held: Option<&T>, differ: &mut Vec<String>) {
    if answered != held {
        differ.push(format!("{what}:\n  answered {answered:?}\n  held     {held:?}"));
    }
}

/// What was to be tried and was not: a day on which it never worked shows nothing.
fn unheard_of(world: &World, people: &[Arc<Person>], house: &House) -> Vec<String> {
    let ledger = world.ledger();
    println!("day          refused: {:?}", ledger.codes);
    let never = deed::ALL.iter().filter(|(deed, _)| !ledger.done.contains_key(deed));
    let mut unheard: Vec<String> = never.map(|(deed, _)| format!("nobody managed this: {deed:?}")).collect();
    unheard.extend(ledger.internal.iter().cloned().chain(house.panics()));
    unheard.extend(bodies::unsaid(&ledger.kinds).map(|number| format!("nobody sent the kind {number}")));
    let mut pushes = BTreeMap::<String, u64>::new();
    for device in people.iter().flat_map(|person| &person.devices) {
        device.held().pushes.iter().for_each(|(name, count)| *pushes.entry(name.clone()).or_default() += count);
    }
    println!("day          pushed: {pushes:?}");
    unheard
        .extend(PUSHED.iter().filter(|name| !pushes.contains_key(**name)).map(|name| format!("never pushed: {name}")));
    for (what, so) in [
        ("pushes were dropped", house.dropped_pushes() >= 10),
        ("something held was said", ledger.reviewed.values().any(|is_released| *is_released)),
        ("something held was not", ledger.reviewed.values().any(|is_released| !is_released)),
        ("messages were recalled", !ledger.recalled.is_empty()),
        ("messages have reactions", ledger.reacted.keys().any(|id| !ledger.reactions(*id).is_empty())),
    ] {
        if !so {
            unheard.push(format!("never so: {what}"));
        }
    }
    unheard
}
