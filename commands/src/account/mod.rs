//! An account comes to be: `registration_started` (with its handles), the claims, `registered`. The account's own
//! stream is the commit point: whatever stops in between, nobody can sign in before `registered`.
//!
//! A registration that was begun and not completed is abandoned when its time is over ([`timer`]), and what was
//! abandoned gives its handles back ([`process`]).

mod contact;
pub(crate) mod erasure;
pub(crate) mod identity;
pub(crate) mod password;
pub(crate) mod process;
mod profile;
mod status;
pub(crate) mod timer;

pub use contact::{ContactChange, Contacts};
pub use erasure::Erasures;
pub use identity::Wanted;
pub use profile::Accounts;
pub use status::{Grounds, Operators};

use crate::{Caller, Commands, code::Target, dispatch::Outcome, error::Error};
use natter_domain::{
    AccountId, Code, Email, HandleId, Nickname, Phone, Timestamp, Username,
    account::{self, Account, Contact, Person, Way},
    handle::{self, Handle},
    limit,
};
use natter_outbox::{Locale, Notice, Purpose};
use natter_streams::{Positions, fault, id, keyring::Keyring, sealing::Sealing};
use password::Found;
use std::collections::BTreeSet;

/// The kind of the handle that a user name is.
pub(crate) const USERNAME: &str = "username";

/// The kinds of the handles that addresses and numbers are.
const EMAIL: &str = "email";
const PHONE: &str = "phone";

/// Who is to be.
pub(crate) struct Newcomer {
    pub username: Username,
    pub nickname: Option<Nickname>,
    pub password: String,
    /// How they are known else, and the code that was sent there.
    pub contact: Option<(Target, String)>,
}

pub(crate) async fn register(commands: &Commands, newcomer: Newcomer) -> Result<(AccountId, Positions), Error> {
    let Newcomer { username, nickname, password, contact: reached } = newcomer;
    let handle = commands.keyring.handle(USERNAME, &username.normalised());
    // Before the code: whoever has to choose another name needs it again.
    refuse_name(commands, handle).await?;
    let target = match reached {
        Some((target, code)) => {
            commands.desk.spend(&target, Purpose::Register, &code).await?;
            refuse_taken(commands, target_handle(commands, &target), || taken(&target)).await?;
            Some(target)
        }
        None => None,
    };
    let account_id = AccountId(id::new());
    let nickname = nickname.as_ref().map_or(username.as_str(), Nickname::as_str);
    let sealing = commands.keys.of_account(account_id).await?;
    let known = target.as_ref().map(|target| (way(target), contact(commands, &sealing, target)));
    let of = |wanted| known.iter().find(|(way, _)| *way == wanted).map(|(_, contact)| contact.clone());
    let mut claims = vec![Claim { handle, taken: None }];
    let reached = |target: &Target| Claim { handle: target_handle(commands, target), taken: Some(taken(target)) };
    claims.extend(target.as_ref().map(reached));
    let start = account::Command::StartRegistration {
        username: sealing.seal(username.as_str().as_bytes()),
        nickname: sealing.seal(nickname.as_bytes()),
        password_hash: commands.passwords.hash(password).await?,
        handles: claims.iter().map(|claim| claim.handle).collect(),
        prefixes: profile::prefixes(&commands.keyring, &username),
        email: of(Way::Email),
        phone: of(Way::Phone),
        identity: None,
    };
    Ok((account_id, begin(commands, account_id, start, claims).await?))
}

/// A name that a registration claims.
struct Claim {
    handle: HandleId,
    /// What to say where it is somebody else's; a user name's says it itself.
    taken: Option<Error>,
}

/// From its start to its end: registered, or abandoned where a name is somebody else's.
async fn begin(
    commands: &Commands,
    account_id: AccountId,
    start: account::Command,
    claims: Vec<Claim>,
) -> Result<Positions, Error> {
    let started = decide(commands, account_id, start).await?;
    let until = claimed_until(&started)?;
    match claim_all(commands, account_id, claims, until).await {
        Ok(()) => {
            fault::reach("account.after_claim").await;
            Ok(decide(commands, account_id, account::Command::CompleteRegistration).await?.positions)
        }
        Err(refused @ Error::Refused { .. }) => {
            decide(commands, account_id, account::Command::AbandonRegistration).await?;
            Err(refused)
        }
        Err(error) => Err(error),
    }
}

