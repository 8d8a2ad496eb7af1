//! `/conversations/{id}/scheduled` and `/scheduled`.

use super::{SHOWN_BY, has_room, moment, shown};
use crate::{
    auth::gate::{Viewer, Writer},
    content::About,
    edge::{Door, Inside},
    http::{
        answer::{Done, Shown, Written},
        json,
        path::Ids,
        position::{self, Seen},
        problem::Problem,
        query::{Listed, Params},
        router::Routes,
    },
    message::{Given, given_body, looked},
};
use axum::Json;
use natter_client::wire::{self, Body};
use natter_commands::{GivenBody, Keyed, Named, Outgoing};
use natter_domain::{ConversationId, MessageId};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(schedule)).routes(routes!(list)).routes(routes!(change, cancel))
}

/// Which conversation's.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Of {
    /// Only what waits there.
    #[param(value_type = Option<Uuid>)]
    conversation_id: Option<String>,
}

impl Of {
    fn conversation(&self) -> Result<Option<ConversationId>, Problem> {
        let read = |text: &String| text.parse().map_err(|_| Problem::invalid("/conversation_id", "must be a UUID"));
        self.conversation_id.as_ref().map(read).transpose()
    }
}

/// Says something at a moment to come: a second to a year ahead. The same `message_id` with the same content again: 200. What
/// it may say and to whom is looked at now and again when the moment has come; where it is refused then, its author is told.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/scheduled", operation_id = "scheduled_new", tag = "messages",
    params(("id" = Uuid, Path)), request_body = wire::ScheduledNew, responses(
        (status = 201, body = wire::Scheduled),
        (status = 200, body = wire::Scheduled, description = "It was scheduled before; as it is now."),
        (status = 403, description = "`conversation_closed`, `not_a_member`, `muted`, `not_allowed`, `forbidden`: as for sending"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: the id was used, or 100 wait there already; `recalled`: what it answers"),
        (status = 422, description = "`invalid_input`: a field of the body, `reply_to`, `thread`, who is mentioned, `self_destruct`, `send_at`; `content_refused`"),
    ))]
async fn schedule(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::ScheduledNew>,
) -> Result<Written<wire::Scheduled>, Problem> {
    let wire::ScheduledNew {
        message_id,
        ref body,
        reply_to,
        thread,
        ref mentions,
        silent,
        ref self_destruct,
        ref send_at,
    } = given;
    let self_destruct = self_destruct.as_ref();
    let message = Given { message_id, body, reply_to, thread, mentions, silent, self_destruct }.checked()?;
    let (send_at, inside, of) = (moment(send_at)?, door.open()?, named(id, message_id));
    let pending = inside.commands.pending().muted(inside.mutes.of(by.caller.account));
    let waiting = match taken(&inside, &by, of, body, &message).await {
        Ok(body) => pending.schedule(by.caller, of.conversation, message.saying(Some(body)), send_at).await?,
        Err(refused) => {
            let before = pending.put_before(by.caller, of.conversation, &message, Some(send_at)).await?;
            before.ok_or(refused)?
        }
    };
    position::wait(&inside, &waiting.positions, SHOWN_BY).await?;
    let thing =
        shown(&inside, by.caller, of).await?.ok_or_else(|| Problem::internal("what was scheduled is not there"))?;
    Ok(Written::new(waiting.created, waiting.positions, thing))
}

/// What the caller has waiting, and what could not be sent, what came last first.
#[utoipa::path(get, path = "/api/v1/scheduled", operation_id = "scheduled_list", tag = "messages",
    params(Of, Listed), responses(
        (status = 200, body = wire::PageOf<wire::Scheduled>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn list(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(of): Params<Of>,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Scheduled>>, Problem> {
    let (conversation, page, inside) = (of.conversation()?, listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.pending().list(caller.account, conversation, &page).await?))
}

/// Says something else, or at another moment, until it is released.
#[utoipa::path(patch, path = "/api/v1/scheduled/{conversation_id}/{message_id}", operation_id = "scheduled_change",
    tag = "messages", params(("conversation_id" = Uuid, Path), ("message_id" = Uuid, Path)),
    request_body = wire::ScheduledChange, responses(
        (status = 200, body = wire::Scheduled),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`too_late`: it is released or over, or waits for no moment; `conflict`"),
        (status = 422, description = "`invalid_input`: a field of the body, `send_at`; `content_refused`"),
    ))]
async fn change(
    Writer(by): Writer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    json::Json(given): json::Json<wire::ScheduledChange>,
) -> Result<Shown<wire::Scheduled>, Problem> {
    let mut body = given.body.as_ref().map(given_body).transpose()?;
    let send_at = given.send_at.as_deref().map(moment).transpose()?;
    let (inside, of) = (door.open()?, named(id, message_id));
    if let (Some(gate), Some(said)) = (inside.content.gate(), &given.body) {
        body = Some(looked::waiting(gate, &about(&by, of), said).await?);
    }
    let positions = inside.commands.pending().change(by, of, body, send_at).await?;
    position::wait(&inside, &positions, SHOWN_BY).await?;
    Ok(Shown(positions, shown(&inside, by.caller, of).await?))
}

/// Takes it back, whether it waits for a moment or for somebody who looks at it; puts away what could not be sent.
#[utoipa::path(delete, path = "/api/v1/scheduled/{conversation_id}/{message_id}", operation_id = "scheduled_cancel",
    tag = "messages", params(("conversation_id" = Uuid, Path), ("message_id" = Uuid, Path)), responses(
        (status = 204, description = "Also when it was taken back before."),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`too_late`: it is sent, or about to be; `conflict`"),
    ))]
async fn cancel(Writer(by): Writer, door: Door, Ids((id, message_id)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.pending().cancel(by, named(id, message_id)).await?))
}

/// What is said in the end, where it may wait.
async fn taken(inside: &Inside, by: &Keyed, of: Named, body: &Body, given: &Outgoing) -> Result<GivenBody, Problem> {
    has_room(inside, by.caller).await?;
    match inside.content.gate() {
        Some(gate) => looked::waiting(gate, &about(by, of), body).await,
        None => Ok(given.body.clone()),
    }
}

fn about(by: &Keyed, of: Named) -> About {
    About::message("send", by.caller, of.conversation.0, of.message.0)
}

fn named(conversation: Uuid, message: Uuid) -> Named {
    Named { conversation: ConversationId(conversation), message: MessageId(message) }
}
