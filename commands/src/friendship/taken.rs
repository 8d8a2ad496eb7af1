//! Whether somebody's settings let another ask to be friends. Who knows whom is asked of the log, one by one: whoever
//! calls names those who may be in between, and a name that is not true opens nothing.

use super::between;
use crate::{Commands, error::Error};
use natter_domain::{
    AccountId, ConversationId,
    account::{RequestsFrom, Settings},
    conversation::{self, Conversation, Kind},
};

/// Of those between two people that are named, so many are asked about.
const ASKED_MAX: usize = 8;

/// What two people may have in common.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Through {
    pub friends: Vec<AccountId>,
    pub groups: Vec<ConversationId>,
}

pub(super) async fn is_taken(
    commands: &Commands,
    settings: &Settings,
    from: AccountId,
    to: AccountId,
    through: &Through,
) -> Result<bool, Error> {
    let from_them = match settings.requests_from {
        RequestsFrom::All => true,
        RequestsFrom::FriendsOfFriends => have_a_friend(commands, from, to, &through.friends).await?,
        RequestsFrom::Nobody => false,
    };
    if !from_them || settings.add_by.search {
        return Ok(from_them);
    }
    if settings.add_by.group { share_a_group(commands, from, to, &through.groups).await } else { Ok(false) }
}

async fn have_a_friend(
    commands: &Commands,
    one: AccountId,
    other: AccountId,
    named: &[AccountId],
) -> Result<bool, Error> {
    for &between in named.iter().take(ASKED_MAX) {
        if are_friends(commands, one, between).await? && are_friends(commands, between, other).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn are_friends(commands: &Commands, one: AccountId, other: AccountId) -> Result<bool, Error> {
    Ok(between(&commands.dispatch, one, other).await?.friends)
}

async fn share_a_group(
    commands: &Commands,
    one: AccountId,
    other: AccountId,
    named: &[ConversationId],
) -> Result<bool, Error> {
    for &group in named.iter().take(ASKED_MAX) {
        let state = commands.dispatch.inspect::<Conversation>(conversation::address(group)).await?;
        let has = |account| state.members.contains_key(&account);
        if state.kind == Some(Kind::Group) && has(one) && has(other) {
            return Ok(true);
        }
    }
    Ok(false)
}
