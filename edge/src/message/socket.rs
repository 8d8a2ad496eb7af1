//! `message.send`, `message.list`, and what is done to a message that was sent.

use super::{
    Given, SHOWN_BY, edited, emoji,
    looked::{self, Answer},
    own, page, reaction, send,
};
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
use serde::Serialize;
use uuid::Uuid;

/// Queues the message: to be called in the order of the frames.
pub fn queue(inside: &Inside, caller: Caller, frame: &wire::SendFrame) -> Result<Pending<Sent>, Problem> {
    Ok(send(inside, caller, ConversationId(frame.conversation_id), said(frame).checked()?))
}

fn said(frame: &wire::SendFrame) -> Given<'_> {
    let wire::SendFrame { message_id, ref body, reply_to, thread, ref mentions, silent, ref self_destruct, .. } =
        *frame;
    let self_destruct = self_destruct.as_ref();
    Given { message_id, body, reply_to, thread, mentions, silent, self_destruct }
}

/// The answer, once the message is durable.
pub async fn sent(pending: Pending<Sent>) -> Result<wire::SentOk, Problem> {
    Ok(sent_ok(pending.await?))
}

fn sent_ok(sent: Sent) -> wire::SentOk {
    let Sent { message_id, seq, sent_at, positions, .. } = sent;
    wire::SentOk { message_id: message_id.0, seq, sent_at: sent_at.to_string(), position: positions.to_string() }
}

/// The answer where a message may be held.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Said {
    Sent(wire::SentOk),
    Held(wire::MessageHeld),
}

/// Sends a message that is looked at first; it is queued when its turn has come.
pub async fn look_and_send(
    inside: &Inside,
    gate: &Gate,
    caller: Caller,
    frame: &wire::SendFrame,
    turn: Turn,
) -> Result<Said, Problem> {
    let answer = looked::send(inside, gate, caller, frame.conversation_id, &said(frame), Some(turn)).await?;
    Ok(match answer {
        Answer::Sent(sent) => Said::Sent(sent_ok(sent)),
        Answer::Held(message_id, _) => Said::Held(wire::MessageHeld { message_id: message_id.0, held: true }),
    })
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

/// A star of the caller's, or that they have listened to it.
pub fn mark(
    inside: &Inside,
    caller: Caller,
    frame: &wire::MessageFrame,
    starred: Option<bool>,
    listened: bool,
) -> Pending<Positions> {
    let (by, of) = whole(caller, frame);
    inside.commands.message().mark(by, of, starred, listened)
}

/// Deletes it for the caller alone.
pub async fn delete(inside: &Inside, caller: Caller, frame: &wire::MessageFrame) -> Result<wire::PositionOk, Problem> {
    let (by, of) = whole(caller, frame);
    Ok(wire::PositionOk { position: own::deleted(inside, by, of).await?.to_string() })
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
    Ok(wire::Items { items: page(inside, caller, ConversationId(frame.conversation_id), range).await? })
}
