//! Messages: sending, what is done to them later, and reading. REST and WebSocket come through the same functions.

mod body;
mod cut;
pub mod filter;
pub mod forward;
pub mod http;
pub mod looked;
pub mod own;
pub mod past;
pub mod socket;
pub mod thread;

use crate::{
    content::{About, texts::Exactly},
    edge::Inside,
    http::problem::Problem,
};
use natter_client::wire::{self, Body};
use natter_commands::{Caller, GivenBody, Named, Outgoing, Pending, Sent};
use natter_domain::{
    AccountId, ConversationId, Emoji, MessageId,
    conversation::{InvalidLifetime, Lifetime, Mentions, Role},
    limit,
};
use natter_projections::{Projection, message::Range};
use uuid::Uuid;

/// What answers about messages are made of: who may see them, and what they say.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations, Projection::History];

/// What is to be sent, from either door.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub message_id: Uuid,
    pub body: &'a Body,
    pub reply_to: Option<Uuid>,
    pub thread: Option<Uuid>,
    pub mentions: &'a [String],
    pub silent: bool,
    pub self_destruct: Option<&'a wire::SelfDestruct>,
}

impl Given<'_> {
    pub fn checked(&self) -> Result<Outgoing, Problem> {
        Ok(Outgoing {
            message_id: MessageId(self.message_id),
            body: body::checked(self.body)?,
            reply_to: self.reply_to.map(MessageId),
            thread: self.thread.map(MessageId),
            mentions: mentions(self.mentions)?,
            silent: self.silent,
            forwarded: None,
            self_destruct: self.self_destruct.map(lifetime).transpose()?,
        })
    }
}

/// A body by itself.
pub fn given_body(body: &Body) -> Result<GivenBody, Problem> {
    body::checked(body)
}

/// A text in place of another.
pub fn edited(body: &Body) -> Result<GivenBody, Problem> {
    match body {
        Body::Text { .. } => body::checked(body),
        _ => Err(Problem::invalid("/body/kind", "only texts are edited")),
    }
}

fn lifetime(given: &wire::SelfDestruct) -> Result<Lifetime, Problem> {
    let wrong =
        |wrong: InvalidLifetime| Problem::invalid(format!("/self_destruct{}", wrong.pointer()), wrong.to_string());
    Lifetime::parse(given.after_s, given.after_read_s).map_err(wrong)
}

/// Accounts by their ids, everybody, and roles, each once.
fn mentions(given: &[String]) -> Result<Mentions, Problem> {
    if given.len() > limit::MENTIONS_MAX {
        return Err(Problem::invalid("/mentions", "must be at most 100"));
    }
    let mut mentions = Mentions::default();
    for (index, word) in given.iter().enumerate() {
        let role = Role::parse(word).filter(|role| *role > Role::Member);
        match (word.as_str(), role, Uuid::parse_str(word)) {
            ("all", ..) => mentions.all = true,
            (_, Some(role), _) if !mentions.roles.contains(&role) => mentions.roles.push(role),
            (_, None, Ok(id)) if !mentions.accounts.contains(&AccountId(id)) => mentions.accounts.push(AccountId(id)),
            (_, Some(_), _) | (_, _, Ok(_)) => {}
            _ => {
                let wrong = "must be an account's id, all, admin or owner";
                return Err(Problem::invalid(format!("/mentions/{index}"), wrong));
            }
        }
    }
    Ok(mentions)
}

/// What a person reacts with, where that may be said. The hook is not asked about it.
pub fn reaction(inside: &Inside, caller: Caller, of: Named, text: &str) -> Result<Emoji, Problem> {
    let emoji = emoji(text)?;
    if let Some(gate) = inside.content.gate() {
        let about = About::message("reaction", caller, of.conversation.0, of.message.0);
        gate.look(&about, &Exactly("/emoji", text.to_owned()))?.at_once()?;
    }
    Ok(emoji)
}

/// A text that can be one.
pub fn emoji(text: &str) -> Result<Emoji, Problem> {
    Emoji::parse(text).map_err(Problem::at("/emoji"))
}

/// Queues a message behind what was queued before; the answer comes once it is durable.
pub fn send(inside: &Inside, caller: Caller, conversation_id: ConversationId, message: Outgoing) -> Pending<Sent> {
    let muted = inside.mutes.of(caller.account);
    inside.commands.conversation().muted(muted).send(caller, conversation_id, message)
}

/// A range of a conversation's messages that the caller may see.
pub async fn page(
    inside: &Inside,
    caller: Caller,
    conversation_id: ConversationId,
    mut range: Range,
) -> Result<Vec<wire::Message>, Problem> {
    // No conversation reaches the largest number that the store can hold.
    let most = i64::MAX as u64;
    range.before_seq = range.before_seq.map(|seq| seq.min(most));
    range.after_seq = range.after_seq.map(|seq| seq.min(most));
    range.around_seq = range.around_seq.map(|seq| seq.min(most));
    let items = inside.projections.message().page(caller.account, conversation_id, range).await?;
    let items = items.ok_or_else(Problem::not_found)?;
    Ok(match range.around_seq {
        Some(seq) => cut::cut_around(items, seq),
        None => cut::cut(items),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(word: &str) {
        let given = vec![word.to_owned()];
        assert_eq!(mentions(&given).unwrap_err().errors[0].pointer, "/mentions/0", "{word}");
    }

    #[test]
    fn mentions_are_accounts_everybody_and_roles_each_once() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let given = [&one.to_string(), "all", "owner", &other.to_string(), &one.to_string(), "admin", "all", "owner"];
        let mentions = mentions(&given.map(str::to_owned)).unwrap();
        assert_eq!(mentions.accounts, [AccountId(one), AccountId(other)]);
        assert_eq!((mentions.all, mentions.roles), (true, vec![Role::Owner, Role::Admin]));
        for bad in ["", "member", "everyone", "ALL", "00000000"] {
            refused(bad);
        }
        let many: Vec<String> = (0..=100).map(|number| Uuid::from_u128(number).to_string()).collect();
        assert_eq!(super::mentions(&many).unwrap_err().errors[0].pointer, "/mentions");
    }
}
