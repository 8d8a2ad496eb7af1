//! Messages where the operator has rules or a hook: what is given is looked at, and what is written may be something else.
//! The gate comes before the conversation's own rules, so it is told first that a text is not taken.
//!
//! A message goes by what its sender gave, not by what became of it: a repeat is known by that, and gets its first
//! answer, also where the rules refuse by now what they took then.

use super::{Given, body, edited, send as queue};
use crate::{
    content::{About, Gate, Passed, order::Turn},
    edge::Inside,
    http::problem::Problem,
    pending::has_room,
};
use natter_client::wire::Body;
use natter_commands::{Caller, GivenBody, Keyed, Named, Outgoing, Sent};
use natter_domain::{Code, ConversationId, MessageId};
use natter_streams::Positions;
use std::mem::discriminant;
use uuid::Uuid;

/// What became of a message.
pub enum Answer {
    Sent(Sent),
    /// It waits for somebody who looks at it.
    Held(MessageId, Positions),
}

/// As [`super::send`]. With a `turn` it is queued when that has come.
pub async fn send(
    inside: &Inside,
    gate: &Gate,
    caller: Caller,
    conversation: Uuid,
    given: &Given<'_>,
    turn: Option<Turn>,
) -> Result<Answer, Problem> {
    let (about, checked) = (About::message("send", caller, conversation, given.message_id), given.checked());
    let written = match &checked {
        Ok(message) => written(gate, &about, given.body, &message.body, body::checked).await,
        Err(problem) => Err(problem.clone()),
    };
    let turn = come(turn).await;
    let (message, conversation) = (checked?, ConversationId(conversation));
    match written {
        Ok(Passed { changed, held_by: None }) => {
            let pending = queue(inside, caller, conversation, message.saying(changed));
            drop(turn);
            Ok(Answer::Sent(pending.await?))
        }
        Ok(Passed { changed, held_by: Some(rule) }) => {
            drop(turn);
            hold(inside, caller, conversation, message.saying(changed), &rule).await
        }
        Err(refused) => {
            drop(turn);
            sent_before(inside, caller, conversation, &message, refused).await
        }
    }
}

async fn sent_before(
    inside: &Inside,
    caller: Caller,
    conversation: ConversationId,
    message: &Outgoing,
    or: Problem,
) -> Result<Answer, Problem> {
    let before = inside.commands.conversation().sent_before(caller, conversation, message).await?;
    before.map(Answer::Sent).ok_or(or)
}

/// Unless it was sent, before there was such a rule.
async fn hold(
    inside: &Inside,
    caller: Caller,
    conversation: ConversationId,
    message: Outgoing,
    rule: &str,
) -> Result<Answer, Problem> {
    let pending = inside.commands.pending().muted(inside.mutes.of(caller.account));
    let held = match has_room(inside, caller).await {
        Ok(()) => pending.hold(caller, conversation, message.clone(), rule).await.map_err(Problem::from),
        Err(full) => pending.put_before(caller, conversation, &message, None).await?.ok_or(full),
    };
    match held {
        Ok(waiting) => Ok(Answer::Held(message.message_id, waiting.positions)),
        Err(problem) if problem.code == Code::Conflict => {
            sent_before(inside, caller, conversation, &message, problem).await
        }
        Err(problem) => Err(problem),
    }
}

/// As an edit without a gate. With a `turn` it is queued when that has come.
pub async fn edit(
    inside: &Inside,
    gate: &Gate,
    by: Keyed,
    of: Named,
    body: &Body,
    turn: Option<Turn>,
) -> Result<Positions, Problem> {
    let (about, given) = (About::message("edit", by.caller, of.conversation.0, of.message.0), edited(body));
    let written = match &given {
        Ok(given) => written(gate, &about, body, given, edited).await.and_then(Passed::at_once),
        Err(problem) => Err(problem.clone()),
    };
    let turn = come(turn).await;
    let given = given?;
    match written {
        Ok(changed) => {
            let body = changed.unwrap_or(given);
            let muted = inside.mutes.of(by.caller.account);
            let pending = inside.commands.message().muted(muted).edit(by, of, body);
            drop(turn);
            Ok(pending.await?)
        }
        Err(refused) => {
            drop(turn);
            inside.commands.message().edited_before(by, of, &given).await?.ok_or(refused)
        }
    }
}

/// What is written in the place of what was given, which it is known by. A hook changes what is said, not what kind it is.
async fn written(
    gate: &Gate,
    about: &About,
    body: &Body,
    given: &GivenBody,
    read: fn(&Body) -> Result<GivenBody, Problem>,
) -> Result<Passed<GivenBody>, Problem> {
    let Passed { changed, held_by } =
        gate.pass(about, body, |other| discriminant(other) == discriminant(body) && read(other).is_ok()).await?;
    let known = |other| GivenBody { given: Some(given.json.clone()), ..other };
    let changed = changed.as_ref().map(read).transpose()?.map(known);
    Ok(Passed { changed, held_by })
}

/// A body that is to be said at a moment: it is looked at when it is given. A reviewer would miss the moment.
pub async fn waiting(gate: &Gate, about: &About, given: &Body) -> Result<GivenBody, Problem> {
    let checked = body::checked(given)?;
    let passed = written(gate, about, given, &checked, body::checked).await?;
    Ok(passed.at_once()?.unwrap_or(checked))
}

/// What is forwarded was looked at where it was said, by the rules of then; here it is said anew.
pub async fn forwarded(gate: &Gate, about: &About, body: Body, fits: impl Fn(&Body) -> bool) -> Result<Body, Problem> {
    let passed = gate.pass(about, &body, |other| discriminant(other) == discriminant(&body) && fits(other)).await?;
    Ok(passed.at_once()?.unwrap_or(body))
}

/// The turn, once it has come: who goes on before lets others overtake those before.
async fn come(turn: Option<Turn>) -> Option<Turn> {
    let mut turn = turn?;
    turn.come().await;
    Some(turn)
}
