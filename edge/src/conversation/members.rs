//! `/conversations/{id}/members` and `/conversations/{id}/members/{account_id}`.

use super::{
    admin,
    given::{self, accounts, flag},
};
use crate::{
    account::given::{Query, sought},
    auth::gate::{Viewer, Writer},
    content::{self, About},
    edge::{Door, Inside},
    http::{
        answer::{Done, Shown, Written},
        json,
        path::{Ids, Who},
        position::{self, Seen},
        problem::Problem,
        query::{Listed, Params},
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use natter_domain::{AccountId, Code, ConversationId, conversation::Beginning};
use natter_projections::{
    Page, Projection,
    conversation::{MemberFilter, Members, Named},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

/// Who is in whom relations tell.
const SHOWN_BY: &[Projection] = &[Projection::Relations];

pub fn routes() -> Routes {
    Routes::new().routes(routes!(list, add)).routes(routes!(change, remove))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only those who are this: `owner`, `admin`, `member`.
    role: Option<String>,
    /// Only those whose user name, or nickname in the group, begins so, at least three characters.
    #[param(min_length = 3, max_length = 254)]
    query: Option<String>,
    /// Only those who have read the announcement, or who have not. For admins.
    #[param(value_type = Option<bool>)]
    has_read: Option<String>,
}

/// Who is in, the newest first. A page of a search may hold fewer than `limit`, even nobody, and not be the last: that is the
/// one without `next_cursor`.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/members", operation_id = "member_list", tag = "conversations",
    params(("id" = Uuid, Path), Which, Listed), responses(
        (status = 200, body = wire::PageOf<wire::Member>),
        (status = 403, description = "`not_a_member`, `not_allowed`"),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn list(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    Params(which): Params<Which>,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Member>>, Problem> {
    let role = which.role.map(|text| given::role(&text, "/role")).transpose()?;
    let sought = which.query.as_deref().map(|text| sought(Some(text))).transpose()?;
    let has_read = flag(which.has_read.as_deref(), "/has_read")?;
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    if has_read.is_some() {
        admin(&inside, caller.account, ConversationId(id)).await?;
    }
    let named = sought.zip(which.query).map(|(sought, text)| named(&inside, sought, &text));
    let filter = MemberFilter { role, named, has_read };
    are(&inside, caller.account, ConversationId(id), filter, &page).await.map(Json)
}

/// Nobody is looked for in a group by their address, and what can be no user name may still be a nickname.
fn named(inside: &Inside, sought: Option<Query>, text: &str) -> Named {
    let prefix = match sought {
        Some(Query::Name(name)) => Some(inside.commands.account().prefix(&name)),
        Some(Query::Reached(_)) | None => None,
    };
    let nickname = Beginning::of(text).map(|beginning| (inside.commands.conversation().bucket(&beginning), beginning));
    Named { prefix, nickname }
}

async fn are(
    inside: &Inside,
    viewer: AccountId,
    id: ConversationId,
    filter: MemberFilter,
    page: &Page,
) -> Result<wire::PageOf<wire::Member>, Problem> {
    match inside.projections.conversation().members(viewer, id, filter, page).await? {
        Members::Are(page) => Ok(page),
        Members::Left => Err(Problem::new(Code::NotAMember, "you are not in this conversation any more")),
        Members::NotShown => Err(Problem::new(Code::NotAllowed, "who subscribes to a channel is for its admins")),
        Members::Unknown => Err(Problem::not_found()),
    }
}

/// Adds people to a group: those who let themselves be added are in, the others are invited. Where somebody has no account,
/// nobody is.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/members", operation_id = "member_add", tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::MembersNew, responses(
        (status = 200, body = wire::MembersAdded),
        (status = 403, description = "`not_a_member`, `not_allowed`, `banned`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`group_full`, `conflict`"),
        (status = 422, description = "`invalid_input`: too many ids, or an account that does not exist"),
    ))]
async fn add(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::MembersNew>,
) -> Result<Written<wire::MembersAdded>, Problem> {
    let (accounts, inside) = (accounts("/account_ids", &given.account_ids)?, door.open()?);
    let joined = inside.commands.conversation().add_members(by, ConversationId(id), &accounts).await;
    let joined = joined.map_err(|error| Problem::naming(error, "/account_ids"))?;
    let ids = |accounts: &[AccountId]| accounts.iter().map(|account| account.0).collect();
    let added = wire::MembersAdded { joined: ids(&joined.account_ids), invited: ids(&joined.invited) };
    Ok(Written::ok(joined.positions, added))
}

/// Changes what a member is, what they are called, or whether they may write: all that is given or nothing. Handing the group
/// over is making them `owner`.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}/members/{account_id}", operation_id = "member_change",
    tag = "conversations",
    params(("id" = Uuid, Path), ("account_id" = String, Path, description = "An account's id, or `me`.")),
    request_body = wire::MemberChange, responses(
        (status = 200, body = wire::Member),
        (status = 204, description = "Done, and there no more: of a repeat."),
        (status = 403, description = "`not_a_member`, `not_allowed`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`, `too_many_groups`"),
        (status = 422, description = "`invalid_input`, `content_refused`"),
    ))]
async fn change(
    Writer(by): Writer,
    door: Door,
    Ids((id, who)): Ids<(Uuid, Who)>,
    json::Json(given): json::Json<wire::MemberChange>,
) -> Result<Shown<wire::Member>, Problem> {
    let about = About::group("member", by.caller, Some(id));
    let (change, inside) = content::taken(door, about, given, given::member).await?;
    let id = ConversationId(id);
    let account = who.account(by.caller.account);
    let changed = inside.commands.conversation().change_member(by, id, account, &change).await;
    let positions = changed.map_err(|error| Problem::from(error).about("/muted_until"))?;
    position::wait(&inside, &positions, SHOWN_BY).await?;
    // A repeat is answered too when one of the two has left since, or the conversation has ended.
    let member = inside.projections.conversation().member(id, account).await?;
    Ok(Shown(positions, member))
}

/// The caller leaves a group (`me`), or somebody above them removes a member. 204 also for who has left already.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/members/{account_id}", operation_id = "member_remove",
    tag = "conversations",
    params(("id" = Uuid, Path), ("account_id" = String, Path, description = "An account's id, or `me`.")), responses(
        (status = 204),
        (status = 403, description = "`not_allowed`, `not_a_member`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`owner_must_stay`, `conflict`"),
    ))]
async fn remove(Writer(by): Writer, door: Door, Ids((id, who)): Ids<(Uuid, Who)>) -> Result<Done, Problem> {
    let (inside, account) = (door.open()?, who.account(by.caller.account));
    Ok(Done(inside.commands.conversation().remove_member(by, ConversationId(id), account).await?))
}
