//! What a client is told of its limits: `RateLimit-Policy` names those that count the request, `RateLimit` says of the
//! one that is nearest to its end what is left (draft-ietf-httpapi-ratelimit-headers-10).

use super::bucket::{Empty, Left};
use crate::http::problem::Problem;
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use std::time::Duration;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// By which limits a request was counted; on its way out with the answer.
#[derive(Clone, Default)]
pub struct Counted(pub Vec<Left>);

/// There was nothing left in one of them.
#[derive(Clone, Debug)]
pub struct Refused {
    pub empty: Empty,
    /// Those before it.
    pub counted: Vec<Left>,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = Problem::too_often(self.empty.wait).into_response();
        let mut counted = self.counted;
        counted.push(self.empty.left());
        response.extensions_mut().insert(Counted(counted));
        response
    }
}

pub fn tell(counted: &[Left], headers: &mut HeaderMap) {
    let Some(nearest) = counted.iter().min_by(|a, b| part_left(a).total_cmp(&part_left(b))) else { return };
    let policy = |Left { limit, .. }: &Left| format!("\"{}\";q={};w={}", limit.name, limit.quota, limit.window);
    let policies = counted.iter().map(policy).collect::<Vec<_>>().join(", ");
    let left = format!("\"{}\";r={};t={}", nearest.limit.name, nearest.remaining, seconds(nearest.full_in));
    for (name, text) in [(POLICY, policies), (LIMIT, left)] {
        headers.insert(name, HeaderValue::try_from(text).expect("names and numbers are plain ASCII"));
    }
}

fn part_left(left: &Left) -> f64 {
    f64::from(left.remaining) / f64::from(left.limit.quota)
}

/// Begun ones count.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::super::table::{By, Limit};
    use super::*;

    static WIDE: Limit = Limit { name: "wide", by: By::Address, quota: 100, window: 60, shared: false, covers: &[] };
    static NARROW: Limit = Limit { name: "narrow", by: By::Address, quota: 5, window: 300, shared: true, covers: &[] };

    fn told(counted: &[Left]) -> (Option<String>, Option<String>) {
        let mut headers = HeaderMap::new();
        tell(counted, &mut headers);
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        (text(POLICY), text(LIMIT))
    }

    #[test]
    fn all_policies_are_named_and_the_nearest_end_is_told() {
        let wide = Left { limit: &WIDE, remaining: 50, full_in: Duration::from_millis(30_001) };
        let narrow = Left { limit: &NARROW, remaining: 2, full_in: Duration::from_secs(180) };
        let policy = Some("\"wide\";q=100;w=60, \"narrow\";q=5;w=300".to_owned());
        assert_eq!(told(&[wide, narrow]), (policy.clone(), Some("\"narrow\";r=2;t=180".to_owned())));
        let narrow = Left { remaining: 3, ..narrow };
        assert_eq!(told(&[wide, narrow]), (policy, Some("\"wide\";r=50;t=31".to_owned())));
        assert_eq!(told(&[]), (None, None));
    }
}
