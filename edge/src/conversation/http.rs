//! `/conversations` and `/conversations/{id}`.

use super::{
    SHOWN_BY, get,
    given::{New, Which, card},
};
use crate::{
    auth::gate::{Viewer, Writer},
    content::{self, About},
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
};
use axum::Json;
use natter_client::wire;
use natter_commands::{Keyed, Started};
use natter_domain::{
    AccountId, Announcement, ConversationId, GroupName,
    conversation::{JoinPolicy, Kind, Permissions, Role, system_message_id},
};
use natter_projections::{conversation::settings, message::system_body};
use natter_streams::Positions;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(open, list))
        .routes(routes!(channels))
        .routes(routes!(one, change, dissolve))
        .routes(routes!(announce, take_back))
        .routes(routes!(read_announcement))
}

/// The one conversation of two friends, or of strangers where strangers may write, or of the caller with themselves; or a group
/// of the caller and those who let themselves be added, while the others are invited; or a channel of the caller, which everybody
/// may read.
#[utoipa::path(post, path = "/api/v1/conversations", operation_id = "conversation_open", tag = "conversations",
    request_body = wire::ConversationNew, responses(
        (status = 201, body = wire::OwnConversation),
        (status = 200, body = wire::OwnConversation, description = "It was there."),
        (status = 403, description = "`not_friends`"),
        (status = 404, description = "`not_found`: there is no such account"),
        (status = 409, description = "`group_full`, `too_many_groups`, `conflict`"),
        (status = 422, description = "`invalid_input`, `content_refused`"),
    ))]
async fn open(
    Writer(by): Writer,
    door: Door,
    json::Json(given): json::Json<wire::ConversationNew>,
) -> Result<Written<wire::OwnConversation>, Problem> {
    let (new, inside) = content::taken(door, About::group("group", by.caller, None), given, New::try_from).await?;
    match new {
        New::Direct { with } => open_direct(&inside, by, with).await,
        New::Own => open_direct(&inside, by, by.caller.account).await,
        New::Group { name, members } => start_group(&inside, by, &name, &members).await,
        New::Channel { name } => start_channel(&inside, by, &name).await,
    }
}

/// With oneself: the conversation of kind `self`.
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

async fn start_channel(
    inside: &Inside,
    by: Keyed,
    name: &GroupName,
) -> Result<Written<wire::OwnConversation>, Problem> {
    let started = inside.commands.conversation().start_channel(by, name).await?;
    Ok(Written::new(true, started.positions.clone(), begun(&started, name)))
}

/// As who began it sees it.
fn begun(started: &Started, name: &GroupName) -> wire::OwnConversation {
    let (id, message, is_channel) = (started.conversation_id, &started.message, started.kind == Kind::Channel);
    wire::OwnConversation {
        conversation: wire::Conversation {
            id: id.0,
            kind: started.kind.as_str().to_owned(),
            state: "open".to_owned(),
            name: Some(name.as_str().to_owned()),
            avatar: None,
            description: None,
            announcement: None,
            settings: Some(first_settings(started.kind)),
            ends_at: None,
            // Who begins a channel subscribes to it.
            member_count: if is_channel { 1 } else { started.members.len() as u64 },
            account_ids: Vec::new(),
            last_seq: message.seq,
        },
        peer: None,
        subscribed: is_channel.then_some(true),
        role: Some(Role::Owner.as_str().to_owned()),
        announcement_read: None,
        read_seq: 0,
        peer_read_seq: None,
        peer_delivered_seq: None,
        unread: 0,
        mentions: 0,
        last_message: Some(wire::Message {
            conversation_id: id.0,
            message_id: system_message_id(id, message.seq).0,
            seq: message.seq,
            body: Some(system_body(message)),
            sent_at: started.at.to_string(),
            ..wire::Message::default()
        }),
        joined_seq: 0,
        left_seq: None,
        cleared_seq: 0,
        view: wire::View::default(),
        draft: wire::Draft::default(),
    }
}

/// As one of the kind is set up at first.
fn first_settings(kind: Kind) -> wire::GroupSettings {
    match kind {
        Kind::Channel => wire::GroupSettings {
            shares_history: true,
            ..settings(JoinPolicy::Open.as_str(), &Permissions::of_channel())
        },
        _ => settings(JoinPolicy::default().as_str(), &Permissions::default()),
    }
}

