//! The evening: what every device holds beside what the server answers, what people were answered beside what is there, and the
//! checks that operators have.

use super::{
    PATIENCE, bodies, deed,
    device::Device,
    held::{self, Held, Summary},
    house::House,
    ledger::{Ledger, Sent},
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
    is_what_was_answered(&world.ledger(), &histories, &mut wrong);
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
    scheduled: BTreeMap<Uuid, wire::Scheduled>,
    settings: wire::Settings,
    account: wire::Account,
}

impl Answers {
    async fn to(me: &Signed) -> Result<Self, Error> {
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

/// What one person is answered.
pub struct Histories {
    id: Uuid,
    name: &'static str,
    pub answers: Answers,
}

impl Histories {
    async fn of(person: &Person) -> Self {
        let answers = Answers::to(&person.devices[0].signed).await.expect("all is well again");
        Self { id: person.id, name: person.name, answers }
    }

    fn own(&self, conversation: Uuid) -> Option<&wire::OwnConversation> {
        self.answers.conversations.get(&conversation)
    }

    fn said(&self, conversation: Uuid) -> Option<&History> {
        self.answers.messages.get(&conversation)
    }

    fn cleared(&self, conversation: Uuid) -> u64 {
        self.own(conversation).map_or(0, |own| own.cleared_seq)
    }
}

/// Everything that was acknowledged is there once, where it was said to be and as it was changed last, for everybody who may
/// see it; nothing else is.
fn is_what_was_answered(ledger: &Ledger, people: &[Histories], wrong: &mut Vec<String>) {
    wrong.extend(ledger.broken.iter().cloned());
    let mut talks: BTreeSet<Uuid> = people.iter().flat_map(|one| one.answers.conversations.keys().copied()).collect();
    talks.extend(ledger.sent.iter().map(|sent| sent.conversation));
    for talk in talks {
        let sent: BTreeMap<u64, &Sent> =
            ledger.sent.iter().filter(|sent| sent.conversation == talk).map(|sent| (sent.seq, sent)).collect();
        in_order(ledger, talk, wrong);
        for person in people {
            if let Some(history) = person.said(talk) {
                let spans = spans(people, person, talk);
                is_whole(ledger, person, talk, (history, &sent, &spans), wrong);
            } else if has_a_part(people, person, talk, &sent) {
                wrong.push(format!("{} has {talk} no more", person.name));
            }
        }
    }
    later_is_once(ledger, people, wrong);
    is_as_far_as_was_read(ledger, people, wrong);
}

/// Whoever has said something there, and both of a direct conversation; a channel is there for who subscribes.
fn has_a_part(people: &[Histories], person: &Histories, talk: Uuid, sent: &BTreeMap<u64, &Sent>) -> bool {
    let told = people.iter().find_map(|other| other.own(talk));
    let is_channel = told.is_some_and(|own| own.conversation.kind == "channel");
    let is_named = told.is_some_and(|own| own.conversation.account_ids.contains(&person.id));
    !is_channel && (is_named || sent.values().any(|sent| sent.sender == person.id))
}

/// A cursor never goes back.
fn is_as_far_as_was_read(ledger: &Ledger, people: &[Histories], wrong: &mut Vec<String>) {
    for ((account, talk), seq) in &ledger.read {
        let own = people.iter().find(|person| person.id == *account).and_then(|person| person.own(*talk));
        if let Some(own) = own.filter(|own| own.read_seq < *seq) {
            wrong.push(format!("{account} has read {talk} up to {seq}, and not {}", own.read_seq));
        }
    }
}

/// Each sender's, and no two with one number.
fn in_order(ledger: &Ledger, talk: Uuid, wrong: &mut Vec<String>) {
    let (mut newest, mut numbers) = (BTreeMap::<Uuid, u64>::new(), BTreeSet::new());
    for sent in ledger.sent.iter().filter(|sent| sent.conversation == talk) {
        let last = newest.entry(sent.sender).or_default();
        if sent.in_order && sent.seq <= *last {
            wrong.push(format!("{} of {talk} stands before what was sent earlier, {last}", sent.seq));
        }
        *last = sent.seq.max(*last);
        if !numbers.insert(sent.seq) {
            wrong.push(format!("two messages of {talk} are {}", sent.seq));
        }
    }
}

/// What of a conversation somebody sees, from and up to; of a group after what the owner, who sees all, is shown of their
/// coming and going.
fn spans(people: &[Histories], person: &Histories, talk: Uuid) -> Vec<(u64, u64)> {
    let cleared = person.cleared(talk);
    let led = |one: &&Histories| one.own(talk).is_some_and(|own| own.role.as_deref() == Some("owner"));
    let owner = people.iter().find(led);
    let is_group = person.own(talk).is_some_and(|own| own.conversation.kind == "group");
    let stays = match owner.filter(|_| is_group).and_then(|owner| owner.said(talk)) {
        Some(all) if owner.is_some_and(|owner| owner.id != person.id) => stays(all, person.id),
        _ => vec![(1, u64::MAX)],
    };
    let uncleared = stays.into_iter().map(|(from, until)| (from.max(cleared + 1), until));
    uncleared.filter(|(from, until)| from <= until).collect()
}

/// Of one of those with whom the group began.
fn stays(all: &History, person: Uuid) -> Vec<(u64, u64)> {
    let (mut stays, mut since, mut left, mut is_shared) = (Vec::new(), Some(1), 0, false);
    for (&seq, message) in all {
        let Some(wire::Body::System { code, account_ids, .. }) = &message.body else { continue };
        match code.as_str() {
            "group.history_shared" => is_shared = true,
            "group.history_hidden" => is_shared = false,
            "member.joined" if account_ids.contains(&person) => since = Some(if is_shared { left + 1 } else { seq }),
            "member.left" if account_ids.contains(&person) => {
                stays.extend(since.take().map(|since| (since, seq)));
                left = seq;
            }
            _ => {}
        }
    }
    stays.extend(since.map(|since| (since, u64::MAX)));
    stays
}

type Seen<'a> = (&'a History, &'a BTreeMap<u64, &'a Sent>, &'a [(u64, u64)]);

/// Of one person in one conversation.
fn is_whole(ledger: &Ledger, person: &Histories, talk: Uuid, seen: Seen<'_>, wrong: &mut Vec<String>) {
    let (history, sent, spans) = seen;
    let mut say = |what: String| wrong.push(format!("{} in {talk}: {what}", person.name));
    let is_seen = |seq: u64| spans.iter().any(|(from, until)| (*from..=*until).contains(&seq));
    let gone = |message: Uuid| ledger.deleted.get(&(person.id, message)).copied();
    for (seq, one) in sent.iter().filter(|(seq, _)| is_seen(**seq)) {
        match history.get(seq) {
            None if gone(one.message).is_some() => {}
            Some(message) if (message.message_id, message.sender) == (one.message, Some(one.sender)) => {}
            other => say(format!("{seq} was acknowledged as {}, and is {other:?}", one.message)),
        }
    }
    let last = person.own(talk).map_or(0, |own| own.left_seq.unwrap_or(own.conversation.last_seq));
    // Whose numbers are not known: what was sent later, and is gone for them since.
    let is_later = |message: &Uuid| ledger.later.get(message).is_some_and(|later| later.conversation == talk);
    let gone_later = ledger.deleted.keys().filter(|(who, message)| *who == person.id && is_later(message)).count();
    let is_missing = |seq: &u64| {
        is_seen(*seq) && !history.contains_key(seq) && sent.get(seq).is_none_or(|it| gone(it.message).is_none())
    };
    let missing: Vec<u64> = (1..=last).filter(is_missing).collect();
    if missing.len() > gone_later {
        say(format!("{missing:?} are missing, and {gone_later} may be"));
    }
    let stays = person.answers.is_in(talk);
    for (seq, message) in history {
        if !is_seen(*seq) {
            say(format!("{seq} is not for them"));
        }
        if let Some(code) = ledger.refused.get(&message.message_id) {
            say(format!("{seq} was refused: {code}"));
        }
        if gone(message.message_id) == Some(true) {
            say(format!("{seq} was deleted"));
        }
        let quoted = message.reply_to.as_ref().filter(|quote| quote.excerpt.is_some());
        if quoted.and_then(|quote| history.get(&quote.seq)).is_some_and(|quoted| quoted.recalled_at.is_some()) {
            say(format!("{seq} has words of what was recalled: {message:?}"));
        }
        let id = &message.message_id;
        let is_known = sent.contains_key(seq) || ledger.later.contains_key(id) || ledger.perhaps.contains(id);
        if message.sender.is_some() && !is_known {
            say(format!("{seq} was never acknowledged: {message:?}"));
        }
        // What became of a message is shown to who has left as it was then.
        let is_current = spans.last().is_some_and(|(from, _)| seq >= from);
        if stays
            && is_current
            && let Some(sent) = sent.get(seq)
        {
            say_what_differs(ledger, sent, message, &mut say);
            let star = ledger.starred.get(&(person.id, sent.message)).copied().flatten();
            if message.recalled_at.is_none() && star.is_some_and(|star| star != message.starred) {
                say(format!("{seq} has a star: {star:?}, {}", message.starred));
            }
        }
    }
}

fn say_what_differs(ledger: &Ledger, sent: &Sent, message: &wire::Message, say: &mut impl FnMut(String)) {
    let seq = message.seq;
    if ledger.recalled.contains(&sent.message) {
        if message.recalled_at.is_none() || message.body.is_some() {
            say(format!("{seq} was recalled: {message:?}"));
        }
        return;
    }
    if ledger.ends.contains(&sent.message) && message.recalled_at.is_some() {
        if message.recalled_by.is_some() || message.body.is_some() {
            say(format!("{seq} has ended by itself: {message:?}"));
        }
        return;
    }
    if message.self_destruct.as_ref().is_some_and(|end| end.after_s.is_some()) {
        say(format!("{seq} was to end: {message:?}"));
    }
    if ledger.doubtful.contains(&sent.message) {
        return;
    }
    let source = sent.forwards.filter(|source| !ledger.is_other_words(*source));
    let forwarded = source.and_then(|source| ledger.sent.iter().find(|sent| sent.message == source));
    let said = sent.body.as_ref().or(forwarded.and_then(|source| source.body.as_ref()));
    let expected = ledger.edited.get(&sent.message).or(said);
    if message.recalled_at.is_some() || expected.is_some_and(|expected| message.body.as_ref() != Some(expected)) {
        say(format!("{seq} should say {expected:?}: {message:?}"));
    }
    let counts = message.reactions.iter().flatten().map(|it| (it.emoji.as_str(), it.count));
    let (counts, expected) = (counts.collect::<BTreeMap<_, _>>(), ledger.reactions(sent.message));
    if counts != expected {
        say(format!("{seq} should have {expected:?}: {counts:?}"));
    }
}

/// What was to be sent later is there once, as it was to be said, unless it was taken back, refused, or could not be sent.
fn later_is_once(ledger: &Ledger, people: &[Histories], wrong: &mut Vec<String>) {
    for (id, later) in &ledger.later {
        let Some(author) = people.iter().find(|person| person.id == later.author) else { continue };
        let talk = later.conversation;
        let mut say = |what: String| wrong.push(format!("{id}, later in {talk} by {}: {what}", author.name));
        let all = author.answers.messages.values().flat_map(BTreeMap::values);
        let found: Vec<&wire::Message> = all.filter(|message| message.message_id == *id).collect();
        let is_nowhere =
            later.cancelled || ledger.reviewed.get(id) == Some(&false) || author.answers.scheduled.contains_key(id);
        let is_seen = spans(people, author, talk) == [(1, u64::MAX)] && !ledger.deleted.contains_key(&(author.id, *id));
        match found[..] {
            [] if is_nowhere || !is_seen => {}
            [message] if !is_nowhere => {
                let (seq, body) = (message.seq, later.body.clone());
                let sent = Sent {
                    conversation: talk,
                    message: *id,
                    seq,
                    sender: author.id,
                    body,
                    forwards: None,
                    in_order: false,
                };
                if is_seen {
                    say_what_differs(ledger, &sent, message, &mut say);
                }
            }
            _ => say(format!("is there {} times, to be nowhere: {is_nowhere}", found.len())),
        }
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
