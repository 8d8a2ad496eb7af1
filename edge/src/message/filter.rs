//! `/conversations/{id}/messages/filter`: looking through one conversation.

use super::{SHOWN_BY, cut::cut};
use crate::{
    auth::gate::Viewer,
    edge::Door,
    http::{
        path::Ids,
        position::Seen,
        problem::Problem,
        query::{Listed, Params},
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, Timestamp, conversation::BodyKind};
use natter_projections::message::{Filter, Has, KindOf};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(filter))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only messages of this account.
    #[param(value_type = Option<Uuid>)]
    sender: Option<String>,
    /// Only messages of this kind: `text`, `image`, ..., `system`.
    kind: Option<String>,
    /// Only messages sent then or later.
    since: Option<String>,
    /// Only messages sent before then.
    until: Option<String>,
    /// `file`: images, voice, videos and files; `link`: cards, and texts with one.
    has: Option<String>,
    /// Only messages that mention the caller: `me`.
    mentions: Option<String>,
}

impl Which {
    fn filter(self) -> Result<Filter, Problem> {
        Ok(Filter {
            sender: self.sender.map(|text| sender(&text)).transpose()?,
            kind: self.kind.map(|text| kind(&text)).transpose()?,
            since: self.since.map(|text| moment(&text, "/since")).transpose()?,
            until: self.until.map(|text| moment(&text, "/until")).transpose()?,
            has: self.has.map(|text| has(&text)).transpose()?,
            mentions_me: self.mentions.map(|text| me(&text)).transpose()?.is_some(),
        })
    }
}

fn sender(text: &str) -> Result<AccountId, Problem> {
    Uuid::parse_str(text).map(AccountId).map_err(|_| Problem::invalid("/sender", "must be an account's id"))
}

fn kind(text: &str) -> Result<KindOf, Problem> {
    let known = || BodyKind::parse(text).map(KindOf::Of);
    let kind = if text == "system" { Some(KindOf::System) } else { known() };
    kind.ok_or_else(|| Problem::invalid("/kind", "is no kind of message"))
}

fn moment(text: &str, pointer: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).ok_or_else(|| Problem::invalid(pointer, "must be an RFC 3339 time"))
}

fn has(text: &str) -> Result<Has, Problem> {
    match text {
        "file" => Ok(Has::File),
        "link" => Ok(Has::Link),
        _ => Err(Problem::invalid("/has", "must be file or link")),
    }
}

fn me(text: &str) -> Result<(), Problem> {
    if text == "me" { Ok(()) } else { Err(Problem::invalid("/mentions", "must be me")) }
}

/// Messages that fit, newest first; what was recalled is not among them. A page may hold fewer than `limit`, even none, and
/// not be the last: that is the one without `next_cursor`.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/filter", operation_id = "message_filter",
    tag = "messages", params(("id" = Uuid, Path), Which, Listed), responses(
        (status = 200, body = wire::PageOf<wire::Message>),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn filter(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    Params(which): Params<Which>,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Message>>, Problem> {
    let (filter, page, inside) = (which.filter()?, listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    let messages = inside.projections.message();
    let found = messages.filter(caller.account, ConversationId(id), &filter, &page).await?;
    let mut page = found.ok_or_else(Problem::not_found)?;
    let found = page.items.len();
    page.items = cut(page.items);
    if page.items.len() < found {
        page.next_cursor = page.items.last().map(|last| last.seq.to_string());
    }
    Ok(Json(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Which = Which { sender: None, kind: None, since: None, until: None, has: None, mentions: None };

    #[track_caller]
    fn refused(which: Which, pointer: &str) {
        assert_eq!(which.filter().unwrap_err().errors[0].pointer, pointer);
    }

    #[test]
    fn each_parameter_is_checked() {
        let text = |text: &str| Some(text.to_owned());
        assert!(NOTHING.filter().is_ok());
        refused(Which { sender: text("me"), ..NOTHING }, "/sender");
        refused(Which { kind: text("Text"), ..NOTHING }, "/kind");
        refused(Which { since: text("yesterday"), ..NOTHING }, "/since");
        refused(Which { until: text("2026-13-01T00:00:00Z"), ..NOTHING }, "/until");
        refused(Which { has: text("files"), ..NOTHING }, "/has");
        refused(Which { mentions: text("you"), ..NOTHING }, "/mentions");
        let of = |kind: &str| Which { kind: text(kind), ..NOTHING }.filter().unwrap().kind;
        assert_eq!((of("system"), of("voice")), (Some(KindOf::System), Some(KindOf::Of(BodyKind::Voice))));
    }
}