/// Changes a group or a channel: its card, and how it is set up. All that is given or nothing.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}", operation_id = "conversation_change", tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::ConversationChange, responses(
        (status = 200, body = wire::OwnConversation),
        (status = 204, description = "Done, and there no more: of a repeat."),
        (status = 403, description = "`not_a_member`, `not_allowed`, `muted`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`invalid_input`, `content_refused`"),
    ))]
async fn change(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::ConversationChange>,
) -> Result<Shown<wire::OwnConversation>, Problem> {
    let (change, inside) = content::taken(door, About::group("group", by.caller, Some(id)), given, card).await?;
    let id = ConversationId(id);
    let positions = inside.commands.conversation().change(by, id, &change).await?;
    shown(&inside, by, id, positions).await
}

/// Ends a group for all. It can be read for a while, and takes nothing any more.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}", operation_id = "conversation_dissolve", tag = "conversations",
    params(("id" = Uuid, Path)), responses(
        (status = 204),
        (status = 403, description = "`not_a_member`; `not_allowed`: not the owner; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
    ))]
async fn dissolve(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.conversation().dissolve(by, ConversationId(id)).await?))
}

/// Says something to all, in the place of what was said before.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/announcement", operation_id = "announcement_put",
    tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::AnnouncementNew, responses(
        (status = 200, body = wire::OwnConversation),
        (status = 204, description = "Done, and there no more: of a repeat."),
        (status = 403, description = "`not_a_member`, `not_allowed`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`invalid_input`, `content_refused`"),
    ))]
async fn announce(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::AnnouncementNew>,
) -> Result<Shown<wire::OwnConversation>, Problem> {
    let read = |given: wire::AnnouncementNew| Announcement::parse(&given.text).map_err(Problem::at("/text"));
    let (text, inside) = content::taken(door, About::group("announcement", by.caller, Some(id)), given, read).await?;
    let id = ConversationId(id);
    let positions = inside.commands.conversation().announce(by, id, Some(&text)).await?;
    shown(&inside, by, id, positions).await
}

/// Takes back what was said to all.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/announcement", operation_id = "announcement_delete",
    tag = "conversations",
    params(("id" = Uuid, Path)), responses(
        (status = 204),
        (status = 403, description = "`not_a_member`, `not_allowed`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
    ))]
async fn take_back(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.conversation().announce(by, ConversationId(id), None).await?))
}

/// The caller has read the announcement, as it stood at that message.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/announcement/read", operation_id = "announcement_read",
    tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::AnnouncementRead, responses(
        (status = 204),
        (status = 403, description = "`not_a_member`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`invalid_input`: there is no such message yet"),
    ))]
async fn read_announcement(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::AnnouncementRead>,
) -> Result<Done, Problem> {
    let read = door.open()?.commands.inbox().read_announcement(by, ConversationId(id), given.seq).await;
    Ok(Done(read.map_err(|error| Problem::from(error).about("/seq"))?))
}

async fn shown(
    inside: &Inside,
    by: Keyed,
    id: ConversationId,
    positions: Positions,
) -> Result<Shown<wire::OwnConversation>, Problem> {
    position::wait(inside, &positions, SHOWN_BY).await?;
    let thing = inside.projections.conversation().get(by.caller.account, id).await?;
    Ok(Shown(positions, thing))
}

/// The caller's conversations, by last activity, newest first. Those that they have hidden are left out unless they are
/// asked for.
#[utoipa::path(get, path = "/api/v1/conversations", operation_id = "conversation_list", tag = "conversations",
    params(Which, Listed), responses(
        (status = 200, body = wire::PageOf<wire::OwnConversation>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn list(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(which): Params<Which>,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::OwnConversation>>, Problem> {
    let (which, page, inside) = (which.shown()?, listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.conversation().some(caller.account, &which, &page).await?))
}

/// Channels, by last activity, newest first: those that go on and have not banned the caller, whether or not they subscribe.
#[utoipa::path(get, path = "/api/v1/channels", operation_id = "channel_list", tag = "conversations",
    params(Listed), responses(
        (status = 200, body = wire::PageOf<wire::OwnConversation>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn channels(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::OwnConversation>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.conversation().channels(caller.account, &page).await?))
}

/// One of the caller's conversations, or a channel.
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
