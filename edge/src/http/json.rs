//! JSON from clients: read strictly, and refused so that the client finds the place. What is no JSON is `malformed`;
//! JSON that is not what was asked for is `invalid_input` with its pointer. A lone surrogate is the second, although
//! the parser takes it for the first: it can only stand in a text.

use super::problem::Problem;
use crate::{door::Bounds, metrics};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use natter_client::wire::{Lookup, Object};
use natter_domain::{Code, limit};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};
use std::{fmt::Write, time::Duration};
use uuid::Uuid;

/// Of what a client gave, so much is said again at most.
const SHOWN_MAX: usize = 256;

/// How long a body may take; put into each request by the door.
#[derive(Clone, Copy)]
pub struct Within(pub Duration);

/// The body of a request.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_type(request.headers())?;
        check_length(request.headers())?;
        let within = request.extensions().get::<Within>().map_or(Bounds::default().body, |Within(time)| *time);
        let body = tokio::time::timeout(within, Bytes::from_request(request, state)).await;
        let body = body.map_err(|_| late())?;
        let body = body.map_err(|rejection| unreadable(rejection.into_response().status()))?;
        parse(&body).map(Self)
    }
}

fn late() -> Problem {
    metrics::slow("body");
    Problem::malformed("the body did not come in time")
}

/// `application/json`, in UTF-8, not compressed.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = given.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    let is_plain = headers.get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    if is_json && is_utf8 && is_plain {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType, "the body must be application/json in UTF-8, not compressed"))
}

/// Who asks first whether to send a body is told that it is too large, not asked for all of it. To others that is told when too
/// much has come: their answer would be lost with the connection.
fn check_length(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let asks = headers.contains_key(header::EXPECT);
    if asks && length.is_some_and(|length: usize| length > limit::REQUEST_BODY_MAX_BYTES) {
        Err(too_large())
    } else {
        Ok(())
    }
}

fn too_large() -> Problem {
    Problem::new(Code::PayloadTooLarge, "the body is larger than 1 MiB")
}

fn unreadable(status: StatusCode) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::malformed("the body cannot be read"),
    }
}

/// The ids of a lookup.
pub fn few(given: Lookup) -> Result<Vec<Uuid>, Problem> {
    if given.ids.len() > limit::LOOKUP_IDS_MAX {
        return Err(Problem::invalid("/ids", "must hold at most 100 ids"));
    }
    Ok(given.ids)
}

/// What the text says, the whole of it: one object.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Problem> {
    let json = std::str::from_utf8(json).map_err(|_| Problem::malformed("not UTF-8"))?;
    let mut reader = serde_json::Deserializer::from_str(json);
    let Object(thing) = serde_path_to_error::deserialize(&mut reader).map_err(|error| refusal(&error, json))?;
    reader.end().map_err(|_| Problem::malformed("something follows the JSON"))?;
    Ok(thing)
}

fn refusal(error: &serde_path_to_error::Error<serde_json::Error>, json: &str) -> Problem {
    let text = error.inner().to_string();
    let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(detail, _)| detail);
    let detail = shown(detail);
    match error.inner().classify() {
        // What is wrong may come before the place where it stops to be JSON.
        Category::Data if serde_json::from_str::<IgnoredAny>(json).is_ok() => {
            Problem::invalid(pointer(error.path(), detail), detail)
        }
        _ if is_lone_surrogate(detail) => Problem::invalid(pointer(error.path(), ""), "must not hold a lone surrogate"),
        _ => Problem::malformed("not JSON"),
    }
}

/// The parser says a name or a value again that it does not take; one of a megabyte is told by its beginning.
fn shown(detail: &str) -> &str {
    &detail[..detail.floor_char_boundary(SHOWN_MAX)]
}

/// The parser's words for `"\ud800"` and `"\udc00"`.
fn is_lone_surrogate(detail: &str) -> bool {
    matches!(detail, "lone leading surrogate in hex escape" | "unexpected end of hex escape")
}

