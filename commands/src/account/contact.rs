//! Another e-mail address or phone number: proven by codes, claimed, and then it counts.

use super::{claim, claimed_until, contact, decide, holder, require, taken, way};
use crate::{Caller, Commands, code::Target, error::Error};
use natter_domain::{
    AccountId, Code, Email, Phone,
    account::{self, Way},
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
    /// In which language the old one is told.
    pub locale: Locale,
}

/// The use cases of addresses and numbers.
pub struct Contacts<'a>(pub(crate) &'a Commands);

impl Contacts<'_> {
    /// Nothing is asked, and nothing is written, where it is so already: so it can be asked again.
    pub async fn change(&self, caller: Caller, change: ContactChange) -> Result<Positions, Error> {
        let (commands, account_id, to) = (self.0, caller.account, &change.to);
        let person = require(commands, account_id).await?;
        let new = contact(commands, account_id, to);
        let old = person.contacts.of(way(to)).cloned();
        if old.as_ref().is_some_and(|old| old.handle == new.handle) {
            return Ok(Positions::default());
        }
        let old = old.and_then(|old| opened(commands, account_id, way(to), &old));
        self.prove(&change, old.as_ref()).await?;
        if holder(commands, to).await?.is_some_and(|holder| holder != account_id) {
            return Err(taken(to));
        }
        let positions = self.claim(account_id, to, new).await?;
        if let Some(old) = old {
            let notice = match way(to) {
                Way::Email => Notice::EmailChanged,
                Way::Phone => Notice::PhoneChanged,
            };
            commands.desk.tell(&old, &notice, change.locale).await?;
        }
        Ok(positions)
    }

    /// The old one first: who cannot prove that learns nothing else.
    async fn prove(&self, change: &ContactChange, old: Option<&Target>) -> Result<(), Error> {
        let purpose = match way(&change.to) {
            Way::Email => Purpose::ChangeEmail,
            Way::Phone => Purpose::ChangePhone,
        };
        if let Some(old) = old {
            let needed = || Error::code(Code::CodeWrong, "the code that was sent to the old one is needed too");
            let code = change.old_code.as_deref().ok_or_else(needed)?;
            self.0.desk.spend(old, purpose, code).await?;
        }
        self.0.desk.spend(&change.to, purpose, &change.code).await
    }

    async fn claim(&self, account_id: AccountId, to: &Target, new: account::Contact) -> Result<Positions, Error> {
        let handle = new.handle;
        let start = account::Command::StartContactChange { way: way(to), contact: new };
        let started = decide(self.0, account_id, start).await?;
        if started.events.is_empty() {
            return Ok(started.positions);
        }
        match claim(self.0, account_id, handle, claimed_until(&started)?).await {
            Ok(()) => {
                fault::reach("account.after_contact_claim").await;
                let complete = account::Command::CompleteContactChange { handle };
                Ok(decide(self.0, account_id, complete).await?.positions)
            }
            Err(refused @ Error::Refused { .. }) => {
                decide(self.0, account_id, account::Command::AbandonContactChange { handle }).await?;
                Err(if refused.is(Code::NameTaken) { taken(to) } else { refused })
            }
            Err(error) => Err(error),
        }
    }
}

/// What an account's contact says; `None` where its key is gone.
pub(super) fn opened(
    commands: &Commands,
    account_id: AccountId,
    way: Way,
    contact: &account::Contact,
) -> Option<Target> {
    let text = commands.keyring.open_text(account_id.0, &contact.value)?;
    match way {
        Way::Email => Email::parse(&text).ok().map(Target::Email),
        Way::Phone => Phone::parse(&text).ok().map(Target::Phone),
    }
}
