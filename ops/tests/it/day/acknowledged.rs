//! What people were answered beside what is there: everything that was acknowledged, and nothing else.

use super::{
    judge::{Answers, History},
    ledger::{Ledger, Sent},
    person::Person,
};
use natter_testkit::wire;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What one person is answered.
pub struct Histories {
    id: Uuid,
    name: &'static str,
    pub answers: Answers,
}

impl Histories {
    pub async fn of(person: &Person) -> Self {
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
pub fn is_there(ledger: &Ledger, people: &[Histories], wrong: &mut Vec<String>) {
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
    let mut say = |what: String| wrong.push(format!("{} in {talk}: {what}", person.name));
    nothing_is_missing(ledger, person, talk, seen, &mut say);
    let (history, sent, spans) = seen;
    for (seq, message) in history {
        if !is_seen(spans, *seq) {
            say(format!("{seq} is not for them"));
        }
        say_what_may_not_be(ledger, person, message, &mut say);
        if words_of_what_was_recalled(message, history) {
            say(format!("{seq} has words of what was recalled: {message:?}"));
        }
        let id = &message.message_id;
        let is_known = sent.contains_key(seq) || ledger.later.contains_key(id) || ledger.perhaps.contains(id);
        if message.sender.is_some() && !is_known {
            say(format!("{seq} was never acknowledged: {message:?}"));
        }
        // What became of a message is shown to who has left as it was then.
        let is_current = person.answers.is_in(talk) && spans.last().is_some_and(|(from, _)| seq >= from);
        if let Some(sent) = sent.get(seq).filter(|_| is_current) {
            say_what_differs(ledger, sent, message, &mut say);
            say_what_star_differs(ledger, person, message, &mut say);
        }
    }
}

fn is_seen(spans: &[(u64, u64)], seq: u64) -> bool {
    spans.iter().any(|(from, until)| (*from..=*until).contains(&seq))
}

/// But for what they have deleted for themselves.
fn nothing_is_missing(
    ledger: &Ledger,
    person: &Histories,
    talk: Uuid,
    (history, sent, spans): Seen<'_>,
    say: &mut impl FnMut(String),
) {
    let is_gone = |message: Uuid| ledger.deleted.contains_key(&(person.id, message));
    for (seq, one) in sent.iter().filter(|(seq, _)| is_seen(spans, **seq)) {
        match history.get(seq) {
            None if is_gone(one.message) => {}
            Some(message) if (message.message_id, message.sender) == (one.message, Some(one.sender)) => {}
            other => say(format!("{seq} was acknowledged as {}, and is {other:?}", one.message)),
        }
    }
    let last = person.own(talk).map_or(0, |own| own.left_seq.unwrap_or(own.conversation.last_seq));
    // Whose numbers are not known: what was sent later, and is gone for them since.
    let is_later = |message: &Uuid| ledger.later.get(message).is_some_and(|later| later.conversation == talk);
    let gone_later = ledger.deleted.keys().filter(|(who, message)| *who == person.id && is_later(message)).count();
    let is_missing = |seq: &u64| {
        is_seen(spans, *seq) && !history.contains_key(seq) && sent.get(seq).is_none_or(|it| !is_gone(it.message))
    };
    let missing: Vec<u64> = (1..=last).filter(is_missing).collect();
    if missing.len() > gone_later {
        say(format!("{missing:?} are missing, and {gone_later} may be"));
    }
}

fn say_what_may_not_be(ledger: &Ledger, person: &Histories, message: &wire::Message, say: &mut impl FnMut(String)) {
    let (seq, id) = (message.seq, message.message_id);
    if let Some(code) = ledger.refused.get(&id) {
        say(format!("{seq} was refused: {code}"));
    }
    if ledger.deleted.get(&(person.id, id)) == Some(&true) {
        say(format!("{seq} was deleted"));
    }
}

fn words_of_what_was_recalled(message: &wire::Message, history: &History) -> bool {
    let quote = message.reply_to.as_ref().filter(|quote| quote.excerpt.is_some());
    quote.and_then(|quote| history.get(&quote.seq)).is_some_and(|quoted| quoted.recalled_at.is_some())
}

fn say_what_star_differs(ledger: &Ledger, person: &Histories, message: &wire::Message, say: &mut impl FnMut(String)) {
    let star = ledger.starred.get(&(person.id, message.message_id)).copied().flatten();
    if message.recalled_at.is_none() && star.is_some_and(|star| star != message.starred) {
        say(format!("{} has a star: {star:?}, {}", message.seq, message.starred));
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
