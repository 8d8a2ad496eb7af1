//! `message.send`, `message.list`, and what is done to a message that was sent.

use super::{Given, SHOWN_BY, edited, emoji, looked, page, reaction, send};
use crate::{
    content::{Gate, order::Turn},
    edge::Inside,
    http::{
        position,
        problem::Problem,
        query::{checked, limited},
    },
};
use natter_client::wire;
use natter_commands::{Caller, Keyed, Named, Pending, Sent};
use natter_domain::{ConversationId, MessageId};
use natter_projections::message::Range;
use natter_streams::Positions;
use std::collections::VecDeque;
use uuid::Uuid;

/// A page over WebSocket ends before its JSON passes this, unless one message does: a connection's buffers stay small.
const PAGE_MAX_BYTES: usize = 512 * 1024;

/// Queues the message: to be called in the order of the frames.
pub fn queue(inside: &Inside, caller: Caller, frame: &wire::SendFrame) -> Result<Pending<Sent>, Problem> {
    Ok(send(inside, caller, ConversationId(frame.conversation_id), said(frame).checked()?))
}

fn said(frame: &wire::SendFrame) -> Given<'_> {
    let wire::SendFrame { message_id, ref body, reply_to, ref mentions, silent, .. } = *frame;
    Given { message_id, body, reply_to, mentions, silent }
}

/// The answer, once the message is durable.
pub async fn sent(pending: Pending<Sent>) -> Result<wire::SentOk, Problem> {
    Ok(sent_ok(pending.await?))
}

fn sent_ok(sent: Sent) -> wire::SentOk {
    let Sent { message_id, seq, sent_at, positions, .. } = sent;
    wire::SentOk { message_id: message_id.0, seq, sent_at: sent_at.to_string(), position: positions.to_string() }
}

/// Sends a message that is looked at first; it is queued when its turn has come.
pub async fn look_and_send(
    inside: &Inside,
    gate: &Gate,
    caller: Caller,
    frame: &wire::SendFrame,
    turn: Turn,
) -> Result<wire::SentOk, Problem> {
    Ok(sent_ok(looked::send(inside, gate, caller, frame.conversation_id, &said(frame), Some(turn)).await?))
}

/// Likewise.
pub async fn look_and_edit(
    inside: &Inside,
    gate: &Gate,
    caller: Caller,
    frame: &wire::EditFrame,
    turn: Turn,
) -> Result<wire::PositionOk, Problem> {
    let (by, of) = (Keyed { caller, key: frame.command_id }, named(frame.conversation_id, frame.message_id));
    let positions = looked::edit(inside, gate, by, of, &frame.body, Some(turn)).await?;
    Ok(wire::PositionOk { position: positions.to_string() })
}

/// What these queue is queued in the order of the frames, for one message.
pub fn edit(inside: &Inside, caller: Caller, frame: &wire::EditFrame) -> Result<Pending<Positions>, Problem> {
    let (by, of) = (Keyed { caller, key: frame.command_id }, named(frame.conversation_id, frame.message_id));
    let body = edited(&frame.body)?;
    let muted = inside.mutes.of(caller.account);
    Ok(inside.commands.message().muted(muted).edit(by, of, body))
}

pub fn recall(inside: &Inside, caller: Caller, frame: &wire::MessageFrame) -> Pending<Positions> {
    let (by, of) = whole(caller, frame);
    inside.commands.message().recall(by, of)
}

pub fn pin(inside: &Inside, caller: Caller, frame: &wire::MessageFrame) -> Pending<Positions> {
    let (by, of) = whole(caller, frame);
    inside.commands.message().pin(by, of)
}

pub fn unpin(inside: &Inside, caller: Caller, frame: &wire::MessageFrame) -> Pending<Positions> {
    let (by, of) = whole(caller, frame);
    inside.commands.message().unpin(by, of)
}

pub fn react(inside: &Inside, caller: Caller, frame: &wire::ReactFrame) -> Result<Pending<Positions>, Problem> {
    let (by, of) = (Keyed { caller, key: frame.command_id }, named(frame.conversation_id, frame.message_id));
    Ok(inside.commands.message().react(by, of, &reaction(inside, caller, of, &frame.emoji)?))
}

pub fn unreact(inside: &Inside, caller: Caller, frame: &wire::ReactFrame) -> Result<Pending<Positions>, Problem> {
    let (by, of) = (Keyed { caller, key: frame.command_id }, named(frame.conversation_id, frame.message_id));
    Ok(inside.commands.message().unreact(by, of, &emoji(&frame.emoji)?))
}

