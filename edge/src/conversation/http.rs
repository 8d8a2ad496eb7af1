//! `/conversations` and `/conversations/{id}`.

use super::{
    SHOWN_BY,
    given::{New, group_name},
};
use crate::{
    auth::gate::{Viewer, Writer},
    edge::{Door, Inside},
    http::{
        answer::Written,
        json,
        path::Ids,
        position::{self, Seen},
        problem::Problem,
        query::{Listed, Params},
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use natter_commands::{Keyed, Started};
use natter_domain::{AccountId, ConversationId, GroupName, conversation::system_message_id};
use natter_projections::message::system_body;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(open, list)).routes(routes!(one, change))
}

/// The one conversation of two friends, or a group of the caller and friends of theirs.
#[utoipa::path(post, path = "/api/v1/conversations", operation_id = "conversation_open", tag = "conversations",
    request_body = wire::ConversationNew, responses(
        (status = 201, body = wire::OwnConversation),
        (status = 200, body = wire::OwnConversation, description = "It was there."),
        (status = 403, description = "`not_friends`"),
        (status = 404, description = "`not_found`: there is no such account"),
        (status = 409, description = "`group_full`, `conflict`"),
        (status = 422, description = "`invalid_input`, `self_not_allowed`"),
    ))]
async fn open(
    Writer(by): Writer,
    door: Door,
    json::Json(given): json::Json<wire::ConversationNew>,
) -> Result<Written<wire::OwnConversation>, Problem> {
    match New::try_from(given)? {
        New::Direct { with } => open_direct(&door.open()?, by, with).await,
        New::Group { name, members } => start_group(&door.open()?, by, &name, &members).await,
    }
}

async fn open_direct(inside: &Inside, by: Keyed, with: AccountId) -> Result<Written<wire::OwnConversation>, Problem> {
    let opened = inside.commands.conversation().open_direct(by, with).await?;
    position::wait(inside, &opened.positions, SHOWN_BY).await?;
    let thing = get(inside, by.caller.account, opened.conversation_id).await?;
    Ok(Written::new(opened.created, opened.positions, thing))
}

/// Answered from the decision alone: what was written is answered, however far the read side lags.
async fn start_group(
    inside: &Inside,
    by: Keyed,
    name: &GroupName,
    members: &[AccountId],
) -> Result<Written<wire::OwnConversation>, Problem> {
    let started = inside.commands.conversation().start_group(by, name, members).await;
    let started = started.map_err(|error| Problem::naming(error, "/members"))?;
    Ok(Written::new(true, started.positions.clone(), begun(&started, name)))
}

/// As who began it sees it.
fn begun(started: &Started, name: &GroupName) -> wire::OwnConversation {
    let (id, message) = (started.conversation_id, &started.message);
    wire::OwnConversation {
        conversation: wire::Conversation {
            id: id.0,
            kind: "group".to_owned(),
            state: "open".to_owned(),
            name: Some(name.as_str().to_owned()),
            avatar: None,
            member_count: started.members.len() as u64,
            account_ids: Vec::new(),
            last_seq: message.seq,
        },
        peer: None,
        read_seq: 0,
        unread: 0,
        last_message: Some(wire::Message {
            conversation_id: id.0,
            message_id: system_message_id(id, message.seq).0,
            seq: message.seq,
            sender: None,
            body: Some(system_body(message)),
            sent_at: started.at.to_string(),
            edited_at: None,
            recalled_at: None,
            pinned_at: None,
            reactions: None,
        }),
        joined_seq: 0,
        left_seq: None,
    }
}

/// Renames a group.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}", operation_id = "conversation_change", tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::ConversationChange, responses(
        (status = 200, body = wire::OwnConversation),
        (status = 403, description = "`not_a_member`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn change(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::ConversationChange>,
) -> Result<Written<wire::OwnConversation>, Problem> {
    let (name, inside, id) = (group_name(&given.name)?, door.open()?, ConversationId(id));
    let positions = inside.commands.conversation().rename(by, id, &name).await?;
    position::wait(&inside, &positions, SHOWN_BY).await?;
    let thing = get(&inside, by.caller.account, id).await?;
    Ok(Written::ok(positions, thing))
}

/// The caller's conversations, by last activity, newest first.
#[utoipa::path(get, path = "/api/v1/conversations", operation_id = "conversation_list", tag = "conversations",
    params(Listed), responses(
        (status = 200, body = wire::PageOf<wire::OwnConversation>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn list(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::OwnConversation>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    let paged = inside.projections.conversation().list(caller.account, &page).await?;
    Ok(Json(wire::PageOf { items: paged.items, next_cursor: paged.next_cursor }))
}

/// One of the caller's conversations.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", operation_id = "conversation_get", tag = "conversations",
    params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::OwnConversation),
        (status = 404, description = "`not_found`"),
    ))]
async fn one(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
) -> Result<Json<wire::OwnConversation>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    get(&inside, caller.account, ConversationId(id)).await.map(Json)
}

async fn get(inside: &Inside, viewer: AccountId, id: ConversationId) -> Result<wire::OwnConversation, Problem> {
    inside.projections.conversation().get(viewer, id).await?.ok_or_else(Problem::not_found)
}
