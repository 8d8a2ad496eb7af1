//! Frames of conversations. What newcomers are told of first is the conversation itself; what who left is told last is that
//! they did.

use super::{
    crowd::Change,
    facts::Facts,
    frame::{Frame, position, push},
    members::{Footing, Known},
};
use crate::{Error, conversation::card::Card, message};
use natter_client::wire::{self, Push};
use natter_domain::{
    AccountId, ConversationId, KeyId, MessageId, Sealed, Timestamp,
    conversation::{Event, Kind, Standing},
};
use natter_streams::{Record, sealing::Opener};
use std::collections::HashSet;
use uuid::Uuid;

/// What that is opened with. `name`: what the group is called then.
pub(super) fn keys(record: &Record, event: &Event, name: Option<&Sealed>, facts: &Facts) -> Vec<(Uuid, KeyId)> {
    let sealed = match event {
        Event::MessageSent { body, sender, .. } => {
            let conversation = ConversationId(record.aggregate_id);
            return vec![(message::sealed_for(body.key, conversation, Some(*sender)), body.key)];
        }
        Event::Started { name: first, .. } => first.as_ref(),
        Event::Renamed { name: new, .. } => Some(new),
        _ => name,
    };
    let card = facts.card(ConversationId(record.aggregate_id)).into_iter().flat_map(Card::keys);
    let nickname = match event {
        Event::NicknameChanged { account_id, nickname: Some(sealed), .. } => Some((account_id.0, sealed.key)),
        _ => None,
    };
    sealed.map(|sealed| (record.aggregate_id, sealed.key)).into_iter().chain(card).chain(nickname).collect()
}

/// What the event does to the members of a crowd. Of a beginning nothing is said: whoever hears of it asks who is in.
pub(super) fn change(event: &Event) -> Option<Change> {
    match event {
        Event::MembersJoined { seq, account_ids, begins, .. } => {
            let (account_ids, begins) = (account_ids.clone(), begins.clone());
            Some(Change::Joined { joined_seq: seq.saturating_sub(1), account_ids, begins })
        }
        Event::MemberLeft { seq, account_id, joined_seq, .. } => {
            Some(Change::Left { account_id: *account_id, joined_seq: *joined_seq, left_seq: *seq })
        }
        _ => None,
    }
}

/// What is told of one event. How it found its conversation, and what that is called then.
pub(super) fn frames(
    record: &Record,
    event: Event,
    (standing, name): (Option<Footing>, Option<&Sealed>),
    facts: &Facts,
    opener: &Opener,
) -> Result<Vec<Frame>, Error> {
    let id = ConversationId(record.aggregate_id);
    let known = facts.known(id)?;
    let standing = standing.unwrap_or_else(|| known.standing());
    let telling = Telling { record, id: id.0, known, standing, name, card: facts.card(id), facts, opener };
    match &event {
        Event::Started { kind, members, name, .. } => {
            let started = telling.started(*kind, members, name.as_ref())?;
            Ok([Some(started), telling.message(event)?].into_iter().flatten().collect())
        }
        Event::MessageSent { .. } => telling.sent(event),
        Event::MembersJoined { seq, account_ids, by, .. } => {
            let mut frames = telling.joined(*seq, account_ids, *by)?;
            frames.extend(telling.message(event)?);
            Ok(frames)
        }
        Event::MemberLeft { seq, account_id, by, .. } => {
            let left = telling.left(*seq, *account_id, *by)?;
            Ok(telling.message(event)?.into_iter().chain([left]).collect())
        }
        Event::Renamed { name, last_seq, .. } => {
            let updated = telling.updated(Some(name), *last_seq)?;
            Ok(updated.into_iter().chain(telling.message(event)?).collect())
        }
        Event::Changed { last_seq: seq, .. } | Event::Announced { seq, .. } => {
            let updated = telling.updated(telling.name, *seq)?;
            Ok(updated.into_iter().chain(telling.message(event)?).collect())
        }
        Event::CountdownBegan { message_id, seq, expires_at, .. } => {
            Ok(vec![telling.counting(*message_id, *seq, *expires_at)?])
        }
        Event::StandingChanged { standing, shown_to, last_seq } => telling.standing(standing, shown_to, *last_seq),
        _ => {
            let changed = telling.of_group(&event)?;
            Ok(telling.message(event)?.into_iter().chain(changed).collect())
        }
    }
}

pub(super) struct Telling<'a> {
    pub record: &'a Record,
    /// The conversation's.
    pub id: Uuid,
    pub known: &'a Known,
    pub standing: Footing,
    /// What a group is called then; `None` also where only a later name is known.
    pub name: Option<&'a Sealed>,
    /// A group's, where the event wants it.
    pub card: Option<&'a Card>,
    pub facts: &'a Facts,
    pub opener: &'a Opener,
}

