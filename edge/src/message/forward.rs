//! `/conversations/{id}/messages/forward`: what was said in one conversation is said in another, one by one or put together.
//! The caller forwards what they see, as they see it: the gate of messages is asked, and nothing that was recalled, that the
//! server wrote, that ends by itself or that only others can read is passed on.

use super::{SHOWN_BY, body, looked, send};
use crate::{
    auth::gate::Writer,
    content::About,
    edge::{Door, Inside},
    http::{answer::Written, json, path::Ids, position::Seen, problem::Problem, router::Routes},
};
use natter_client::wire::{self, Body};
use natter_commands::{Caller, GivenBody, Outgoing, Sent};
use natter_domain::{Code, ConversationId, MessageId, limit};
use natter_streams::Positions;
use std::collections::HashMap;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(forward))
}

/// Says in this conversation what was said in another. `messages`: each by itself, in that order; `merged`: all in one, the
/// oldest first. The same ids with the same sources again: 200 and the first answers.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages/forward", operation_id = "message_forward",
    tag = "messages", params(("id" = Uuid, Path)), request_body = wire::Forward, responses(
        (status = 201, body = wire::Items<wire::MessageSent>),
        (status = 200, body = wire::Items<wire::MessageSent>, description = "They were sent before."),
        (status = 403, description = "`conversation_closed`, `not_a_member`, `muted`, `not_allowed`; `forbidden`: a source that ends by itself"),
        (status = 404, description = "`not_found`: either conversation"),
        (status = 409, description = "`conflict`; `recalled`: what is forwarded"),
        (status = 422, description = "`invalid_input`: a source that is not there, or may not be forwarded; `content_refused`"),
        (status = 429, description = "`slow_mode`, `rate_limited`"),
    ))]
