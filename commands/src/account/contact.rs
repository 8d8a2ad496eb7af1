//! Another e-mail address or phone number: proven by codes, claimed, and then it counts.

use super::{claim, contact, decide_as, holder, password, require, taken, tell, way};
use crate::{Caller, Commands, Keyed, code::Target, error::Error, friendship::account_key};
use natter_domain::{
    AccountId, Code, Email, HandleId, Phone,
    account::{self, Account, Person, Way},
};
use natter_outbox::{Locale, Notice, Purpose};
use natter_streams::{Positions, fault};

/// What somebody wants to change, and what proves that they may.
pub struct ContactChange {
    pub to: Target,
    /// Sent to the new one.
    pub code: String,
    /// Sent to the one that there is, if there is one.
    pub old_code: Option<String>,
    /// Where there is none to send a code to: whoever has the session alone must not get a second way in.
    pub password: Option<String>,
    /// In which language the owner is told.
    pub locale: Locale,
}

/// The use cases of addresses and numbers.
pub struct Contacts<'a>(pub(crate) &'a Commands);

impl Contacts<'_> {
    /// Nothing is asked, and nothing is written, where it is so already: so it can be asked again.
    pub async fn change(&self, by: Keyed, change: ContactChange) -> Result<Positions, Error> {
        let (commands, account_id, to) = (self.0, by.caller.account, &change.to);
        let person = require(commands, account_id).await?;
        let new = contact(commands, &commands.keys.of_account(account_id).await?, to);
        let handle = new.handle;
        if person.contacts.of(way(to)).is_some_and(|old| old.handle == handle) {
            return Ok(Positions::default());
        }
        if !is_begun(&person, handle)? {
            self.prove(by.caller, &person, &change).await?;
            match holder(commands, to).await? {
                None => {}
                // Given up just now, and not given back yet: what releases it must not come after our claim.
                Some(holder) if holder == account_id => return Err(Error::Unavailable),
                Some(_) => return Err(taken(to)),
            }
            let key = by.key.map(|key| account_key(commands, by, key, &format!("change {} {handle:?}", name(to))));
            let start = account::Command::StartContactChange { way: way(to), contact: new };
            let address = account::address(account_id);
            commands.dispatch.execute::<Account>(address, Some(by.caller), key, start).await?;
        }
        self.claim(by.caller, to, handle).await?;
        // Before it counts: better a word too many than none.
        self.tell(account_id, &person, &change).await?;
        fault::reach("account.after_contact_claim").await;
        let complete = account::Command::CompleteContactChange { handle };
        Ok(decide_as(commands, by.caller, complete).await?.positions)
    }

    /// The old one first: who cannot prove that learns nothing else.
    async fn prove(&self, caller: Caller, person: &Person, change: &ContactChange) -> Result<(), Error> {
        let purpose = match way(&change.to) {
            Way::Email => Purpose::ChangeEmail,
            Way::Phone => Purpose::ChangePhone,
        };
        let old = match person.contacts.of(way(&change.to)) {
            Some(old) => opened(self.0, caller.account, way(&change.to), old).await?,
            None => None,
        };
        match (old, &change.password) {
            (Some(old), _) => {
                let needed = || Error::code(Code::CodeWrong, "the code that was sent to the old one is needed too");
                let code = change.old_code.as_deref().ok_or_else(needed)?;
                self.0.desk.spend(&old, purpose, code).await?;
            }
            (None, Some(password)) => drop(password::prove(self.0, caller, password).await?),
            (None, None) => return Err(Error::code(Code::WrongCredentials, "the password is needed")),
        }
        self.0.desk.spend(&change.to, purpose, &change.code).await
    }

    async fn claim(&self, by: Caller, to: &Target, handle: HandleId) -> Result<(), Error> {
        let state = require(self.0, by.account).await?;
        let Some(begun) = state.contacts.changing.filter(|begun| begun.contact.handle == handle) else {
            return Ok(());
        };
        match claim(self.0, by.account, handle, begun.claimed_until()).await {
            Err(refused @ Error::Refused { .. }) => {
                decide_as(self.0, by, account::Command::AbandonContactChange { handle }).await?;
                Err(if refused.is(Code::NameTaken) { taken(to) } else { refused })
            }
            claimed => claimed,
        }
    }

    /// Every address and number that the account has.
    async fn tell(&self, account_id: AccountId, person: &Person, change: &ContactChange) -> Result<(), Error> {
        let notice = match way(&change.to) {
            Way::Email => Notice::EmailChanged,
            Way::Phone => Notice::PhoneChanged,
        };
        tell(self.0, account_id, person, &notice, change.locale).await
    }
}

/// Whether the change to this one has begun, so its proof was given; refused while one to another has.
fn is_begun(person: &Person, handle: HandleId) -> Result<bool, Error> {
    match &person.contacts.changing {
        None => Ok(false),
        Some(begun) if begun.contact.handle == handle => Ok(true),
        Some(_) => Err(Error::code(Code::Conflict, "another address or number is being changed just now")),
    }
}

const fn name(target: &Target) -> &'static str {
    match target {
        Target::Email(_) => "e-mail",
        Target::Phone(_) => "phone",
    }
}

/// What an account's contact says; `None` where its key is gone.
pub(super) async fn opened(
    commands: &Commands,
    account_id: AccountId,
    way: Way,
    contact: &account::Contact,
) -> Result<Option<Target>, Error> {
    let opener = commands.keys.opener([(account_id.0, contact.value.key)]).await?;
    let text = opener.open_text(account_id.0, &contact.value);
    Ok(text.and_then(|text| match way {
        Way::Email => Email::parse(&text).ok().map(Target::Email),
        Way::Phone => Phone::parse(&text).ok().map(Target::Phone),
    }))
}
