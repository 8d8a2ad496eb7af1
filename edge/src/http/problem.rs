//! Errors as clients see them: RFC 9457, and the one table that gives each public code its status. A failure of ours
//! is `internal` and says nothing more: what it was is in the log, under the request's id.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use natter_client::wire::{self, FieldError};
use natter_domain::{Code, Timestamp};
use natter_streams::clock;

/// Seconds after which a client may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

pub const CONTENT_TYPE: &str = "application/problem+json";

/// The status of a code and its title.
pub const fn status(code: Code) -> (StatusCode, &'static str) {
    match code {
        Code::Malformed => (StatusCode::BAD_REQUEST, "The request cannot be read"),
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "Not signed in"),
        Code::TokenExpired => (StatusCode::UNAUTHORIZED, "The access token has expired"),
        Code::WrongCredentials => (StatusCode::UNAUTHORIZED, "Wrong login or password"),
        Code::Forbidden => (StatusCode::FORBIDDEN, "Not allowed"),
        Code::NotFriends => (StatusCode::FORBIDDEN, "Not friends"),
        Code::ConversationClosed => (StatusCode::FORBIDDEN, "The conversation is closed"),
        Code::SecondFactorRequired => (StatusCode::FORBIDDEN, "A second factor is needed"),
        Code::NotYourMessage => (StatusCode::FORBIDDEN, "Not your message"),
        Code::Muted => (StatusCode::FORBIDDEN, "Muted"),
        Code::Banned => (StatusCode::FORBIDDEN, "Banned"),
        Code::AccountSuspended => (StatusCode::FORBIDDEN, "The account is suspended"),
        Code::TooLate => (StatusCode::CONFLICT, "Too late"),
        Code::Recalled => (StatusCode::CONFLICT, "The message was recalled"),
        Code::TooManyReactions => (StatusCode::CONFLICT, "Too many kinds of reactions"),
        Code::NotAMember => (StatusCode::FORBIDDEN, "Not a member"),
        Code::NotAllowed => (StatusCode::FORBIDDEN, "Not allowed in this role"),
        Code::Gone => (StatusCode::GONE, "No longer there"),
        Code::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        Code::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        Code::Conflict => (StatusCode::CONFLICT, "Used before with other content"),
        Code::NameTaken => (StatusCode::CONFLICT, "The name is taken"),
        Code::RequestsNotTaken => (StatusCode::FORBIDDEN, "Takes no such requests"),
        Code::AlreadyFriends => (StatusCode::CONFLICT, "Already friends"),
        Code::EmailTaken => (StatusCode::CONFLICT, "The e-mail address is taken"),
        Code::PhoneTaken => (StatusCode::CONFLICT, "The phone number is taken"),
        Code::GroupFull => (StatusCode::CONFLICT, "The group is full"),
        Code::TooManyGroups => (StatusCode::CONFLICT, "Too many groups of their own"),
        Code::OwnerMustStay => (StatusCode::CONFLICT, "The owner must stay"),
        Code::RequestRepeated => (StatusCode::CONFLICT, "Requested before"),
        Code::RequestClosed => (StatusCode::CONFLICT, "The request is closed"),
        Code::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
        Code::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not JSON"),
        Code::InvalidInput => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid input"),
        Code::CodeWrong => (StatusCode::UNPROCESSABLE_ENTITY, "The code is wrong"),
        Code::SelfNotAllowed => (StatusCode::UNPROCESSABLE_ENTITY, "Not with oneself"),
        Code::ContentRefused => (StatusCode::UNPROCESSABLE_ENTITY, "The content is not taken"),
        Code::SlowMode => (StatusCode::TOO_MANY_REQUESTS, "Slow mode"),
        Code::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        Code::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not available now"),
    }
}

/// Why a request or a frame is not done.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    pub code: Code,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Seconds after which it may be tried again, where that is known better than [`RETRY_AFTER`].
    pub retry_after: Option<u64>,
    /// Until when it stays so, where that is known.
    pub until: Option<Timestamp>,
    /// With `second_factor_required`: what the code is shown with.
    pub challenge: Option<String>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: vec![], retry_after: None, until: None, challenge: None }
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::Malformed, detail)
    }

    /// One field is wrong; `pointer` is a JSON pointer into the request, or `/name` of a query parameter.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let error = FieldError { pointer: pointer.into(), detail: detail.into() };
        Self { errors: vec![error], ..Self::new(Code::InvalidInput, "a field is not as it must be") }
    }

    /// The same, for what a value says of itself.
    pub fn at(pointer: &str) -> impl Fn(&'static str) -> Self {
        move |wrong| Self::invalid(pointer, wrong)
    }

    /// One of the accounts in a list does not exist.
    pub fn unknown_account(list: &str, index: usize) -> Self {
        Self::invalid(format!("{list}/{index}"), "there is no such account")
    }

    /// An error of a command that names accounts by this list.
    pub fn naming(error: natter_commands::Error, list: &str) -> Self {
        match error {
            natter_commands::Error::UnknownAccount { index } => Self::unknown_account(list, index),
            error => error.into(),
        }
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "there is no such thing, or not for you")
    }

    /// Whether it was done is not known; to be asked again under the same key.
    pub fn unavailable() -> Self {
        Self::new(Code::Unavailable, "no answer in time, try again")
    }

    pub fn too_often(wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after: Some(seconds.max(1)), ..Self::new(Code::RateLimited, "asked too often") }
    }

    fn second_factor_required(challenge: String) -> Self {
        let detail = "a code of the second factor is needed";
        Self { challenge: Some(challenge), ..Self::new(Code::SecondFactorRequired, detail) }
    }

    /// Our fault: told to the log, not to the client.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        tracing::error!(%what, "internal error");
        Self::new(Code::Internal, "something went wrong here")
    }

    /// Says which field an `invalid_input` is about, where whoever found it did not know.
    pub fn about(mut self, pointer: &str) -> Self {
        if self.code == Code::InvalidInput && self.errors.is_empty() {
            self.errors.push(FieldError { pointer: pointer.to_owned(), detail: self.detail.clone() });
        }
        self
    }

    pub fn status(&self) -> StatusCode {
        status(self.code).0
    }

    /// As the body of a REST answer.
    pub fn body(&self, request_id: &str) -> wire::Problem {
        let (status, title) = status(self.code);
        wire::Problem {
            r#type: format!("urn:natter:problem:{}", self.code),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.as_str().to_owned(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
            until: self.until(),
            challenge: self.challenge.clone(),
        }
    }

    /// As the answer to a frame.
    pub fn frame(&self) -> wire::FrameError {
        wire::FrameError {
            code: self.code.as_str().to_owned(),
            status: self.status().as_u16(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
            until: self.until(),
            retry_after: self.retry_after,
        }
    }

    fn until(&self) -> Option<String> {
        self.until.map(|until| until.to_string())
    }
}

