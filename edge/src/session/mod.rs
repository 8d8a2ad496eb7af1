//! Signing in and out. Answers that hold tokens are given once and never again; `/auth/*` takes no key.

pub mod http;
pub mod own;

use crate::{edge::Inside, http::problem::Problem};
use natter_client::wire;
use natter_commands::{Device, SignedIn};
use natter_domain::Nickname;
use natter_projections::Projection;

/// What answers about sessions are made of.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations];

/// What a device says of itself: names like those of people.
pub fn device(given: Option<wire::Device>) -> Result<Option<Device>, Problem> {
    let check = |text: &Option<String>, pointer| match text.as_deref().map(Nickname::parse) {
        Some(Err(wrong)) => Err(Problem::invalid(pointer, wrong)),
        _ => Ok(()),
    };
    let Some(wire::Device { name, platform }) = given else { return Ok(None) };
    check(&name, "/device/name")?;
    check(&platform, "/device/platform")?;
    Ok(Some(Device { name, platform }))
}

/// The account that has just signed in, as it is shown. What is `known`, or its id alone, where the projection does not
/// show it yet: the tokens must not be lost for that.
pub async fn card(inside: &Inside, signed_in: &SignedIn, known: Option<wire::Account>) -> wire::Account {
    let waited = inside.projections.wait(&signed_in.positions, SHOWN_BY).await;
    if waited.is_err() {
        tracing::warn!(account = %signed_in.account_id, "signed in before the projection shows it");
    }
    let shown = inside.projections.account().own(signed_in.account_id).await.ok().flatten();
    shown.or(known).unwrap_or_else(|| wire::Account::named(signed_in.account_id.0, None, None))
}