/// One after the other; where one is somebody else's, says what it is.
async fn claim_all(commands: &Commands, by: AccountId, claims: Vec<Claim>, until: Timestamp) -> Result<(), Error> {
    for Claim { handle, taken } in claims {
        match (claim(commands, by, handle, until).await, taken) {
            (Err(refused), Some(taken)) if refused.is(Code::NameTaken) => return Err(taken),
            (claimed, _) => claimed?,
        }
    }
    Ok(())
}

fn way(target: &Target) -> Way {
    match target {
        Target::Email(_) => Way::Email,
        Target::Phone(_) => Way::Phone,
    }
}

fn target_handle(commands: &Commands, target: &Target) -> HandleId {
    let kind = match target {
        Target::Email(_) => EMAIL,
        Target::Phone(_) => PHONE,
    };
    commands.keyring.handle(kind, &target.normalised())
}

fn contact(commands: &Commands, sealing: &Sealing, target: &Target) -> Contact {
    let value = sealing.seal(target.address().as_bytes());
    Contact { value, handle: target_handle(commands, target) }
}

fn taken(target: &Target) -> Error {
    match target {
        Target::Email(_) => Error::code(Code::EmailTaken, "this e-mail address is taken"),
        Target::Phone(_) => Error::code(Code::PhoneTaken, "this phone number is taken"),
    }
}

/// Who has this address or number, or is about to.
pub(crate) async fn holder(commands: &Commands, target: &Target) -> Result<Option<AccountId>, Error> {
    let handle = target_handle(commands, target);
    Ok(commands.dispatch.inspect::<Handle>(handle::address(handle)).await?.holder)
}

/// The handles of names that nobody new gets.
pub(crate) fn reserved(keyring: &Keyring, names: &[Username]) -> BTreeSet<HandleId> {
    names.iter().map(|name| keyring.handle(USERNAME, &name.normalised())).collect()
}

/// Who asks is not told whether it is somebody's or reserved.
async fn refuse_name(commands: &Commands, name: HandleId) -> Result<(), Error> {
    let taken = || Error::code(Code::NameTaken, "this user name is taken");
    if commands.reserved.contains(&name) {
        return Err(taken());
    }
    refuse_taken(commands, name, taken).await
}

