//! Signing in and staying so: register, login, refresh; and ending it: log out, end one or all others.
//!
//! A session is let in by its account before it opens ([`open`]), so that what ends all of a person's sessions misses
//! none ([`ends`], and [`process`] where this process died in between).

mod closing;
mod ends;
mod open;
pub(crate) mod process;
mod second;
mod token;

use crate::{
    Caller, Commands,
    account::{self, password::Found},
    code::Target,
    error::Error,
    lockout::Guess,
};
use natter_domain::{
    AccountId, Code, Nickname, Password, SessionId, Username, limit,
    session::{self, Event, Session},
};
use natter_outbox::{Locale, Purpose};
use natter_streams::{Positions, clock};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use token::RefreshToken;

pub use closing::Closing;
pub use ends::Ended;
pub(crate) use ends::revoke;
pub(crate) use open::Opening;

/// What a device says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    pub name: Option<String>,
    pub platform: Option<String>,
}

/// Where somebody signs in from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    pub device: Option<Device>,
    pub address: Option<IpAddr>,
    /// An operator lets that address in: what is tried from there is not counted together.
    pub is_allowed: bool,
}

pub struct Registration {
    pub username: Username,
    pub password: Password,
    pub nickname: Option<Nickname>,
    /// An address or a number, and the code that was sent there.
    pub contact: Option<(Target, String)>,
    pub origin: Origin,
}

/// An open session and the refresh token that keeps it so.
pub struct SignedIn {
    pub account_id: AccountId,
    pub session_id: SessionId,
    pub refresh_token: String,
    pub positions: Positions,
}

/// The use cases of sessions.
pub struct Sessions<'a>(pub(crate) &'a Commands);

impl Sessions<'_> {
    pub async fn register(&self, registration: Registration) -> Result<SignedIn, Error> {
        let Registration { username, password, nickname, contact, origin } = registration;
        let password = password.as_str().to_owned();
        let newcomer = account::Newcomer { username, nickname, password, contact };
        let (account_id, positions) = account::register(self.0, newcomer).await?;
        let mut signed_in = self.open(Opening { account_id, checked: None, origin }).await?;
        signed_in.positions.merge(&positions);
        Ok(signed_in)
    }

    /// `wrong_credentials` whether the name is unknown or the password wrong, after the same work.
    pub async fn login(&self, login: &str, password: &str, origin: Origin) -> Result<SignedIn, Error> {
        let guess = Guess::of_login(account::compared(login), &origin);
        let check = async {
            let found = account::find(self.0, login).await?;
            account::password::check(self.0, found, password).await
        };
        let Some(known) = self.0.lockout.guard(&guess, check).await? else {
            return Err(Error::code(Code::WrongCredentials, "the login or the password is wrong"));
        };
        let opening = Opening { account_id: known.account_id, checked: Some(known.credentials), origin };
        let signed_in = self.open(opening).await?;
        account::password::renew(self.0, &known, password).await;
        Ok(signed_in)
    }

    /// With a code in place of the password.
    pub async fn login_by_code(&self, login: &str, code: &str, origin: Origin) -> Result<SignedIn, Error> {
        let proven = account::prove(self.0, login, Purpose::Login, code).await?;
        self.open(Opening { account_id: proven.account_id, checked: Some(proven.credentials), origin }).await
    }

    /// A new password for whoever has the code; every session of the account ends.
    pub async fn reset_password(
        &self,
        login: &str,
        code: &str,
        password: &Password,
        locale: Locale,
    ) -> Result<Ended, Error> {
        let proven = account::prove(self.0, login, Purpose::ResetPassword, code).await?;
        self.set_password(&proven, password, locale).await
    }

    /// By whoever has proven that the account is theirs; every session of it ends.
    pub(crate) async fn set_password(
        &self,
        proven: &Found,
        password: &Password,
        locale: Locale,
    ) -> Result<Ended, Error> {
        let changed = account::password::reset(self.0, proven, password, locale).await?;
        self.revoke(proven.account_id, changed).await
    }

    /// Exchanges a refresh token for the next. One that was exchanged before ends the session.
    pub async fn refresh(&self, refresh_token: &str, from: Option<IpAddr>) -> Result<SignedIn, Error> {
        let refused = || Error::code(Code::Unauthenticated, "this refresh token does not work");
        let token = RefreshToken::parse(refresh_token, &self.0.keyring).ok_or_else(refused)?;
        let next = token.next(&self.0.keyring);
        let sealing = match self.0.keys.of_account(token.account).await {
            // Nobody is there whose session it could be.
            Err(natter_streams::Error::Erased { .. }) => return Err(refused()),
            sealing => sealing?,
        };
        let command = session::Command::Refresh {
            generation: token.generation,
            presented_hash: token.hash(),
            next_hash: next.hash(),
            expires_at: clock::now() + limit::REFRESH_TOKEN_LIFETIME,
            address: open::sealed(&sealing, from),
        };
        let address = session::address(token.account, token.session);
        let outcome = self.0.dispatch.execute::<Session>(address, None, None, command).await?;
        match outcome.events.first() {
            Some((Event::Refreshed { .. }, _)) => Ok(signed_in(&next, outcome.positions)),
            _ => Err(refused()),
        }
    }

    /// Another password for the caller's account; every other session ends.
    pub async fn change_password(
        &self,
        caller: Caller,
        old: &str,
        new: &Password,
        locale: Locale,
    ) -> Result<Ended, Error> {
        let changed = account::password::change(self.0, caller, old, new, locale).await?;
        self.revoke(caller.account, changed).await
    }
}

fn signed_in(token: &RefreshToken, positions: Positions) -> SignedIn {
    SignedIn { account_id: token.account, session_id: token.session, refresh_token: token.text(), positions }
}
