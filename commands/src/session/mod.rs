//! Signing in and staying so: register, login, refresh, log out.

mod token;

use crate::{Caller, Commands, account, error::Error};
use natter_domain::{
    AccountId, Code, Nickname, Password, SessionId, Username, limit,
    session::{self, Event, Reason, Session},
};
use natter_streams::{Positions, clock, id};
use token::RefreshToken;

/// What a device says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    pub name: Option<String>,
    pub platform: Option<String>,
}

pub struct Registration {
    pub username: Username,
    pub password: Password,
    pub nickname: Option<Nickname>,
    pub device: Option<Device>,
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
        let Registration { username, password, nickname, device } = registration;
        let password = password.as_str().to_owned();
        let (account_id, positions) = account::register(self.0, &username, nickname.as_ref(), password).await?;
        let mut signed_in = self.open(account_id, device).await?;
        signed_in.positions.merge(&positions);
        Ok(signed_in)
    }

    /// `wrong_credentials` whether the name is unknown or the password wrong, after the same work.
    pub async fn login(&self, login: &str, password: &str, device: Option<Device>) -> Result<SignedIn, Error> {
        let found = account::find(self.0, login).await?;
        let (account_id, stored) = found.unzip();
        let matches = self.0.passwords.matches(password.to_owned(), stored).await?;
        match account_id.filter(|_| matches) {
            Some(account_id) => self.open(account_id, device).await,
            None => Err(Error::code(Code::WrongCredentials, "the login or the password is wrong")),
        }
    }

    /// Exchanges a refresh token for the next. One that was exchanged before ends the session.
    pub async fn refresh(&self, refresh_token: &str) -> Result<SignedIn, Error> {
        let refused = || Error::code(Code::Unauthenticated, "this refresh token does not work");
        let token = RefreshToken::parse(refresh_token, &self.0.keyring).ok_or_else(refused)?;
        let next = token.next(&self.0.keyring);
        let command = session::Command::Refresh {
            generation: token.generation,
            presented_hash: token.hash(),
            next_hash: next.hash(),
            expires_at: clock::now() + limit::REFRESH_TOKEN_LIFETIME,
        };
        let address = session::address(token.account, token.session);
        let outcome = self.0.dispatch.execute::<Session>(address, None, None, command).await?;
        match outcome.events.first() {
            Some((Event::Refreshed { .. }, _)) => Ok(signed_in(&next, outcome.positions)),
            _ => Err(refused()),
        }
    }

    pub async fn logout(&self, caller: Caller) -> Result<Positions, Error> {
        let address = session::address(caller.account, caller.session);
        let command = session::Command::Revoke { reason: Reason::LoggedOut };
        Ok(self.0.dispatch.execute::<Session>(address, Some(caller), None, command).await?.positions)
    }

    async fn open(&self, account_id: AccountId, device: Option<Device>) -> Result<SignedIn, Error> {
        let token = RefreshToken::first(account_id, SessionId(id::new()), &self.0.keyring);
        let command = session::Command::Open {
            account_id,
            device: device.map(|device| session::Device {
                name: device.name.map(|name| self.0.keyring.seal(account_id.0, name.as_bytes())),
                platform: device.platform,
            }),
            refresh_hash: token.hash(),
            expires_at: clock::now() + limit::REFRESH_TOKEN_LIFETIME,
        };
        let address = session::address(account_id, token.session);
        let outcome = self.0.dispatch.execute::<Session>(address, None, None, command).await?;
        Ok(signed_in(&token, outcome.positions))
    }
}

fn signed_in(token: &RefreshToken, positions: Positions) -> SignedIn {
    SignedIn { account_id: token.account, session_id: token.session, refresh_token: token.text(), positions }
}
