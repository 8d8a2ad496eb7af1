//! What people tell of themselves.

use super::{has_length, name::shown, text::without_nul};
use crate::{Timestamp, limit};
use std::collections::BTreeMap;
use time::{Date, OffsetDateTime, macros::format_description};

/// A line under the name: at most 200 characters, without NUL. An empty one is none.
pub fn signature(text: &str) -> Result<String, &'static str> {
    if !has_length(text, 1, limit::SIGNATURE_MAX) {
        return Err("must have at most 200 characters");
    }
    without_nul(text)
}

/// In the person's own words: 1 to 32 characters, by the rules of names.
pub fn gender(text: &str) -> Result<String, &'static str> {
    if !has_length(text, 1, limit::GENDER_MAX) {
        return Err("must have 1 to 32 characters");
    }
    shown(text)
}

/// Where the person says they are: 1 to 64 characters, by the rules of names.
pub fn region(text: &str) -> Result<String, &'static str> {
    if !has_length(text, 1, limit::REGION_MAX) {
        return Err("must have 1 to 64 characters");
    }
    shown(text)
}

/// A day before `now`, as `2000-12-31`.
pub fn birthday(text: &str, now: Timestamp) -> Result<String, &'static str> {
    let shape = || text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let date = Some(text).filter(|_| shape());
    let date = date.and_then(|text| Date::parse(text, format_description!("[year]-[month]-[day]")).ok());
    let date = date.ok_or("must be a date such as 2000-12-31")?;
    if date.year() < limit::BIRTHDAY_YEAR_MIN || OffsetDateTime::from(now).date() <= date {
        return Err("must be a day in the past, not before 1880");
    }
    Ok(text.to_owned())
}

/// At most 16 texts of at most 256 characters under names of 1 to 32. An error names the field that it is about, where
/// it is about one.
pub fn custom(fields: &BTreeMap<String, String>) -> Result<(), (Option<&str>, &'static str)> {
    if fields.len() > limit::CUSTOM_FIELDS_MAX {
        return Err((None, "must have at most 16 fields"));
    }
    for (key, value) in fields {
        let wrong = |what| (Some(key.as_str()), what);
        if !has_length(key, 1, limit::CUSTOM_KEY_MAX) {
            return Err(wrong("must have a name of 1 to 32 characters"));
        }
        shown(key).map_err(wrong)?;
        if !has_length(value, 0, limit::CUSTOM_VALUE_MAX) {
            return Err(wrong("must have at most 256 characters"));
        }
        without_nul(value).map_err(wrong)?;
    }
    Ok(())
}