/// A glance before the work: the claim itself decides.
async fn refuse_taken(commands: &Commands, handle: HandleId, taken: impl FnOnce() -> Error) -> Result<(), Error> {
    let state = commands.dispatch.inspect::<Handle>(handle::address(handle)).await?;
    match state.holder {
        Some(_) => Err(taken()),
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
    fault::reach("account.before_claim").await;
    let claim = handle::Command::Claim { by, until };
    commands.dispatch.execute::<Handle>(handle::address(handle), None, None, claim).await.map(drop)
}

async fn decide_as(commands: &Commands, by: Caller, command: account::Command) -> Result<Outcome<Account>, Error> {
    commands.dispatch.execute::<Account>(account::address(by.account), Some(by), None, command).await
}

async fn decide(commands: &Commands, account: AccountId, command: account::Command) -> Result<Outcome<Account>, Error> {
    commands.dispatch.execute::<Account>(account::address(account), None, None, command).await
}

/// What somebody signs in with: a user name is never an address or a number.
enum Login {
    Username(Username),
    Target(Target),
}

fn parse(login: &str) -> Option<Login> {
    if login.contains('@') {
        return Email::parse(login).ok().map(|email| Login::Target(Target::Email(email)));
    }
    if login.trim_start().starts_with('+') {
        return Phone::parse(login).ok().map(|phone| Login::Target(Target::Phone(phone)));
    }
    Username::parse(login).ok().map(Login::Username)
}

/// What somebody signs in with, as it is compared: also what nobody can have.
pub(crate) fn compared(login: &str) -> String {
    match parse(login) {
        Some(Login::Username(username)) => username.normalised(),
        Some(Login::Target(target)) => target.normalised(),
        None => login.trim().to_lowercase(),
    }
}

/// The registered account that is known by this user name, address or number.
pub(crate) async fn find(commands: &Commands, login: &str) -> Result<Option<Found>, Error> {
    let Some(login) = parse(login) else { return Ok(None) };
    let Some((account_id, person)) = known_as(commands, &login).await? else { return Ok(None) };
    let targets = match login {
        Login::Target(target) => vec![target],
        Login::Username(_) => targets(commands, account_id, &person).await?,
    };
    Ok(Some(Found::of(account_id, &person, targets)))
}

/// Where an account's owner is reached.
async fn targets(commands: &Commands, account_id: AccountId, person: &Person) -> Result<Vec<Target>, Error> {
    let mut targets = Vec::new();
    for way in [Way::Email, Way::Phone] {
        if let Some(contact) = person.contacts.of(way) {
            targets.extend(contact::opened(commands, account_id, way, contact).await?);
        }
    }
    Ok(targets)
}

/// Tells the owner wherever they are reached.
pub(crate) async fn tell(
    commands: &Commands,
    account_id: AccountId,
    person: &Person,
    notice: &Notice,
    locale: Locale,
) -> Result<(), Error> {
    for target in targets(commands, account_id, person).await? {
        commands.desk.tell(&target, notice, locale).await?;
    }
    Ok(())
}

async fn known_as(commands: &Commands, login: &Login) -> Result<Option<(AccountId, Person)>, Error> {
    let handle = match login {
        Login::Username(username) => commands.keyring.handle(USERNAME, &username.normalised()),
        Login::Target(target) => target_handle(commands, target),
    };
    let holder = commands.dispatch.inspect::<Handle>(handle::address(handle)).await?.holder;
    let Some(account_id) = holder else { return Ok(None) };
    let state = commands.dispatch.inspect::<Account>(account::address(account_id)).await?;
    let account::State::Registered(person) = &*state else { return Ok(None) };
    // One that is being changed to is claimed, and counts no more than the account says.
    let counts = match login {
        Login::Username(_) => true,
        Login::Target(target) => person.contacts.of(way(target)).is_some_and(|contact| contact.handle == handle),
    };
    Ok(counts.then(|| (account_id, person.clone())))
}

/// The account of this login, once the code is the one that was sent to it for this. `code_wrong` whatever else is wrong,
/// after the same work where an address or a number is given.
pub(crate) async fn prove(commands: &Commands, login: &str, purpose: Purpose, code: &str) -> Result<Found, Error> {
    let wrong = || Error::code(Code::CodeWrong, "the code is wrong, used or too old");
    let found = find(commands, login).await?;
    let Some(found) = found else {
        // Nobody was sent this one, but tries count for it too.
        if let Some(Login::Target(target)) = parse(login) {
            commands.desk.spend(&target, purpose, code).await?;
        }
        return Err(wrong());
    };
    for target in &found.targets {
        match commands.desk.spend(target, purpose, code).await {
            Err(refused) if refused.is(Code::CodeWrong) => {}
            spent => return spent.map(|()| found),
        }
    }
    Err(wrong())
}

/// Refuses with `not_found` where there is no such account.
pub(crate) async fn require(commands: &Commands, account: AccountId) -> Result<account::Person, Error> {
    known(commands, account).await?.ok_or_else(|| Error::code(Code::NotFound, "there is no such account"))
}

/// Whoever was registered once; `None` where the account is closed. Refuses with `not_found` where there never was one.
pub(crate) async fn known(commands: &Commands, account: AccountId) -> Result<Option<account::Person>, Error> {
    let state = commands.dispatch.inspect::<Account>(account::address(account)).await?;
    match &*state {
        account::State::Registered(person) => Ok(Some(person.clone())),
        account::State::Closed { .. } | account::State::Erased { .. } => Ok(None),
        _ => Err(Error::code(Code::NotFound, "there is no such account")),
    }
}

pub(crate) async fn is_closed(commands: &Commands, account: AccountId) -> Result<bool, Error> {
    let state = commands.dispatch.inspect::<Account>(account::address(account)).await?;
    Ok(matches!(*state, account::State::Closed { .. } | account::State::Erased { .. }))
}
