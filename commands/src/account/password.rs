//! Passwords of accounts: compared, changed, and hashed anew where the parameters were raised since.

use crate::{Caller, Commands, dispatch::Outcome, error::Error};
use natter_domain::{
    AccountId, Code, Password,
    account::{self, Account, State},
};

/// A registered account as a login finds it.
pub(crate) struct Found {
    pub account_id: AccountId,
    pub credentials: u32,
    password_hash: String,
}

impl Found {
    pub fn of(account_id: AccountId, state: &State) -> Option<Self> {
        let State::Registered(person) = state else { return None };
        let (credentials, password_hash) = (person.standing.credentials, person.password_hash.clone());
        Some(Self { account_id, credentials, password_hash })
    }
}

/// The account, if there is one and this is its password; after the same work if there is none.
pub(crate) async fn check(commands: &Commands, found: Option<Found>, password: &str) -> Result<Option<Found>, Error> {
    let stored = found.as_ref().map(|found| found.password_hash.clone());
    let matches = commands.passwords.matches(password.to_owned(), stored).await?;
    Ok(found.filter(|_| matches))
}

/// Hashes the password with the parameters of today, if they were others. A login does not fail for it.
pub(crate) async fn renew(commands: &Commands, known: &Found, password: &str) {
    if commands.passwords.is_current(&known.password_hash) {
        return;
    }
    let renewed = async {
        let password_hash = commands.passwords.hash(password.to_owned()).await?;
        let command = account::Command::RehashPassword { checked: known.credentials, password_hash };
        super::decide(commands, known.account_id, command).await
    };
    if let Err(error) = renewed.await {
        tracing::warn!(%error, "a password keeps its hash until the next login");
    }
}

pub(crate) async fn change(
    commands: &Commands,
    caller: Caller,
    old: &str,
    new: &Password,
) -> Result<Outcome<Account>, Error> {
    let address = account::address(caller.account);
    let state = commands.dispatch.inspect::<Account>(address).await?;
    let known = check(commands, Found::of(caller.account, &state), old).await?;
    let wrong = || Error::code(Code::WrongCredentials, "the old password is wrong");
    let Found { credentials, .. } = known.ok_or_else(wrong)?;
    let command = account::Command::ChangePassword {
        checked: credentials,
        password_hash: commands.passwords.hash(new.as_str().to_owned()).await?,
        kept: Some(caller.session),
    };
    commands.dispatch.execute::<Account>(address, Some(caller), None, command).await
}
