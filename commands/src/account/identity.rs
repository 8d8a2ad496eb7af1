//! Who a provider says that somebody is: a handle that belongs to one account. Whoever comes with one that is nobody's
//! gets an account, under a name that the provider's suggests, without a password. Nothing else that a provider says,
//! an address say, leads to an account: whose that is, is not the provider's to say.

use super::{Claim, begin, claim, decide_as, password, profile, require};
use crate::{Caller, Commands, dispatch::Outcome, error::Error};
use natter_domain::{
    AccountId, Code, HandleId, Nickname, Username,
    account::{self, About, Account, Identity, Person},
    handle::{self, Handle},
};
use natter_outbox::{Locale, Notice};
use natter_streams::{Positions, fault, id, sealing::Sealing};
use password::Found;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The kind of the handle that an identity is.
const IDENTITY: &str = "identity";
/// How long somebody waits for a registration or a release of the same identity that is under way.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// How many names are looked at for a new account, before one that hardly anybody has is taken.
const NAMES: usize = 8;
/// Characters of a suggested name that are used: the rest is for digits.
const NAME_MAX: usize = 40;

/// Who comes, as the provider has it.
pub(crate) struct Comer<'a> {
    pub about: About,
    pub handle: HandleId,
    /// What the provider suggests.
    pub suggested: Option<&'a str>,
    pub name: Option<&'a str>,
}

/// What somebody wants to be called who is new.
#[derive(Default)]
pub struct Wanted {
    pub username: Option<Username>,
    pub nickname: Option<Nickname>,
}

pub(crate) struct Entered {
    pub account: AccountId,
    /// See `account::Command::AdmitSession`.
    pub checked: u32,
    pub positions: Positions,
    pub is_new: bool,
}

/// Whose it is.
enum Holder {
    Nobodys,
    Counts(AccountId, Box<Person>),
    /// About to be somebody's, or about to be nobody's any more.
    Between(AccountId),
}

pub(crate) fn handle_of(commands: &Commands, issuer: &str, subject: &str) -> HandleId {
    commands.keyring.handle(IDENTITY, &format!("{issuer}\n{subject}"))
}

async fn holder(commands: &Commands, identity: HandleId) -> Result<Holder, Error> {
    let held = commands.dispatch.inspect::<Handle>(handle::address(identity)).await?.holder;
    let Some(account) = held else { return Ok(Holder::Nobodys) };
    let state = commands.dispatch.inspect::<Account>(account::address(account)).await?;
    Ok(match &*state {
        account::State::Registered(person) if person.identities.has(identity) => {
            Holder::Counts(account, Box::new(person.clone()))
        }
        _ => Holder::Between(account),
    })
}

/// The account that it lets in, if there is one.
pub(crate) async fn find(commands: &Commands, identity: HandleId) -> Result<Option<Found>, Error> {
    match holder(commands, identity).await? {
        Holder::Counts(account, person) => Ok(Some(Found::of(account, &person, vec![]))),
        Holder::Nobodys | Holder::Between(_) => Ok(None),
    }
}

/// The account that it lets in, or a new one. Of many who come with it at once, on whichever nodes, one registers and the
/// others find it.
pub(crate) async fn enter(commands: &Commands, comer: &Comer<'_>, wanted: &Wanted) -> Result<Entered, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match holder(commands, comer.handle).await? {
            Holder::Counts(account, person) => {
                let (checked, positions) = (person.standing.credentials, Positions::default());
                return Ok(Entered { account, checked, positions, is_new: false });
            }
            Holder::Nobodys => match register(commands, comer, wanted).await {
                // Somebody was faster: with the identity, or with a name that we made up.
                Err(refused) if refused.is(Code::Conflict) => {}
                Err(refused) if refused.is(Code::NameTaken) && wanted.username.is_none() => {}
                registered => return registered,
            },
            Holder::Between(_) => {}
        }
        if Instant::now() >= deadline {
            return Err(Error::Unavailable);
        }
        sleep(PAUSE).await;
    }
}

async fn register(commands: &Commands, comer: &Comer<'_>, wanted: &Wanted) -> Result<Entered, Error> {
    let account = AccountId(id::new());
    let username = match &wanted.username {
        Some(username) => username.clone(),
        None => free_name(commands, comer.suggested).await?,
    };
    let name = commands.keyring.handle(super::USERNAME, &username.normalised());
    super::refuse_name(commands, name).await?;
    let theirs = comer.name.and_then(|name| Nickname::parse(name.trim()).ok());
    let nickname = wanted.nickname.as_ref().or(theirs.as_ref()).map_or(username.as_str(), Nickname::as_str);
    let sealing = commands.keys.of_account(account).await?;
    let start = account::Command::StartRegistration {
        username: sealing.seal(username.as_str().as_bytes()),
        nickname: sealing.seal(nickname.as_bytes()),
        password_hash: String::new(),
        // The identity first: who is too late for it has taken no name.
        handles: vec![comer.handle, name],
        prefixes: profile::prefixes(&commands.keyring, &username),
        email: None,
        phone: None,
        identity: Some(identity(&sealing, comer)?),
    };
    let claims = vec![Claim { handle: comer.handle, taken: Some(taken()) }, Claim { handle: name, taken: None }];
    let positions = begin(commands, account, start, claims).await?;
    Ok(Entered { account, checked: 0, positions, is_new: true })
}

