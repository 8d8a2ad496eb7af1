//! Codes that prove whose an e-mail address or a phone number is.

pub mod http;

use crate::http::problem::Problem;
use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use natter_commands::{Locale, Target};
use natter_domain::{Email, Phone};
use std::convert::Infallible;

pub fn email(text: &str, pointer: &str) -> Result<Target, Problem> {
    Email::parse(text).map(Target::Email).map_err(Problem::at(pointer))
}

pub fn phone(text: &str, pointer: &str) -> Result<Target, Problem> {
    Phone::parse(text).map(Target::Phone).map_err(Problem::at(pointer))
}

/// In which language who asks wants to be written to.
pub struct Speaks(pub Locale);

impl<S: Sync> FromRequestParts<S> for Speaks {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self(Locale::accepted(header.unwrap_or_default())))
    }
}