async fn forward(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    json::Json(given): json::Json<wire::Forward>,
) -> Result<Written<wire::Items<wire::MessageSent>>, Problem> {
    let (wanted, inside) = (Wanted::of(&given)?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    let id = ConversationId(id);
    match wanted.outgoing(&inside, by.caller, id).await {
        Ok(outgoing) => {
            let pending: Vec<_> = outgoing.into_iter().map(|message| send(&inside, by.caller, id, message)).collect();
            let sent = futures::future::join_all(pending).await;
            Ok(answer(sent.into_iter().collect::<Result<_, _>>()?))
        }
        Err(refused) => wanted.sent_before(&inside, by.caller, id).await?.map(answer).ok_or(refused),
    }
}

fn answer(sent: Vec<Sent>) -> Written<wire::Items<wire::MessageSent>> {
    let (mut items, mut positions) = (Vec::new(), Positions::default());
    let repeated = sent.iter().all(|one| one.repeated);
    for Sent { message_id, seq, sent_at, positions: at, .. } in sent {
        items.push(wire::MessageSent { message_id: message_id.0, seq, sent_at: sent_at.to_string() });
        positions.merge(&at);
    }
    Written::new(!repeated, positions, wire::Items { items })
}

/// What is to be forwarded, from where.
struct Wanted {
    from: ConversationId,
    /// New ids, and whose content each has.
    messages: Vec<(MessageId, Vec<Uuid>)>,
    is_merged: bool,
}

impl Wanted {
    fn of(given: &wire::Forward) -> Result<Self, Problem> {
        let (messages, is_merged): (Vec<_>, _) = match (&given.messages, &given.merged) {
            (Some(each), None) => {
                (each.iter().map(|one| (MessageId(one.message_id), vec![one.source_id])).collect(), false)
            }
            (None, Some(merged)) => (vec![(MessageId(merged.message_id), merged.source_ids.clone())], true),
            _ => return Err(Problem::invalid("/messages", "either messages or merged is given")),
        };
        let wanted = Self { from: ConversationId(given.from), messages, is_merged };
        let (sources, pointer) = (wanted.sources().len(), wanted.pointer());
        let most = if is_merged { limit::MERGED_ITEMS_MAX } else { limit::FORWARDED_MAX };
        if !(1..=most).contains(&sources) {
            return Err(Problem::invalid(pointer, format!("must be 1 to {most}")));
        }
        Ok(wanted)
    }

    fn sources(&self) -> Vec<Uuid> {
        self.messages.iter().flat_map(|(_, sources)| sources).copied().collect()
    }

    fn pointer(&self) -> &'static str {
        if self.is_merged { "/merged/source_ids" } else { "/messages" }
    }

    /// Where the source of that place stands in the request.
    fn pointer_to(&self, index: usize) -> String {
        if self.is_merged { format!("/merged/source_ids/{index}") } else { format!("/messages/{index}/source_id") }
    }

    /// The sources as the caller sees them.
    async fn read(&self, inside: &Inside, caller: Caller) -> Result<HashMap<Uuid, wire::Message>, Problem> {
        let ids: Vec<MessageId> = self.sources().into_iter().map(MessageId).collect();
        let found = inside.projections.message().lookup(caller.account, self.from, &ids).await?;
        let found = found.ok_or_else(Problem::not_found)?;
        Ok(found.into_iter().map(|message| (message.message_id, message)).collect())
    }

    async fn outgoing(&self, inside: &Inside, caller: Caller, to: ConversationId) -> Result<Vec<Outgoing>, Problem> {
        let sources = self.read(inside, caller).await?;
        for (index, id) in self.sources().iter().enumerate() {
            may_be_forwarded(sources.get(id), &self.pointer_to(index))?;
        }
        let bodies =
            self.messages.iter().map(|(id, of)| self.looked_at(inside, caller, to, *id, self.body(of, &sources)));
        let bodies = futures::future::join_all(bodies).await;
        let named = |((id, of), body): (&(MessageId, Vec<Uuid>), _)| Ok(self.named(*id, of, body?));
        self.messages.iter().zip(bodies).map(named).collect()
    }

    /// As it may be said there.
    async fn looked_at(
        &self,
        inside: &Inside,
        caller: Caller,
        to: ConversationId,
        id: MessageId,
        body: Body,
    ) -> Result<GivenBody, Problem> {
        let checked = body::passed_on(&body, self.pointer())?;
        let Some(gate) = inside.content.gate() else { return Ok(checked) };
        let about = About::message("forward", caller, to.0, id.0);
        let fits = |other: &Body| body::passed_on(other, self.pointer()).is_ok();
        body::passed_on(&looked::forwarded(gate, &about, body, fits).await?, self.pointer())
    }

    fn body(&self, of: &[Uuid], sources: &HashMap<Uuid, wire::Message>) -> Body {
        let said = |id: &Uuid| sources.get(id).and_then(|message| Some((message, message.body.as_ref()?)));
        let mut said: Vec<(&wire::Message, &Body)> = of.iter().filter_map(said).collect();
        match (self.is_merged, said.as_slice()) {
            (false, [(_, body)]) => (*body).clone(),
            _ => {
                said.sort_unstable_by_key(|(message, _)| message.seq);
                merged(&said)
            }
        }
    }

    fn named(&self, id: MessageId, of: &[Uuid], body: GivenBody) -> Outgoing {
        let how = if self.is_merged { "merged" } else { "forwarded" };
        Outgoing { forwarded: Some(format!("{how} {} {of:?}", self.from)), ..Outgoing::plain(id, body) }
    }

    /// All of it was sent before, whatever has become of its sources.
    async fn sent_before(
        &self,
        inside: &Inside,
        caller: Caller,
        to: ConversationId,
    ) -> Result<Option<Vec<Sent>>, Problem> {
        let mut all = Vec::new();
        for (id, of) in &self.messages {
            let message = self.named(*id, of, GivenBody::text("", 0));
            let Some(sent) = inside.commands.conversation().sent_before(caller, to, &message).await? else {
                return Ok(None);
            };
            all.push(sent);
        }
        Ok(Some(all))
    }
}

fn may_be_forwarded(source: Option<&wire::Message>, pointer: &str) -> Result<(), Problem> {
    let Some(source) = source else { return Err(Problem::invalid(pointer, "there is no such message")) };
    if source.recalled_at.is_some() {
        return Err(Problem::new(Code::Recalled, "the message was recalled"));
    }
    if source.self_destruct.is_some() {
        return Err(Problem::new(Code::Forbidden, "what ends by itself is not forwarded"));
    }
    match &source.body {
        Some(Body::System { .. }) => Err(Problem::invalid(pointer, "what the server says is not forwarded")),
        Some(Body::Opaque { .. }) => Err(Problem::invalid(pointer, "others could not read it")),
        Some(_) => Ok(()),
        None => Err(Problem::invalid(pointer, "nothing is left of it")),
    }
}

fn merged(said: &[(&wire::Message, &Body)]) -> Body {
    let item = |(message, body): &(&wire::Message, &Body)| wire::MergedItem {
        sender: message.sender,
        sent_at: message.sent_at.clone(),
        body: (*body).clone(),
    };
    Body::Merged { items: said.iter().map(item).collect() }
}
