//! Between a password and a code: who has shown the one is given a challenge, and has five minutes and five tries for the
//! other, on whichever node. Nothing in a challenge says whose it is. It ends with the password that it was made for.

use super::Seconds;
use crate::{
    Commands,
    error::Error,
    passing::{Next, until},
    session::Device,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use natter_domain::{
    AccountId, Code, Sealed, Timestamp,
    account::{self, Account, Proof, State},
    limit,
};
use natter_streams::{clock, id};
use serde::{Deserialize, Serialize};

/// So that a leaked one is recognised by those who look for such.
const PREFIX: &str = "nch_";
const CHALLENGE: &str = "challenge";

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Challenge {
    account: AccountId,
    credentials: u32,
    /// What the device said of itself: sealed, for a name is personal.
    device: Option<Sealed>,
    tries_left: u8,
    expires_at: Timestamp,
}

/// Who has answered one.
pub(crate) struct Answered {
    pub account: AccountId,
    /// Of the password that was shown before.
    pub credentials: u32,
    pub device: Option<Device>,
    pub proof: Proof,
}

/// A new one for somebody who has shown their password, as it was when it was compared (`checked`), or a code that was
/// sent to them.
pub(crate) async fn make(
    commands: &Commands,
    account: AccountId,
    checked: Option<u32>,
    device: Option<&Device>,
) -> Result<String, Error> {
    let credentials = match checked {
        Some(checked) => checked,
        // Shown was something else, and what is now shall still be when the code comes.
        None => crate::account::require(commands, account).await?.standing.credentials,
    };
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(id::random::<32>()));
    let sealed = match device {
        Some(device) => {
            let plain = serde_json::to_vec(device).map_err(Error::failed("encode a device"))?;
            Some(commands.keyring.seal(account.0, &plain))
        }
        None => None,
    };
    let expires_at = clock::now() + limit::CHALLENGE_LIFETIME;
    let challenge = Challenge { account, credentials, device: sealed, tries_left: limit::CHALLENGE_TRIES, expires_at };
    let first = |_: Option<Challenge>, _| {
        Ok(Next { kept: Some(challenge.clone()), lifetime: limit::CHALLENGE_LIFETIME, told: () })
    };
    commands.passing.step(CHALLENGE, &text, first).await?;
    Ok(text)
}

/// Takes a try, and where the code is right the challenge with it. Whether the code counts is the account's to say.
pub(crate) async fn answer(commands: &Commands, text: &str, code: &str) -> Result<Answered, Error> {
    let challenge = commands.passing.step(CHALLENGE, text, Challenge::tried).await?;
    let state = commands.dispatch.inspect::<Account>(account::address(challenge.account)).await?;
    let State::Registered(person) = &*state else { return Err(gone()) };
    let factor = person.second.factor.as_ref().filter(|_| person.standing.credentials == challenge.credentials);
    let factor = factor.ok_or_else(gone)?;
    let proof = Seconds(commands).prove(challenge.account, factor, code).await?;
    commands.passing.step(CHALLENGE, text, Challenge::taken).await?;
    let opened = challenge.device.and_then(|sealed| commands.keyring.open(challenge.account.0, &sealed));
    let device = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
    Ok(Answered { account: challenge.account, credentials: challenge.credentials, device, proof })
}

impl Challenge {
    fn tried(kept: Option<Self>, now: Timestamp) -> Result<Next<Self, Self>, Error> {
        let live = kept.filter(|challenge| now < challenge.expires_at && challenge.tries_left > 0).ok_or_else(gone)?;
        let next = Self { tries_left: live.tries_left - 1, ..live.clone() };
        Ok(Next { lifetime: until(now, live.expires_at), kept: Some(next), told: live })
    }

    /// By whoever was right first. The last try may have been theirs.
    fn taken(kept: Option<Self>, now: Timestamp) -> Result<Next<Self, ()>, Error> {
        let live = kept.filter(|challenge| now < challenge.expires_at).ok_or_else(gone)?;
        Ok(Next { lifetime: until(now, live.expires_at), kept: None, told: () })
    }
}

fn gone() -> Error {
    Error::code(Code::Unauthenticated, "the challenge is unknown, used or too old: sign in again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const MOMENT: Duration = Duration::from_millis(1);

    fn challenge() -> Challenge {
        let account = AccountId(uuid::Uuid::from_u128(1));
        let expires_at = NOW + limit::CHALLENGE_LIFETIME;
        Challenge { account, credentials: 2, device: None, tries_left: limit::CHALLENGE_TRIES, expires_at }
    }

    fn is_gone<T>(next: Result<Next<Challenge, T>, Error>) -> bool {
        next.is_err_and(|error| error.is(Code::Unauthenticated))
    }

    #[test]
    fn it_has_its_time() {
        let (end, last) = (NOW + limit::CHALLENGE_LIFETIME, NOW + (limit::CHALLENGE_LIFETIME - MOMENT));
        let tried = Challenge::tried(Some(challenge()), last).unwrap();
        assert_eq!((tried.told, tried.lifetime), (challenge(), MOMENT));
        let taken = Challenge::taken(Some(challenge()), last).unwrap();
        assert_eq!((taken.kept, taken.lifetime), (None, MOMENT));
        assert!(is_gone(Challenge::tried(Some(challenge()), end)));
        assert!(is_gone(Challenge::taken(Some(challenge()), end)));
    }

    #[test]
    fn each_try_takes_one_and_who_used_the_last_may_still_be_right() {
        let mut open = challenge();
        for left in (0..limit::CHALLENGE_TRIES).rev() {
            open = Challenge::tried(Some(open), NOW).unwrap().kept.unwrap();
            assert_eq!(open, Challenge { tries_left: left, ..challenge() }, "nothing else of it changes");
        }
        assert!(is_gone(Challenge::tried(Some(open.clone()), NOW)));
        assert!(Challenge::taken(Some(open), NOW).is_ok());
    }

    #[test]
    fn what_was_taken_is_nobodys() {
        let taken = Challenge::taken(Some(challenge()), NOW).unwrap().kept;
        assert!(is_gone(Challenge::tried(taken.clone(), NOW)));
        assert!(is_gone(Challenge::taken(taken, NOW)));
    }
}