/// Status and headers; the layer that knows the request's id writes the body.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        match self.code {
            Code::Unauthenticated | Code::TokenExpired => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Code::Unavailable | Code::RateLimited | Code::SlowMode => {
                let seconds = self.retry_after.map_or(RETRY_AFTER, HeaderValue::from);
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives an error its body. One that did not come from us (a library's) becomes one of ours.
pub fn render(response: Response, request_id: &str) -> Response {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let problem = parts.extensions.remove::<Problem>().unwrap_or_else(|| foreign(parts.status));
    let body = serde_json::to_vec(&problem.body(request_id)).unwrap_or_default();
    parts.status = problem.status();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    Response::from_parts(parts, Body::from(body))
}

fn foreign(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(Code::NotFound, "there is no such path"),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Code::MethodNotAllowed, "this path has other methods"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::PayloadTooLarge, "the body is too large"),
        status if status.is_client_error() => Problem::malformed("the request cannot be read"),
        status => Problem::internal(status),
    }
}

impl From<natter_commands::Error> for Problem {
    fn from(error: natter_commands::Error) -> Self {
        match error {
            natter_commands::Error::Refused { code, detail, until, pointer } => {
                let wait = until.filter(|_| code == Code::SlowMode).map(seconds_until);
                let problem = Self { until, retry_after: wait, ..Self::new(code, detail) };
                pointer.iter().fold(problem, |problem, pointer| problem.about(pointer))
            }
            natter_commands::Error::Unavailable => Self::unavailable(),
            natter_commands::Error::TooOften { wait } => Self::too_often(wait),
            natter_commands::Error::SecondFactorRequired { challenge } => Self::second_factor_required(challenge),
            // Who knows what the list is called says so more exactly.
            natter_commands::Error::UnknownAccount { index } => Self::unknown_account("", index),
            failed => Self::internal(chain(&failed)),
        }
    }
}

impl From<natter_projections::Error> for Problem {
    fn from(error: natter_projections::Error) -> Self {
        match error {
            natter_projections::Error::BadCursor => Self::invalid("/cursor", "is no cursor of this list"),
            natter_projections::Error::CursorGone => Self::new(Code::Gone, "the cursor is no longer served"),
            passing if passing.is_passing() => {
                tracing::warn!(error = %chain(&passing), "the read side cannot be asked");
                Self::unavailable()
            }
            failed => Self::internal(chain(&failed)),
        }
    }
}

impl From<natter_projections::Wait> for Problem {
    fn from(wait: natter_projections::Wait) -> Self {
        match wait {
            natter_projections::Wait::TooLate => Self::unavailable(),
            natter_projections::Wait::Impossible => Self::malformed("the position is not one of this installation"),
        }
    }
}

/// At least one.
fn seconds_until(moment: Timestamp) -> u64 {
    let millis = moment.as_millis() - clock::now().as_millis();
    (millis.max(0) as u64).div_ceil(1_000).max(1)
}

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract's table of codes: status by code.
    fn contract() -> Vec<(Vec<u16>, String)> {
        let page = include_str!("../../PROTOCOL.md");
        let table = page.split("### Codes").nth(1).unwrap().split("### ").next().unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| ")).skip(2);
        rows.map(|row| row.trim_matches('|').split_once('|').unwrap())
            .map(|(statuses, codes)| {
                (statuses.split(',').map(|s| s.trim().parse().unwrap()).collect(), codes.to_owned())
            })
            .collect()
    }

    #[test]
    fn every_code_has_the_status_that_the_contract_gives_it() {
        let contract = contract();
        for &code in Code::ALL {
            let row = contract.iter().find(|(_, codes)| codes.contains(&format!("`{code}`")));
            let (statuses, _) = row.unwrap_or_else(|| panic!("edge/PROTOCOL.md does not name {code}"));
            assert!(statuses.contains(&status(code).0.as_u16()), "{code}: {} is not in {statuses:?}", status(code).0);
        }
    }

    #[test]
    fn a_failure_of_ours_tells_the_client_nothing() {
        let problem = Problem::internal("password of the database");
        assert_eq!(problem.code, Code::Internal);
        assert!(!serde_json::to_string(&problem.body("r")).unwrap().contains("database"));
    }

    #[test]
    fn what_may_be_tried_again_says_when() {
        let response = Problem::unavailable().into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
