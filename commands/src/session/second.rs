//! Signing in, second part: a code for the challenge that the password got.

use super::{Opening, Origin, Sessions, SignedIn};
use crate::{
    error::Error,
    second::challenge::{self, Answered},
};
use std::net::IpAddr;

impl Sessions<'_> {
    /// `code_wrong`, as often as the challenge allows; then, and where it is none, `unauthenticated`.
    pub async fn login_second(&self, challenge: &str, code: &str, address: Option<IpAddr>) -> Result<SignedIn, Error> {
        let Answered { account, credentials, device, proof } = challenge::answer(self.0, challenge, code).await?;
        let origin = Origin { device, address, ..Origin::default() };
        let opening = Opening { account_id: account, checked: Some(credentials), origin };
        self.open_with(opening, Some(proof)).await
    }
}
