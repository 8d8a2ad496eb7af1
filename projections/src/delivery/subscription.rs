//! Frames of subscriptions: each is told to the one person whose it is, on all their devices.

use super::{
    conversation::Telling,
    crowd::Change,
    facts::Facts,
    frame::{Frame, position, push},
    members::{Footing, Known},
};
use crate::{Error, conversation::card::Card};
use natter_client::wire::Push;
use natter_domain::{AccountId, ConversationId, KeyId, conversation, subscription::Event};
use natter_streams::{Record, sealing::Opener};
use uuid::Uuid;

/// What it does to those who are told of the channel.
pub(super) fn change(event: &Event) -> Change {
    match *event {
        Event::Begun { account_id, .. } => Change::Subscribed { account_id },
        Event::Ended { account_id, last_seq, .. } => Change::Unsubscribed { account_id, last_seq },
    }
}

/// Who is banned is told nothing more, not even of what they have seen.
pub(super) fn put_out(event: &conversation::Event) -> Option<Change> {
    match *event {
        conversation::Event::Banned { account_id, .. } => Some(Change::Unsubscribed { account_id, last_seq: 0 }),
        _ => None,
    }
}

/// What a frame is opened with.
pub(super) fn keys(event: &Event, facts: &Facts) -> Vec<(Uuid, KeyId)> {
    let channel = event.channel();
    let name = facts.known(channel).ok().and_then(|known| known.name.as_ref()).map(|sealed| (channel.0, sealed.key));
    name.into_iter().chain(facts.card(channel).into_iter().flat_map(Card::keys)).collect()
}

pub(super) fn frames(
    record: &Record,
    event: &Event,
    standing: Option<Footing>,
    facts: &Facts,
    opener: &Opener,
) -> Result<Vec<Frame>, Error> {
    let id = event.channel();
    let known = facts.known(id)?;
    let standing = standing.unwrap_or_else(|| known.standing());
    let frame = match *event {
        Event::Begun { account_id, last_seq, .. } => {
            let (name, card) = (known.name.as_ref(), facts.card(id));
            let telling = Telling { record, id: id.0, known, standing, name, card, facts, opener };
            let conversation = telling.card(name, last_seq);
            push(Known::only(account_id), &Push::ConversationStarted { conversation, position: position(record) })?
        }
        Event::Ended { account_id, .. } => left(record, id, account_id, account_id)?,
    };
    Ok(vec![frame])
}

/// That they are not told of the channel any more.
pub(super) fn left(
    record: &Record,
    channel: ConversationId,
    account: AccountId,
    by: AccountId,
) -> Result<Frame, Error> {
    let position = position(record);
    let left = Push::MemberLeft { conversation_id: channel.0, account_ids: vec![account.0], by: by.0, position };
    push(Known::only(account), &left)
}