/// From what the provider suggests, with digits behind it where that is somebody's.
async fn free_name(commands: &Commands, suggested: Option<&str>) -> Result<Username, Error> {
    for attempt in 0..NAMES {
        let Some(name) = proposal(suggested.unwrap_or_default(), (attempt > 0).then(random)) else { break };
        let handle = commands.keyring.handle(super::USERNAME, &name.normalised());
        match super::refuse_name(commands, handle).await {
            Ok(()) => return Ok(name),
            Err(refused) if refused.is(Code::NameTaken) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(any_name(random()))
}

fn random() -> u64 {
    u64::from_le_bytes(id::random())
}

/// What of a suggestion can be a user name; of an address what stands before its `@`.
pub(crate) fn proposal(suggested: &str, number: Option<u64>) -> Option<Username> {
    let local = suggested.split('@').next().unwrap_or_default();
    let kept: String = local.chars().filter(|c| c.is_alphanumeric() || "_.-".contains(*c)).take(NAME_MAX).collect();
    let name = match number {
        Some(number) => format!("{kept}-{:04}", number % 10_000),
        None => kept,
    };
    Username::choose(&name).ok()
}

fn any_name(number: u64) -> Username {
    let name = format!("user-{:012}", number % 1_000_000_000_000);
    Username::parse(&name).expect("letters, a dash and digits are a user name")
}

fn identity(sealing: &Sealing, comer: &Comer<'_>) -> Result<Identity, Error> {
    let about = serde_json::to_vec(&comer.about).map_err(Error::failed("encode an identity"))?;
    Ok(Identity { handle: comer.handle, about: sealing.seal(&about) })
}

fn taken() -> Error {
    Error::code(Code::Conflict, "this identity lets somebody in already: another account, or one that is about to be")
}

/// One more for the caller's account, by who has shown its password ([`password::prove`]).
pub(crate) async fn link(
    commands: &Commands,
    caller: Caller,
    checked: u32,
    comer: &Comer<'_>,
    locale: Locale,
) -> Result<Positions, Error> {
    let handle = comer.handle;
    match holder(commands, handle).await? {
        Holder::Counts(account, _) if account == caller.account => return Ok(Positions::default()),
        Holder::Between(account) if account == caller.account => {
            // Begun before, or given up just now: what releases it must not come after our claim.
            let linking = require(commands, account).await?.identities.linking;
            linking.filter(|begun| begun.identity.handle == handle).ok_or(Error::Unavailable)?;
        }
        Holder::Counts(..) | Holder::Between(_) => return Err(taken()),
        Holder::Nobodys => {}
    }
    let identity = identity(&commands.keys.of_account(caller.account).await?, comer)?;
    decide_as(commands, caller, account::Command::StartIdentityLink { checked, identity }).await?;
    let person = require(commands, caller.account).await?;
    if let Some(begun) = person.identities.linking.as_ref().filter(|begun| begun.identity.handle == handle) {
        match claim(commands, caller.account, handle, begun.claimed_until()).await {
            Err(refused @ Error::Refused { .. }) => {
                decide_as(commands, caller, account::Command::AbandonIdentityLink { handle }).await?;
                return Err(if refused.is(Code::NameTaken) { taken() } else { refused });
            }
            claimed => claimed?,
        }
    }
    // Before it counts: better a word too many than none.
    super::tell(commands, caller.account, &person, &Notice::IdentityLinked, locale).await?;
    fault::reach("account.after_identity_claim").await;
    let complete = account::Command::CompleteIdentityLink { handle };
    Ok(decide_as(commands, caller, complete).await?.positions)
}

/// Silent where it is not linked.
pub(crate) async fn unlink(
    commands: &Commands,
    caller: Caller,
    handle: HandleId,
    locale: Locale,
) -> Result<Positions, Error> {
    let person = require(commands, caller.account).await?;
    if person.identities.has(handle) {
        // Before it is so, as with a link: who asks again is told of nothing any more.
        super::tell(commands, caller.account, &person, &Notice::IdentityUnlinked, locale).await?;
    }
    fault::reach("account.before_identity_unlink").await;
    let command = account::Command::UnlinkIdentity { handle };
    let Outcome { positions, .. } = decide_as(commands, caller, command).await?;
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_what_can_be_one() {
        let made = |suggested| proposal(suggested, None).map(|name| name.as_str().to_owned());
        for (suggested, name) in [
            ("ada", Some("ada")),
            ("ada@example.org", Some("ada")),
            ("Ada Lovelace", Some("AdaLovelace")),
            ("爱达·洛夫莱斯", Some("爱达洛夫莱斯")),
            ("+49 30", None),
            ("47", None),
            ("a", None),
            ("", None),
            ("\u{202e}ada", Some("ada")),
            ("\u{430}lice", None),
        ] {
            assert_eq!(made(suggested).as_deref(), name, "{suggested:?}");
        }
        let long = "a".repeat(300);
        assert_eq!(proposal(&long, None).unwrap().as_str().len(), NAME_MAX);
        assert_eq!(proposal(&long, Some(7)).unwrap().as_str(), format!("{}-0007", &long[..NAME_MAX]));
        assert_eq!(any_name(u64::MAX).as_str().len(), "user-".len() + 12);
    }
}