impl Telling<'_> {
    /// The message that the event is, if it is one, to all who may see it.
    fn message(&self, event: Event) -> Result<Option<Frame>, Error> {
        let Some(message) = message::project::sent(self.record, event).and_then(|sent| sent.birth()) else {
            return Ok(None);
        };
        let to = self.known.hearing(message.seq);
        let message = message::shown(self.opener, &message);
        push(to, &Push::MessageSent { message, position: position(self.record) }).map(Some)
    }

    /// What it answers is quoted to those who see that too.
    fn sent(&self, event: Event) -> Result<Vec<Frame>, Error> {
        let Some(born) = message::project::sent(self.record, event).and_then(|sent| sent.birth()) else {
            return Ok(Vec::new());
        };
        let plain = message::shown(self.opener, &born);
        let told = |message, to| push(to, &Push::MessageSent { message, position: position(self.record) });
        let quote = message::quote(self.opener, &born, &HashSet::new());
        let is_told = |quote: &wire::Quote| !self.facts.was_recalled(ConversationId(self.id), quote.seq);
        let Some(quote) = quote.filter(|quote| quote.excerpt.is_some() && is_told(quote)) else {
            return Ok(vec![told(plain, self.known.hearing(born.seq))?]);
        };
        let [quoting, unquoting] = self.known.quoting(born.seq, quote.seq);
        let quoted = wire::Message { reply_to: Some(quote), ..plain.clone() };
        let frames = [(quoted, quoting), (plain, unquoting)].into_iter().filter(|(_, to)| !to.is_nobody());
        frames.map(|(message, to)| told(message, to)).collect()
    }

    fn counting(&self, message: MessageId, seq: u64, expires_at: Timestamp) -> Result<Frame, Error> {
        let (conversation_id, message_id, position) = (self.id, message.0, position(self.record));
        let expires_at = expires_at.to_string();
        push(
            self.known.hearing(seq),
            &Push::MessageCountdown { conversation_id, message_id, seq, expires_at, position },
        )
    }

    fn started(&self, kind: Kind, members: &[AccountId], name: Option<&Sealed>) -> Result<Frame, Error> {
        let mut conversation = match kind {
            Kind::Direct => self.direct(members, kind.first_seq()),
            Kind::Group | Kind::Own | Kind::Channel => self.card(name, kind.first_seq()),
        };
        conversation.member_count = members.len() as u64;
        let started = Push::ConversationStarted { conversation, position: position(self.record) };
        match self.known.is_crowd() {
            true => push(self.known.in_after(kind.first_seq()), &started),
            false => push(members.to_vec(), &started),
        }
    }

    /// Each is told the state that they are shown: who was blocked none, and who talks with somebody who is gone that it is
    /// closed.
    fn standing(&self, standing: &Standing, shown_to: &[AccountId], last_seq: u64) -> Result<Vec<Frame>, Error> {
        let members = self.known.everybody();
        let is_left = |it: AccountId| members.iter().any(|other| *other != it && self.facts.is_gone(*other));
        let told = |is_open: bool| {
            let is_so = |it: &AccountId| (standing.is_open_to(*it) && !is_left(*it)) == is_open;
            let to: Vec<_> = shown_to.iter().copied().filter(is_so).collect();
            let mut conversation = self.direct(&members, last_seq);
            conversation.state = if is_open { "open" } else { "closed" }.to_owned();
            let updated = Push::ConversationUpdated { conversation, position: position(self.record) };
            if to.is_empty() { Ok(None) } else { push(to, &updated).map(Some) }
        };
        Ok([told(true)?, told(false)?].into_iter().flatten().collect())
    }

    fn direct(&self, members: &[AccountId], last_seq: u64) -> wire::Conversation {
        let mut conversation = self.card(None, last_seq);
        conversation.member_count = members.len() as u64;
        conversation.account_ids = members.iter().map(|member| member.0).collect();
        conversation.account_ids.sort_unstable();
        conversation
    }

    fn joined(&self, seq: u64, newcomers: &[AccountId], by: AccountId) -> Result<Vec<Frame>, Error> {
        let conversation = self.card(self.name, seq);
        let started = Push::ConversationStarted { conversation, position: position(self.record) };
        let joined = Push::MemberJoined {
            conversation_id: self.id,
            account_ids: newcomers.iter().map(|account| account.0).collect(),
            by: by.0,
            position: position(self.record),
        };
        Ok(vec![push(self.known.joined_with(seq), &started)?, push(self.known.in_before(seq), &joined)?])
    }

    fn left(&self, seq: u64, account: AccountId, by: AccountId) -> Result<Frame, Error> {
        let left = Push::MemberLeft {
            conversation_id: self.id,
            account_ids: vec![account.0],
            by: by.0,
            position: position(self.record),
        };
        // Their stay holds their leaving.
        push(self.known.hearing(seq), &left)
    }

    /// Where the card was read as it stood later, the change behind tells it, to those who are in then: somebody who has left
    /// in between is not to see it.
    pub fn updated(&self, name: Option<&Sealed>, last_seq: u64) -> Result<Option<Frame>, Error> {
        if self.card.is_some_and(|card| card.has_changed_since(self.record.position)) {
            return Ok(None);
        }
        let conversation = self.card(name, last_seq);
        let to = self.known.in_after(last_seq);
        push(to, &Push::ConversationUpdated { conversation, position: position(self.record) }).map(Some)
    }

    /// The conversation once its newest message was the one of that seq.
    pub fn card(&self, name: Option<&Sealed>, last_seq: u64) -> wire::Conversation {
        let id = self.id;
        let mut conversation = wire::Conversation {
            id,
            kind: self.known.kind.clone(),
            state: "open".to_owned(),
            name: name.and_then(|sealed| self.opener.open_text(id, sealed)),
            avatar: None,
            description: None,
            announcement: None,
            settings: None,
            ends_at: None,
            member_count: self.known.count_after(last_seq, self.standing),
            account_ids: Vec::new(),
            last_seq,
        };
        // What it says later is told by the change that says it.
        if let Some(card) = self.card.filter(|card| !card.has_changed_since(self.record.position)) {
            card.fill(self.opener, &mut conversation);
        }
        conversation
    }
}
