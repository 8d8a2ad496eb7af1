//! What somebody tells of themselves, what they allow, and by which names they are found.

use super::{Login, USERNAME, known_as, require};
use crate::{Commands, Keyed, code::Target, error::Error, friendship::account_key};
use natter_domain::{
    AccountId, HandleId, Sealed, Username,
    account::{self, Account, Change, Command, Event, Person, ProfileChange, Settings, SettingsChange},
    handle::{self, Handle},
};
use natter_streams::{Positions, keyring::Keyring};

/// The kind of the handle that a beginning of a user name is. Nobody claims one.
const PREFIX: &str = "username prefix";

/// By which an account is found while its user name is typed.
pub(super) fn prefixes(keyring: &Keyring, username: &Username) -> Vec<HandleId> {
    username.beginnings().iter().map(|beginning| keyring.handle(PREFIX, beginning)).collect()
}

/// The use cases of a person's own account.
pub struct Accounts<'a>(pub(crate) &'a Commands);

impl Accounts<'_> {
    pub async fn change_profile(&self, by: Keyed, given: ProfileChange<String>) -> Result<Positions, Error> {
        let me = by.caller.account;
        let content = format!("change profile {given:?}");
        let person = require(self.0, me).await?;
        let command = Command::ChangeProfile(self.sealed(me, &person, given).await?);
        Ok(self.decide(by, command, &content).await?.positions)
    }

    /// Answers with the settings as they are after it; a repeat with those of the first time.
    pub async fn change_settings(&self, by: Keyed, change: SettingsChange) -> Result<(Settings, Positions), Error> {
        let content = format!("change settings {change:?}");
        let outcome = self.decide(by, Command::ChangeSettings(change), &content).await?;
        let settings = match outcome.events.first() {
            Some((Event::SettingsChanged { settings }, _)) => *settings,
            _ => require(self.0, by.caller.account).await?.settings,
        };
        Ok((settings, outcome.positions))
    }

    /// Who holds exactly this user name. Whether they want to be found by it is the caller's to look at.
    pub async fn holder(&self, username: &Username) -> Result<Option<AccountId>, Error> {
        let handle = self.0.keyring.handle(USERNAME, &username.normalised());
        Ok(self.0.dispatch.inspect::<Handle>(handle::address(handle)).await?.holder)
    }

    /// Whose e-mail address or phone number this is; what is asked of it is as with [`Self::holder`].
    pub async fn reached_at(&self, target: Target) -> Result<Option<AccountId>, Error> {
        Ok(known_as(self.0, &Login::Target(target)).await?.map(|(account, _)| account))
    }

    /// The key of user names that begin so. Names longer than are told apart while typed have none.
    pub fn prefix(&self, beginning: &Username) -> HandleId {
        self.0.keyring.handle(PREFIX, &beginning.normalised())
    }

    async fn decide(
        &self,
        by: Keyed,
        command: Command,
        content: &str,
    ) -> Result<crate::dispatch::Outcome<Account>, Error> {
        let me = by.caller.account;
        let key = by.key.map(|key| account_key(self.0, by, key, content));
        // As large as a profile may be.
        self.0.dispatch.queue::<Account>(account::address(me), Some(by.caller), key, Some(command), 32 * 1024).await
    }

    /// Sealing the same text gives something else each time: what a field says already is given as it stands.
    async fn sealed(
        &self,
        me: AccountId,
        person: &Person,
        given: ProfileChange<String>,
    ) -> Result<ProfileChange<Sealed>, Error> {
        let sealing = self.0.keys.of_account(me).await?;
        let opener = self.0.keys.opener(person.sealed().map(|sealed| (me.0, sealed.key)).collect::<Vec<_>>()).await?;
        let says = |sealed: &Sealed, text: &str| opener.open_text(me.0, sealed).as_deref() == Some(text);
        let seal = |given: Change<String>, now: Option<&Sealed>| {
            given.map(|text| match now.filter(|now| says(now, &text)) {
                Some(now) => now.clone(),
                None => sealing.seal(text.as_bytes()),
            })
        };
        let now = &person.profile;
        Ok(ProfileChange {
            nickname: seal(given.nickname, Some(&person.nickname)),
            avatar: given.avatar,
            signature: seal(given.signature, now.signature.as_ref()),
            gender: seal(given.gender, now.gender.as_ref()),
            region: seal(given.region, now.region.as_ref()),
            birthday: seal(given.birthday, now.birthday.as_ref()),
            custom: seal(given.custom, now.custom.as_ref()),
        })
    }
}
