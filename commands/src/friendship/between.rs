//! The gate between two people: whoever wants to reach another, by whatever way, asks here. Read from the pair's aggregate,
//! true at a moment after the question. Where the decision itself is the pair's, it asks its own state, by the same rule.
//!
//! Groups that both are in are no way to reach somebody: there all speak to all.

use crate::{dispatch::Dispatch, error::Error};
use natter_domain::{
    AccountId, FriendshipId,
    friendship::{self, Friendship, State},
};
use std::sync::Arc;

/// What two people are to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Between {
    pub friends: bool,
    /// One of them blocks the other, whoever it is: nothing passes, and nobody is told why.
    pub is_barred: bool,
}

impl Between {
    pub fn of(state: &State) -> Self {
        Self { friends: state.friends, is_barred: state.is_barred() }
    }
}

pub(crate) async fn between(dispatch: &Dispatch, one: AccountId, other: AccountId) -> Result<Between, Error> {
    Ok(Between::of(&*pair(dispatch, one, other).await?))
}

pub(crate) async fn pair(dispatch: &Dispatch, one: AccountId, other: AccountId) -> Result<Arc<State>, Error> {
    dispatch.inspect::<Friendship>(friendship::address(FriendshipId::of(one, other))).await
}
