//! Passwords of accounts: compared, changed, and hashed anew where the parameters were raised since.

use crate::{Caller, Commands, code::Target, dispatch::Outcome, error::Error, lockout::Guess};
use natter_domain::{
    AccountId, Code, Password,
    account::{self, Account, Person},
};
use natter_outbox::{Locale, Notice};

/// A registered account as a login finds it.
pub(crate) struct Found {
    pub account_id: AccountId,
    pub credentials: u32,
    /// Where codes are sent to.
    pub targets: Vec<Target>,
    /// Empty: there is none.
    password_hash: String,
}

impl Found {
    pub fn of(account_id: AccountId, person: &Person, targets: Vec<Target>) -> Self {
        let (credentials, password_hash) = (person.standing.credentials, person.password_hash.clone());
        Self { account_id, credentials, targets, password_hash }
    }
}

/// The account, if there is one and this is its password; after the same work if there is none, or it has no password.
pub(crate) async fn check(commands: &Commands, found: Option<Found>, password: &str) -> Result<Option<Found>, Error> {
    let stored = found.as_ref().map(|found| found.password_hash.clone()).filter(|hash| !hash.is_empty());
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

/// The caller's account, if this is its password; else `wrong_credentials`.
pub(crate) async fn prove(commands: &Commands, caller: Caller, password: &str) -> Result<Found, Error> {
    let person = super::require(commands, caller.account).await?;
    let check = check(commands, Some(Found::of(caller.account, &person, vec![])), password);
    let known = commands.lockout.guard(&Guess::of_session(caller), check).await?;
    known.ok_or_else(|| Error::code(Code::WrongCredentials, "the password is wrong"))
}

pub(crate) async fn change(
    commands: &Commands,
    caller: Caller,
    old: &str,
    new: &Password,
    locale: Locale,
) -> Result<Outcome<Account>, Error> {
    let Found { credentials, .. } = prove(commands, caller, old).await?;
    tell(commands, caller.account, &Notice::PasswordChanged, locale).await?;
    let command = account::Command::ChangePassword {
        checked: credentials,
        password_hash: commands.passwords.hash(new.as_str().to_owned()).await?,
        kept: Some(caller.session),
    };
    commands.dispatch.execute::<Account>(account::address(caller.account), Some(caller), None, command).await
}

/// By whoever has proven by a code, or by an identity, that the account is theirs.
pub(crate) async fn reset(
    commands: &Commands,
    proven: &Found,
    new: &Password,
    locale: Locale,
) -> Result<Outcome<Account>, Error> {
    tell(commands, proven.account_id, &Notice::PasswordReset, locale).await?;
    let password_hash = commands.passwords.hash(new.as_str().to_owned()).await?;
    let command = account::Command::ChangePassword { checked: proven.credentials, password_hash, kept: None };
    super::decide(commands, proven.account_id, command).await
}

/// Before it counts: better a word too many than none.
async fn tell(commands: &Commands, account_id: AccountId, notice: &Notice, locale: Locale) -> Result<(), Error> {
    let person = super::require(commands, account_id).await?;
    super::tell(commands, account_id, &person, notice, locale).await
}
