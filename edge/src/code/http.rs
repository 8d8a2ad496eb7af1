//! `/auth/codes`, and what codes change of an account.

use super::{Speaks, email, phone};
use crate::{
    account::own_after,
    auth::gate::Writer,
    edge::{Door, Inside},
    http::{answer::Written, json::Json, problem::Problem, router::Routes},
};
use axum::http::StatusCode;
use natter_client::wire;
use natter_commands::{ContactChange, Keyed, Purpose, Target};
use utoipa_axum::routes;

pub fn public() -> Routes {
    Routes::new().routes(routes!(send))
}

pub fn private() -> Routes {
    Routes::new().routes(routes!(change_email)).routes(routes!(change_phone))
}

/// Sends a code. The answer is the same whether the target is known or not.
#[utoipa::path(post, path = "/api/v1/auth/codes", operation_id = "code_send", tag = "auth",
    request_body = wire::CodeNew, responses(
        (status = 202, description = "It is sent if it may be."),
        (status = 429, description = "`rate_limited`: one a minute, ten a day"),
    ))]
async fn send(door: Door, Speaks(locale): Speaks, Json(given): Json<wire::CodeNew>) -> Result<StatusCode, Problem> {
    let (target, purpose) = (target(&given)?, purpose(&given)?);
    door.open()?.commands.code().send(&target, purpose, locale).await?;
    Ok(StatusCode::ACCEPTED)
}

fn target(given: &wire::CodeNew) -> Result<Target, Problem> {
    match given.channel.as_str() {
        "email" => email(&given.target, "/target"),
        "sms" => phone(&given.target, "/target"),
        _ => Err(Problem::invalid("/channel", "must be `email` or `sms`")),
    }
}

fn purpose(given: &wire::CodeNew) -> Result<Purpose, Problem> {
    match (given.purpose.as_str(), given.channel.as_str()) {
        ("register", _) => Ok(Purpose::Register),
        ("login", _) => Ok(Purpose::Login),
        ("reset_password", _) => Ok(Purpose::ResetPassword),
        ("change_email", "email") => Ok(Purpose::ChangeEmail),
        ("change_phone", "sms") => Ok(Purpose::ChangePhone),
        ("change_email" | "change_phone", _) => Err(Problem::invalid("/purpose", "is not one of this channel")),
        _ => Err(Problem::invalid("/purpose", "is not one that there is")),
    }
}

/// Another e-mail address of the caller. Asked again with the one that counts, it answers the same.
#[utoipa::path(post, path = "/api/v1/accounts/me/email/change", operation_id = "account_change_email", tag = "accounts",
    request_body = wire::EmailChange, responses(
        (status = 200, body = wire::Account),
        (status = 401, description = "`wrong_credentials`: there is no old one, and the password is wrong"),
        (status = 409, description = "`email_taken`; `conflict`: another change is under way"),
        (status = 422, description = "`code_wrong`, `invalid_input`"),
    ))]
async fn change_email(
    Writer(keyed): Writer,
    door: Door,
    Speaks(locale): Speaks,
    Json(given): Json<wire::EmailChange>,
) -> Result<Written<wire::Account>, Problem> {
    let to = email(&given.email, "/email")?;
    let (code, old_code, password) = (given.code, given.old_code, given.password);
    change(&door.open()?, keyed, ContactChange { to, code, old_code, password, locale }).await
}

/// Another phone number of the caller. Asked again with the one that counts, it answers the same.
#[utoipa::path(post, path = "/api/v1/accounts/me/phone/change", operation_id = "account_change_phone", tag = "accounts",
    request_body = wire::PhoneChange, responses(
        (status = 200, body = wire::Account),
        (status = 401, description = "`wrong_credentials`: there is no old one, and the password is wrong"),
        (status = 409, description = "`phone_taken`; `conflict`: another change is under way"),
        (status = 422, description = "`code_wrong`, `invalid_input`"),
    ))]
async fn change_phone(
    Writer(keyed): Writer,
    door: Door,
    Speaks(locale): Speaks,
    Json(given): Json<wire::PhoneChange>,
) -> Result<Written<wire::Account>, Problem> {
    let to = phone(&given.phone, "/phone")?;
    let (code, old_code, password) = (given.code, given.old_code, given.password);
    change(&door.open()?, keyed, ContactChange { to, code, old_code, password, locale }).await
}

async fn change(inside: &Inside, by: Keyed, change: ContactChange) -> Result<Written<wire::Account>, Problem> {
    let positions = inside.commands.contact().change(by, change).await?;
    own_after(inside, by.caller, positions).await
}
