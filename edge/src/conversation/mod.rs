//! Conversations as their members see them, and the doors of groups.

pub mod admin;
pub(crate) mod given;
pub mod http;
pub mod join;
pub mod members;

use crate::{edge::Inside, http::problem::Problem};
use natter_client::wire;
use natter_domain::{AccountId, Code, ConversationId, conversation::Role};
use natter_projections::{Projection, conversation::Standing};

/// What answers about conversations are made of: who is in them, and what was said last.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations, Projection::History];

/// One, as the viewer sees it.
pub async fn get(inside: &Inside, viewer: AccountId, id: ConversationId) -> Result<wire::OwnConversation, Problem> {
    inside.projections.conversation().get(viewer, id).await?.ok_or_else(Problem::not_found)
}

/// What the viewer is in the conversation; who is not in it reads no lists of it.
async fn standing(inside: &Inside, viewer: AccountId, id: ConversationId) -> Result<Role, Problem> {
    match inside.projections.conversation().standing(viewer, id).await? {
        Standing::Is(role) => Ok(role),
        Standing::Left => Err(Problem::new(Code::NotAMember, "you are not in this conversation any more")),
        Standing::Unknown => Err(Problem::not_found()),
    }
}

/// What only admins look up.
async fn admin(inside: &Inside, viewer: AccountId, id: ConversationId) -> Result<(), Problem> {
    match standing(inside, viewer, id).await? {
        Role::Owner | Role::Admin => Ok(()),
        Role::Member => Err(Problem::new(Code::NotAllowed, "this is for admins")),
    }
}
