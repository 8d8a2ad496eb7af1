//! An account comes to be: `registration_started` (with its handles), the claims, `registered`. The account's own
//! stream is the commit point: whatever stops in between, nobody can sign in before `registered`.
//!
//! A registration that was begun and not completed is abandoned when its time is over ([`timer`]), and what was
//! abandoned gives its handles back ([`process`]).

pub(crate) mod password;
pub(crate) mod process;
mod profile;
pub(crate) mod timer;

pub use profile::Accounts;

use crate::{Commands, dispatch::Outcome, error::Error};
use natter_domain::{
    AccountId, Code, HandleId, Nickname, Timestamp, Username,
    account::{self, Account},
    handle::{self, Handle},
    limit,
};
use natter_streams::{Positions, fault, id};
use password::Found;

/// The kind of the handle that a user name is.
pub(crate) const USERNAME: &str = "username";

pub(crate) async fn register(
    commands: &Commands,
    username: &Username,
    nickname: Option<&Nickname>,
    password: String,
) -> Result<(AccountId, Positions), Error> {
    let handle = commands.keyring.handle(USERNAME, &username.normalised());
    refuse_taken(commands, handle).await?;
    let account_id = AccountId(id::new());
    let nickname = nickname.map_or(username.as_str(), Nickname::as_str);
    let start = account::Command::StartRegistration {
        username: commands.keyring.seal(account_id.0, username.as_str().as_bytes()),
        nickname: commands.keyring.seal(account_id.0, nickname.as_bytes()),
        password_hash: commands.passwords.hash(password).await?,
        handles: vec![handle],
        prefixes: profile::prefixes(&commands.keyring, username),
    };
    let started = decide(commands, account_id, start).await?;
    let until = claimed_until(&started)?;
    match claim(commands, account_id, handle, until).await {
        Ok(()) => {
            fault::reach("account.after_claim").await;
            let completed = decide(commands, account_id, account::Command::CompleteRegistration).await?;
            Ok((account_id, completed.positions))
        }
        Err(refused @ Error::Refused { .. }) => {
            decide(commands, account_id, account::Command::AbandonRegistration).await?;
            Err(refused)
        }
        Err(error) => Err(error),
    }
}

/// A glance before the work: the claim itself decides.
async fn refuse_taken(commands: &Commands, handle: HandleId) -> Result<(), Error> {
    let state = commands.dispatch.inspect::<Handle>(handle::address(handle)).await?;
    match state.holder {
        Some(_) => Err(Error::code(Code::NameTaken, "this user name is taken")),
        None => Ok(()),
    }
}

/// By the clock of the account's lane: a claim that is held up longer is void, for the account may be abandoned by then.
fn claimed_until(started: &Outcome<Account>) -> Result<Timestamp, Error> {
    let none = || Error::Failed { what: "start a registration", source: "the decision wrote nothing".into() };
    let (_, started_at) = started.events.first().ok_or_else(none)?;
    Ok(*started_at + limit::CLAIM_WINDOW)
}

async fn claim(commands: &Commands, by: AccountId, handle: HandleId, until: Timestamp) -> Result<(), Error> {
    let claim = handle::Command::Claim { by, until };
    commands.dispatch.execute::<Handle>(handle::address(handle), None, None, claim).await.map(drop)
}

async fn decide(commands: &Commands, account: AccountId, command: account::Command) -> Result<Outcome<Account>, Error> {
    commands.dispatch.execute::<Account>(account::address(account), None, None, command).await
}

/// The registered account that has this user name.
pub(crate) async fn find(commands: &Commands, login: &str) -> Result<Option<Found>, Error> {
    let Ok(username) = Username::parse(login) else { return Ok(None) };
    let handle = commands.keyring.handle(USERNAME, &username.normalised());
    let holder = commands.dispatch.inspect::<Handle>(handle::address(handle)).await?.holder;
    let Some(account_id) = holder else { return Ok(None) };
    let state = commands.dispatch.inspect::<Account>(account::address(account_id)).await?;
    Ok(Found::of(account_id, &state))
}

/// Refuses with `not_found` where there is no such account.
pub(crate) async fn require(commands: &Commands, account: AccountId) -> Result<account::Person, Error> {
    let state = commands.dispatch.inspect::<Account>(account::address(account)).await?;
    match &*state {
        account::State::Registered(person) => Ok(person.clone()),
        _ => Err(Error::code(Code::NotFound, "there is no such account")),
    }
}