fn whole(caller: Caller, frame: &wire::MessageFrame) -> (Keyed, Named) {
    (Keyed { caller, key: frame.command_id }, named(frame.conversation_id, frame.message_id))
}

fn named(conversation: Uuid, message: Uuid) -> Named {
    Named { conversation: ConversationId(conversation), message: MessageId(message) }
}

pub async fn list(
    inside: &Inside,
    caller: Caller,
    frame: wire::ListFrame,
) -> Result<wire::Items<wire::Message>, Problem> {
    let wire::ListFrame { before_seq, after_seq, around_seq, .. } = frame;
    let range = checked(Range { before_seq, after_seq, around_seq, limit: limited(frame.limit.map(u64::from))? })?;
    let token = frame.position.map(|token| position::parse(&token, inside.lanes)).transpose()?;
    position::wait(inside, &token.unwrap_or_default(), SHOWN_BY).await?;
    let items = page(inside, caller, ConversationId(frame.conversation_id), range).await?;
    let items = match around_seq {
        Some(seq) => cut_around(items, seq),
        None => cut(items),
    };
    Ok(wire::Items { items })
}

/// As many as fit into a page, at least one.
fn cut(mut items: Vec<wire::Message>) -> Vec<wire::Message> {
    let mut bytes = 0;
    let fits = items.iter().take_while(|item| {
        bytes += serde_json::to_vec(item).map_or(0, |json| json.len());
        bytes <= PAGE_MAX_BYTES
    });
    let count = fits.count().max(1);
    items.truncate(count);
    items
}

/// As many as fit next to the one in the middle: what lies farther from it goes first.
fn cut_around(mut items: Vec<wire::Message>, seq: u64) -> Vec<wire::Message> {
    let mut sizes: VecDeque<usize> =
        items.iter().map(|item| serde_json::to_vec(item).map_or(0, |json| json.len())).collect();
    let mut middle = items.partition_point(|item| item.seq < seq);
    let (mut bytes, mut first) = (sizes.iter().sum::<usize>(), 0);
    while bytes > PAGE_MAX_BYTES && sizes.len() > 1 {
        let behind = sizes.len().saturating_sub(middle + 1);
        let gone = if middle > behind { sizes.pop_front() } else { sizes.pop_back() };
        let from_front = usize::from(middle > behind);
        (first, middle) = (first + from_front, middle - from_front);
        bytes -= gone.unwrap_or(0);
    }
    items.drain(..first);
    items.truncate(sizes.len());
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64, bytes: usize) -> wire::Message {
        let body = Some(wire::Body::text("a".repeat(bytes)));
        wire::Message { seq, body, ..wire::Message::default() }
    }

    #[test]
    fn a_page_ends_before_it_is_too_large_but_is_never_empty() {
        let small: Vec<_> = (1..=200).map(|seq| message(seq, 100)).collect();
        assert_eq!(cut(small).len(), 200);
        let large: Vec<_> = (1..=200).map(|seq| message(seq, 16_384)).collect();
        let kept = cut(large);
        assert!((30..32).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept[0].seq, 1);
        assert_eq!(cut(vec![message(1, 2 * PAGE_MAX_BYTES), message(2, 1)]).len(), 1);
        assert!(cut(vec![]).is_empty());
    }

    #[test]
    fn a_page_around_a_message_keeps_what_is_next_to_it() {
        let kept = |count: u64, bytes, seq| {
            let items = cut_around((1..=count).map(|seq| message(seq, bytes)).collect(), seq);
            items.iter().map(|item| item.seq).collect::<Vec<_>>()
        };
        assert_eq!(kept(200, 100, 101).len(), 200);
        for (seq, first, last) in [(101, 85..=87, 115..=117), (1, 1..=1, 30..=32), (200, 169..=171, 200..=200)] {
            let kept = kept(200, 16_384, seq);
            let (lowest, highest) = (kept[0], kept[kept.len() - 1]);
            assert!((30..32).contains(&kept.len()) && kept.contains(&seq), "{kept:?}");
            assert!(first.contains(&lowest) && last.contains(&highest), "{kept:?}");
        }
        assert_eq!(kept(3, 2 * PAGE_MAX_BYTES, 2), [2]);
        assert_eq!(kept(0, 1, 2), [0; 0]);
    }
}
