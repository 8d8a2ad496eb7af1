//! Closing an account: its owner asks for it with the password, and has the grace to think of it again. Signing in within
//! it is that; else the timer closes the account when the grace is over.

use super::{Ended, Sessions};
use crate::{Keyed, account, dispatch::Outcome, error::Error, friendship::account_key};
use natter_domain::{
    Code, Timestamp,
    account::{self as noun, Account, Event},
};

/// An account that is about to be closed.
pub struct Closing {
    pub closes_at: Timestamp,
    pub ended: Ended,
}

impl Sessions<'_> {
    /// Every session ends, the one that asks too.
    pub async fn close_account(&self, by: Keyed, password: &str) -> Result<Closing, Error> {
        let me = by.caller.account;
        let known = account::password::prove(self.0, by.caller, password).await?;
        let key = by.key.map(|key| account_key(self.0, by, key, "close account"));
        let command = noun::Command::RequestClosing { checked: known.credentials, grace: self.0.closing_grace };
        let address = noun::address(me);
        let outcome = self.0.dispatch.queue::<Account>(address, Some(by.caller), key, Some(command), 0).await?;
        let closes_at = match closes_at(&outcome) {
            Some(closes_at) => closes_at,
            None => account::require(self.0, me).await?.status.closes_at.ok_or_else(cancelled)?,
        };
        Ok(Closing { closes_at, ended: self.revoke(me, outcome).await? })
    }
}

fn closes_at(outcome: &Outcome<Account>) -> Option<Timestamp> {
    outcome.events.iter().find_map(|(event, _)| match event {
        Event::ClosingRequested { closes_at, .. } => Some(*closes_at),
        _ => None,
    })
}

/// Asked for by another device a moment before, and cancelled since.
fn cancelled() -> Error {
    Error::code(Code::Conflict, "the account is not to be closed any more")
}
