//! Query parameters. They are taken as texts and read one by one, so that each error names its parameter.

use super::{cursor, problem::Problem};
use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use natter_domain::limit;
use natter_projections::{Page, message::Range};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

/// The parameters of a request.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|_| Problem::invalid("", "a query parameter is given twice"))
    }
}

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Listed {
    /// How many things at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

impl Listed {
    pub fn page(self) -> Result<Page, Problem> {
        Ok(Page { cursor: self.cursor.map(cursor::check).transpose()?, limit: limit_of(self.limit.as_deref())? })
    }
}

/// Where to go on.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Continued {
    /// Of the answer before.
    pub cursor: Option<String>,
}

/// Which messages of a conversation.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Between {
    /// Only messages before this one.
    #[param(value_type = Option<u64>)]
    before_seq: Option<String>,
    /// Only messages after this one; then oldest first.
    #[param(value_type = Option<u64>)]
    after_seq: Option<String>,
    /// How many messages at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// This message in the middle of the page, oldest first; neither bound may be given with it.
    #[param(value_type = Option<u64>)]
    around_seq: Option<String>,
}

impl Between {
    pub fn range(self) -> Result<Range, Problem> {
        let before_seq = number(self.before_seq.as_deref(), "/before_seq")?;
        let after_seq = number(self.after_seq.as_deref(), "/after_seq")?;
        let around_seq = number(self.around_seq.as_deref(), "/around_seq")?;
        checked(Range { before_seq, after_seq, around_seq, limit: limit_of(self.limit.as_deref())? })
    }
}

/// A page has bounds or a middle.
pub fn checked(range: Range) -> Result<Range, Problem> {
    if range.around_seq.is_some() && (range.before_seq.is_some() || range.after_seq.is_some()) {
        return Err(Problem::invalid("/around_seq", "cannot be given together with before_seq or after_seq"));
    }
    Ok(range)
}

fn limit_of(text: Option<&str>) -> Result<u32, Problem> {
    limited(number(text, "/limit")?)
}

/// How many things a page is to have: 50 where nothing is said, 1 to 200.
pub fn limited(limit: Option<u64>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(u64::from(limit::PAGE_DEFAULT));
    let fits = (1..=u64::from(limit::PAGE_MAX)).contains(&limit);
    if fits { Ok(limit as u32) } else { Err(Problem::invalid("/limit", "must be 1 to 200")) }
}

fn number(text: Option<&str>, pointer: &str) -> Result<Option<u64>, Problem> {
    let read = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    text.map(|text| read(text).ok_or_else(|| Problem::invalid(pointer, "must be a whole number"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_from_1_to_200() {
        assert_eq!(limit_of(None).unwrap(), 50);
        assert_eq!(limit_of(Some("1")).unwrap(), 1);
        assert_eq!(limit_of(Some("200")).unwrap(), 200);
        for bad in ["0", "201", "-1", "+5", "", " 5", "5.0", "1000000000000000000000", "١"] {
            assert_eq!(limit_of(Some(bad)).unwrap_err().errors[0].pointer, "/limit", "{bad}");
        }
    }
}
