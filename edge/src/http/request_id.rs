//! `X-Request-Id`: the client's, or one of ours; in the answer, in every problem and in the log.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use natter_streams::id;

pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const MAX_BYTES: usize = 128;

/// The request's id. One that is too long or not plain ASCII would not be safe in a log: it gets another.
pub fn of(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(HEADER).filter(|value| is_fit(value.as_bytes()));
    given.cloned().unwrap_or_else(made)
}

fn is_fit(id: &[u8]) -> bool {
    (1..=MAX_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn made() -> HeaderValue {
    HeaderValue::try_from(id::new().to_string()).expect("a UUID is a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_given(id: &[u8]) -> HeaderValue {
        of(&HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(id).unwrap())]))
    }

    #[test]
    fn a_fit_id_is_kept_and_any_other_replaced() {
        assert_eq!(of_given(b"abc-1"), "abc-1");
        for bad in ["".as_bytes(), b"a b", "\u{e9}".as_bytes(), &[b'a'; 129]] {
            assert_eq!(of_given(bad).len(), 36);
        }
    }
}
