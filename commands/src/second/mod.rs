//! The second factor: turned on with a code of the app's, off with the password and a code, and asked for where a session
//! is to open ([`challenge`]).
//!
//! A code is compared here, where the secret is opened, and counts once the account has said so: a code works once,
//! whichever node is asked. Of an account's codes so many may be wrong in an hour, whoever tries, and who tries has shown
//! the password or a session before. A recovery code is let through also then, so nobody is locked out of their own
//! account by somebody who knows their password.

pub(crate) mod challenge;
mod guesses;
mod recovery;
mod totp;

use crate::{
    Caller, Commands,
    account::{self, password::Found},
    dispatch::Outcome,
    error::Error,
};
use guesses::Guesses;
use natter_domain::{
    AccountId, Code, Sealed, Timestamp,
    account::{Account, Command, Factor, Person, Proof},
};
use natter_outbox::{Locale, Notice};
use natter_streams::{Positions, clock};

const GUESSES: &str = "second factor guesses";

/// What a person's app needs.
pub struct Offered {
    pub secret: String,
    /// `otpauth://`
    pub uri: String,
    pub positions: Positions,
}

/// Recovery codes as they are shown, once.
pub struct RecoveryCodes {
    pub codes: Vec<String>,
    pub positions: Positions,
}

/// What its owner may know of it.
pub struct Known {
    pub is_on: bool,
    pub recovery_left: usize,
}

/// The use cases of a person's second factor.
pub struct Seconds<'a>(pub(crate) &'a Commands);

impl Seconds<'_> {
    pub async fn look(&self, caller: Caller) -> Result<Known, Error> {
        let factor = account::require(self.0, caller.account).await?.second.factor;
        let recovery_left = factor.as_ref().map_or(0, |factor| factor.recovery.len());
        Ok(Known { is_on: factor.is_some(), recovery_left })
    }

    /// A new secret, in the place of one that was offered before. It counts once [`Self::confirm`] was shown its code.
    pub async fn offer(&self, caller: Caller, password: &str) -> Result<Offered, Error> {
        let (person, checked) = self.proven(caller, password).await?;
        let sealing = self.0.keys.of_account(caller.account).await?;
        let opener = self.0.keys.opener([(caller.account.0, person.username.key)]).await?;
        let secret = totp::new_secret();
        let sealed = sealing.seal(&secret);
        let positions = self.decide(caller, Command::OfferSecondFactor { checked, secret: sealed }).await?;
        let username = opener.open_text(caller.account.0, &person.username).unwrap_or_default();
        Ok(Offered { secret: totp::text(&secret), uri: totp::uri(&secret, &username), positions })
    }

    /// Turns it on.
    pub async fn confirm(&self, caller: Caller, code: &str, locale: Locale) -> Result<RecoveryCodes, Error> {
        let person = account::require(self.0, caller.account).await?;
        let nothing = || Error::code(Code::Conflict, "there is no second factor to be confirmed");
        let offered = person.second.offered.clone().ok_or_else(nothing)?;
        let digits = totp::parse(code).ok_or_else(wrong)?;
        let secret = self.opened(caller.account, &offered).await?.ok_or_else(nothing)?;
        let step = self.guessed(caller.account, |now| totp::step_of(&secret, &digits, now)).await?;
        account::tell(self.0, caller.account, &person, &Notice::SecondFactorOn, locale).await?;
        let codes = recovery::new_codes();
        let recovery = recovery::hashes(&self.0.keyring, caller.account, &codes);
        let command = Command::TurnOnSecondFactor { secret: offered, step, recovery };
        let Outcome { positions, events, .. } = self.decided(caller, command).await?;
        // Somebody was faster with the same code: theirs are the recovery codes that count.
        if events.is_empty() {
            return Err(nothing());
        }
        Ok(RecoveryCodes { codes, positions })
    }

    /// Nothing is asked and nothing written where it is off already.
    pub async fn turn_off(
        &self,
        caller: Caller,
        password: &str,
        code: &str,
        locale: Locale,
    ) -> Result<Positions, Error> {
        let (person, checked) = self.proven(caller, password).await?;
        let Some(factor) = &person.second.factor else { return Ok(Positions::default()) };
        let proof = self.prove(caller.account, factor, code).await?;
        account::tell(self.0, caller.account, &person, &Notice::SecondFactorOff, locale).await?;
        self.decide(caller, Command::TurnOffSecondFactor { checked, proof }).await
    }

    /// New ones; those that are left work no more.
    pub async fn make_recovery_codes(
        &self,
        caller: Caller,
        password: &str,
        code: &str,
    ) -> Result<RecoveryCodes, Error> {
        let (person, checked) = self.proven(caller, password).await?;
        let off = || Error::code(Code::Conflict, "the second factor is off");
        let factor = person.second.factor.ok_or_else(off)?;
        let proof = self.prove(caller.account, &factor, code).await?;
        let codes = recovery::new_codes();
        let recovery = recovery::hashes(&self.0.keyring, caller.account, &codes);
        let command = Command::MakeRecoveryCodes { checked, proof, recovery };
        Ok(RecoveryCodes { codes, positions: self.decide(caller, command).await? })
    }

    /// What the code proves, if the account takes it: `code_wrong` where it cannot.
    pub(crate) async fn prove(&self, account: AccountId, factor: &Factor, code: &str) -> Result<Proof, Error> {
        if let Some(letters) = recovery::parse(code) {
            let hash = recovery::hash(&self.0.keyring, account, &letters);
            let is_left = factor.recovery.contains(&hash);
            return if is_left { Ok(Proof::Recovery { hash }) } else { Err(wrong()) };
        }
        let digits = totp::parse(code).ok_or_else(wrong)?;
        let secret = self.opened(account, &factor.secret).await?.ok_or_else(wrong)?;
        let step_of = |now| totp::step_of(&secret, &digits, now).filter(|&step| step > factor.step);
        let step = self.guessed(account, step_of).await?;
        Ok(Proof::Code { secret: factor.secret.clone(), step })
    }

    /// `None` where the account's key is gone.
    async fn opened(&self, account: AccountId, secret: &Sealed) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.keys.opener([(account.0, secret.key)]).await?.open(account.0, secret))
    }

    /// Counts a guess, and forgets all of them where it was right. It is counted before it is looked at: however many
    /// come at once, so many may be wrong.
    async fn guessed(&self, account: AccountId, step_of: impl FnOnce(Timestamp) -> Option<u64>) -> Result<u64, Error> {
        let name = account.to_string();
        self.0.passing.step(GUESSES, &name, Guesses::one_more).await?;
        let step = step_of(clock::now()).ok_or_else(wrong)?;
        self.0.passing.step(GUESSES, &name, Guesses::none).await?;
        Ok(step)
    }

    /// Guesses are slowed down, as wherever a password is asked for.
    async fn proven(&self, caller: Caller, password: &str) -> Result<(Person, u32), Error> {
        let Found { credentials, .. } = account::password::prove(self.0, caller, password).await?;
        Ok((account::require(self.0, caller.account).await?, credentials))
    }

    async fn decide(&self, caller: Caller, command: Command) -> Result<Positions, Error> {
        Ok(self.decided(caller, command).await?.positions)
    }

    async fn decided(&self, caller: Caller, command: Command) -> Result<Outcome<Account>, Error> {
        let address = natter_domain::account::address(caller.account);
        self.0.dispatch.execute::<Account>(address, Some(caller), None, command).await
    }
}

fn wrong() -> Error {
    Error::code(Code::CodeWrong, "the code is wrong, used or too old")
}
