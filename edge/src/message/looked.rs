//! Messages where the operator has rules or a hook: what is given is looked at, and what is written may be something else.
//! The gate comes before the conversation's own rules, so it is told first that a text is not taken.
//!
//! A message goes by what its sender gave, not by what became of it: a repeat is known by that, and gets its first
//! answer, also where the rules refuse by now what they took then.

use super::{Given, body, edited, send as queue};
use crate::{
    content::{About, Gate, order::Turn},
    edge::Inside,
    http::problem::Problem,
};
use natter_client::wire::Body;
use natter_commands::{Caller, GivenBody, Keyed, Named, Outgoing, Sent};
use natter_domain::ConversationId;
use natter_streams::Positions;
use std::mem::discriminant;
use uuid::Uuid;

/// As [`super::send`]. With a `turn` it is queued when that has come.
pub async fn send(
    inside: &Inside,
    gate: &Gate,
    caller: Caller,
    conversation: Uuid,
    given: &Given<'_>,
    turn: Option<Turn>,
) -> Result<Sent, Problem> {
    let (about, checked) = (About::message("send", caller, conversation, given.message_id), given.checked());
    let written = match &checked {
        Ok(message) => written(gate, &about, given.body, &message.body, body::checked).await,
        Err(problem) => Err(problem.clone()),
    };
    let turn = come(turn).await;
    let (message, conversation) = (checked?, ConversationId(conversation));
    match written {
        Ok(body) => {
            let pending = queue(inside, caller, conversation, Outgoing { body, ..message });
            drop(turn);
            Ok(pending.await?)
        }
        Err(refused) => {
            drop(turn);
            let before = inside.commands.conversation().sent_before(caller, conversation, &message).await?;
            before.ok_or(refused)
        }
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
        Ok(given) => written(gate, &about, body, given, edited).await,
        Err(problem) => Err(problem.clone()),
    };
    let turn = come(turn).await;
    let given = given?;
    match written {
        Ok(body) => {
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
) -> Result<GivenBody, Problem> {
    let passed =
        gate.pass(about, body, |other| discriminant(other) == discriminant(body) && read(other).is_ok()).await?;
    match passed {
        Some(other) => Ok(GivenBody { given: Some(given.json.clone()), ..read(&other)? }),
        None => Ok(given.clone()),
    }
}

/// A body that waits to be sent: it is looked at when it is given.
pub async fn waiting(gate: &Gate, about: &About, given: &Body) -> Result<GivenBody, Problem> {
    written(gate, about, given, &body::checked(given)?, body::checked).await
}

/// What is forwarded was looked at where it was said, by the rules of then; here it is said anew.
pub async fn forwarded(gate: &Gate, about: &About, body: Body, fits: impl Fn(&Body) -> bool) -> Result<Body, Problem> {
    let passed = gate.pass(about, &body, |other| discriminant(other) == discriminant(&body) && fits(other)).await?;
    Ok(passed.unwrap_or(body))
}

/// The turn, once it has come: who goes on before lets others overtake those before.
async fn come(turn: Option<Turn>) -> Option<Turn> {
    let mut turn = turn?;
    turn.come().await;
    Some(turn)
}