/// A JSON pointer (RFC 6901). The parser stands at the object when a field is missing or there twice: the field is
/// named too.
fn pointer(path: &Path, detail: &str) -> String {
    let mut pointer = String::new();
    for segment in path {
        // A text takes any write.
        let _ = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            // What holds the field is named, where its own name is too long to be one.
            Segment::Map { key } if key.len() > SHOWN_MAX => return pointer,
            Segment::Map { key } => write!(pointer, "/{}", escaped(key)),
            Segment::Enum { .. } | Segment::Unknown => Ok(()),
        };
    }
    let named = ["missing field `", "duplicate field `"].iter().find_map(|words| detail.strip_prefix(words));
    if let Some(name) = named.and_then(|rest| rest.strip_suffix('`')) {
        let _ = write!(pointer, "/{}", escaped(name));
    }
    pointer
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use natter_client::wire;

    #[track_caller]
    fn refused<T: DeserializeOwned>(json: &[u8], code: Code, pointers: &[&str]) {
        let Err(problem) = parse::<T>(json) else { panic!("{} was taken", String::from_utf8_lossy(json)) };
        let found: Vec<&str> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!((problem.code, found), (code, pointers.to_vec()), "{}", String::from_utf8_lossy(json));
    }

    const ID: &str = "0197b2a4-6d1e-7c3a-8f5e-2b9d4c6a8e10";

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = "[".repeat(100_000);
        for bad in [
            b"".as_slice(),
            b"{",
            b"{\"to\"",
            b"{\"to\": NaN}",
            b"{'to': 1}",
            b"{\"to\": \"\xff\xfe\"}",
            b"{\"other\": \"\xff\xfe\"}",
            b"{\"other\": 1",
            b"\xef\xbb\xbf{}",
            b"{\"to\": \"\\x\"}",
            b"{\"to\": 1e400}",
            deep.as_bytes(),
        ] {
            refused::<wire::FriendRequestNew>(bad, Code::Malformed, &[]);
        }
        refused::<wire::Read>(b"{\"seq\": 1} x", Code::Malformed, &[]);
    }

    #[test]
    fn json_that_is_something_else_is_invalid_at_its_place() {
        for bad in ["null", "\"x\"", "1", "[]", &format!("[\"{ID}\", \"hello\"]")] {
            refused::<wire::FriendRequestNew>(bad.as_bytes(), Code::InvalidInput, &[""]);
        }
        let body = format!("{{\"message_id\": \"{ID}\", \"body\": [\"text\", {{\"text\": \"a\"}}]}}");
        refused::<wire::MessageNew>(body.as_bytes(), Code::InvalidInput, &["/body"]);
        refused::<wire::FriendRequestNew>(b"{}", Code::InvalidInput, &["/to"]);
        refused::<wire::FriendRequestNew>(b"{\"to\": \"*\"}", Code::InvalidInput, &["/to"]);
        refused::<wire::FriendRequestNew>(b"{\"to\": 1.0}", Code::InvalidInput, &["/to"]);
        let twice = format!("{{\"to\": \"{ID}\", \"to\": \"{ID}\"}}");
        refused::<wire::FriendRequestNew>(twice.as_bytes(), Code::InvalidInput, &["/to"]);
        for bad in ["-1", "1.5", "\"1\"", "18446744073709551616", "null"] {
            refused::<wire::Read>(format!("{{\"seq\": {bad}}}").as_bytes(), Code::InvalidInput, &["/seq"]);
        }
        let unknown = format!("{{\"to\": \"{ID}\", \"is/admin\": true}}");
        refused::<wire::FriendRequestNew>(unknown.as_bytes(), Code::InvalidInput, &["/is~1admin"]);
        refused::<wire::Lookup>(format!("{{\"ids\": [\"{ID}\", 1]}}").as_bytes(), Code::InvalidInput, &["/ids/1"]);
    }

    #[test]
    fn what_is_too_long_is_not_said_again() {
        let long = "\u{e9}".repeat(100_000);
        for (json, pointer) in
            [(format!("{{\"to\": \"{ID}\", \"{long}\": 1}}"), ""), (format!("{{\"to\": \"{long}\"}}"), "/to")]
        {
            let Err(problem) = parse::<wire::FriendRequestNew>(json.as_bytes()) else { panic!("it was taken") };
            let told = &problem.errors[0];
            assert_eq!(told.pointer, pointer);
            assert!((1..=SHOWN_MAX).contains(&told.detail.len()), "{}", told.detail.len());
        }
    }

    #[test]
    fn a_lone_surrogate_is_invalid_at_its_place() {
        for lone in ["\\ud800", "\\ud800x", "\\udc00", "\\ud800\\ud800", "a\\ud83d"] {
            let json = format!("{{\"message\": \"{lone}\", \"to\": \"{ID}\"}}");
            refused::<wire::FriendRequestNew>(json.as_bytes(), Code::InvalidInput, &["/message"]);
            let json = format!("{{\"message_id\": \"{ID}\", \"body\": {{\"kind\": \"text\", \"text\": \"{lone}\"}}}}");
            refused::<wire::MessageNew>(json.as_bytes(), Code::InvalidInput, &["/body/text"]);
        }
    }

    #[test]
    fn a_pair_of_surrogates_is_a_character() {
        let json = format!("{{\"message\": \"\\ud83d\\ude00\", \"to\": \"{ID}\"}}");
        assert_eq!(parse::<wire::FriendRequestNew>(json.as_bytes()).unwrap().message.as_deref(), Some("\u{1f600}"));
    }

    #[test]
    fn a_body_is_plain_json_in_utf_8() {
        let check = |content_type: &'static str| {
            check_type(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]))
        };
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "text/plain", "application/json; charset=utf-16", "application/jsonx", "multipart/form-data"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let gzip = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        ]);
        assert!(check_type(&gzip).is_err());
    }
}
