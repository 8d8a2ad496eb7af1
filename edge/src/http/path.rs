//! Ids in paths. One that cannot be read is `malformed`: it names nothing that could be missing.

use super::problem::Problem;
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use natter_commands::Token;
use natter_domain::AccountId;
use serde::Deserialize;
use uuid::Uuid;

/// The ids of the path, in its order.
pub struct Ids<T>(pub T);

impl<S: Send + Sync> FromRequestParts<S> for Ids<Uuid> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        taken::<String, S>(parts, state).await.and_then(|id| parse(&id)).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Ids<(Uuid, Uuid)> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (one, other) = taken::<(String, String), S>(parts, state).await?;
        Ok(Self((parse(&one)?, parse(&other)?)))
    }
}

/// Somebody named in a path: by their id, or `me`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Me,
    Account(Uuid),
}

impl Who {
    /// `me`: whoever asks.
    pub fn account(self, me: AccountId) -> AccountId {
        match self {
            Self::Me => me,
            Self::Account(id) => AccountId(id),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Ids<(Uuid, Who)> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (id, who) = taken::<(String, String), S>(parts, state).await?;
        let who = if who == "me" { Who::Me } else { Who::Account(parse(&who)?) };
        Ok(Self((parse(&id)?, who)))
    }
}

/// What leads to a group, as it was shown to somebody.
impl<S: Send + Sync> FromRequestParts<S> for Ids<Token> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = taken::<String, S>(parts, state).await?;
        Token::parse(&text).map(Self).ok_or_else(|| Problem::malformed("the path holds no link's token"))
    }
}

/// Two ids, then any text, decoded.
impl<S: Send + Sync> FromRequestParts<S> for Ids<(Uuid, Uuid, String)> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (one, other, text) = taken::<(String, String, String), S>(parts, state).await?;
        Ok(Self((parse(&one)?, parse(&other)?, text)))
    }
}

async fn taken<T, S>(parts: &mut Parts, state: &S) -> Result<T, Problem>
where
    T: for<'de> Deserialize<'de> + Send + 'static,
    S: Send + Sync,
{
    let path = Path::<T>::from_request_parts(parts, state).await;
    path.map(|Path(ids)| ids).map_err(|_| Problem::malformed("the path cannot be read"))
}

/// With hyphens, as ids are written everywhere.
fn parse(text: &str) -> Result<Uuid, Problem> {
    let id = (text.len() == 36).then(|| text.parse().ok()).flatten();
    id.ok_or_else(|| Problem::malformed("an id in the path is not a UUID"))
}
