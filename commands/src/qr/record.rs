//! What is kept of a device that waits for its QR code to be approved. Without IO and without a clock. No token ever
//! stands here: the session is opened by whoever asks for it after the approval.

use crate::{
    Caller,
    error::Error,
    passing::{Next, until},
};
use natter_domain::{AccountId, Code, Sealed, SessionId, Timestamp, limit};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What it came to is told for a while longer.
const TOLD_FOR: Duration = limit::QR_LIFETIME.saturating_mul(4);

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Hash of what only the device knows.
    secret: String,
    /// What the device said of itself, and where it is: sealed.
    about: Sealed,
    stage: Stage,
    expires_at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Shown,
    Scanned(By),
    Approved(By),
    Refused(By),
    /// Its session was given, or is being opened.
    Taken(By),
}

/// The session that has scanned it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct By {
    pub account: AccountId,
    pub session: SessionId,
}

impl From<Caller> for By {
    fn from(caller: Caller) -> Self {
        Self { account: caller.account, session: caller.session }
    }
}

/// What its device is told.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Told {
    Pending,
    Scanned(AccountId),
    /// Now, to this one, and to nobody else: open the session.
    Take(By, Sealed),
    Refused,
    Expired,
}

type Step<T> = Result<Next<Waiting, T>, Error>;

impl Waiting {
    pub fn new(secret: String, about: Sealed, now: Timestamp) -> Self {
        Self { secret, about, stage: Stage::Shown, expires_at: now + limit::QR_LIFETIME }
    }

    pub fn shown(self, now: Timestamp) -> Next<Self, ()> {
        self.next(now, ())
    }

    /// By the device. Of one whose secret it does not know it learns nothing.
    pub fn poll(kept: Option<Self>, now: Timestamp, secret: &str) -> Step<Told> {
        let this = kept.filter(|this| this.secret == secret).ok_or_else(none)?;
        let about = this.about.clone();
        Ok(match this.stage {
            Stage::Refused(_) => this.next(now, Told::Refused),
            Stage::Taken(_) => this.next(now, Told::Expired),
            _ if now >= this.expires_at => this.next(now, Told::Expired),
            Stage::Shown => this.next(now, Told::Pending),
            Stage::Scanned(by) => this.next(now, Told::Scanned(by.account)),
            Stage::Approved(by) => this.at(Stage::Taken(by)).next(now, Told::Take(by, about)),
        })
    }

    /// Its session could not be opened, by nobody's fault: for the rest of its time it can be asked for again.
    pub fn give_back(kept: Option<Self>, now: Timestamp) -> Step<()> {
        let this = kept.ok_or_else(none)?;
        match this.stage {
            Stage::Taken(by) => Ok(this.at(Stage::Approved(by)).next(now, ())),
            _ => Ok(this.next(now, ())),
        }
    }

    /// Whether the device's question would change anything.
    pub fn is_to_be_taken(&self, now: Timestamp) -> bool {
        matches!(self.stage, Stage::Approved(_)) && now < self.expires_at
    }

    /// By a session that is in; the first one has it. Again is the same.
    pub fn scan(kept: Option<Self>, now: Timestamp, by: By) -> Step<(Sealed, Duration)> {
        let this = live(kept, now)?;
        let told = (this.about.clone(), until(now, this.expires_at));
        match this.stage {
            Stage::Shown => Ok(this.at(Stage::Scanned(by)).next(now, told)),
            Stage::Scanned(first) if first == by => Ok(this.next(now, told)),
            _ => Err(Error::code(Code::Conflict, "somebody has scanned it already")),
        }
    }

    /// By the session that has scanned it, which has thus been shown what it approves. Again is the same.
    pub fn approve(kept: Option<Self>, now: Timestamp, by: By) -> Step<()> {
        let this = scanned(kept, now, by)?;
        match this.stage {
            Stage::Scanned(_) => Ok(this.at(Stage::Approved(by)).next(now, ())),
            Stage::Approved(_) | Stage::Taken(_) => Ok(this.next(now, ())),
            Stage::Shown | Stage::Refused(_) => Err(Error::code(Code::Conflict, "it was refused")),
        }
    }

    /// Likewise, until its session was given.
    pub fn refuse(kept: Option<Self>, now: Timestamp, by: By) -> Step<()> {
        let this = scanned(kept, now, by)?;
        match this.stage {
            Stage::Taken(_) => Err(Error::code(Code::Conflict, "its session was given: end that")),
            _ => Ok(this.at(Stage::Refused(by)).next(now, ())),
        }
    }

    fn by(&self) -> Option<By> {
        match self.stage {
            Stage::Shown => None,
            Stage::Scanned(by) | Stage::Approved(by) | Stage::Refused(by) | Stage::Taken(by) => Some(by),
        }
    }

    fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    fn next<T>(self, now: Timestamp, told: T) -> Next<Self, T> {
        Next { lifetime: until(now, self.expires_at + TOLD_FOR), kept: Some(self), told }
    }
}

fn live(kept: Option<Waiting>, now: Timestamp) -> Result<Waiting, Error> {
    kept.filter(|this| now < this.expires_at).ok_or_else(none)
}

/// Of one that another session has scanned, nothing is learned.
fn scanned(kept: Option<Waiting>, now: Timestamp, by: By) -> Result<Waiting, Error> {
    let this = live(kept, now)?;
    match this.by() {
        Some(first) if first == by => Ok(this),
        Some(_) => Err(none()),
        None => Err(Error::code(Code::Conflict, "it has to be scanned first")),
    }
}

fn none() -> Error {
    Error::code(Code::NotFound, "there is no such QR code, or its time is over")
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_domain::KeyId;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const PHONE: By = By { account: AccountId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) };
    /// Another session of the same person.
    const TABLET: By = By { account: AccountId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(3)) };

    fn about() -> Sealed {
        Sealed { key: KeyId::Installation, bytes: vec![1] }
    }

    fn shown() -> Option<Waiting> {
        Some(Waiting::new("secret".into(), about(), NOW))
    }

    #[track_caller]
    fn kept<T>(step: Step<T>) -> Option<Waiting> {
        step.unwrap_or_else(|error| panic!("{error}")).kept
    }

    fn scanned() -> Option<Waiting> {
        kept(Waiting::scan(shown(), NOW, PHONE))
    }

    fn approved() -> Option<Waiting> {
        kept(Waiting::approve(scanned(), NOW, PHONE))
    }

    fn told(waiting: Option<Waiting>, now: Timestamp) -> Told {
        Waiting::poll(waiting, now, "secret").unwrap_or_else(|error| panic!("{error}")).told
    }

    #[track_caller]
    fn refused<T>(step: Step<T>, code: Code) {
        assert!(step.is_err_and(|error| error.is(code)));
    }

    #[test]
    fn its_device_is_told_how_it_stands_and_is_given_the_session_once() {
        assert_eq!(told(shown(), NOW), Told::Pending);
        assert_eq!(told(scanned(), NOW), Told::Scanned(PHONE.account));
        assert_eq!(told(approved(), NOW), Told::Take(PHONE, about()));
        let taken = kept(Waiting::poll(approved(), NOW, "secret"));
        assert_eq!(told(taken.clone(), NOW), Told::Expired);
        refused(Waiting::refuse(taken.clone(), NOW, PHONE), Code::Conflict);
        assert_eq!(kept(Waiting::approve(taken.clone(), NOW, PHONE)), taken, "approving again gives nothing more");
    }

    #[test]
    fn what_could_not_be_opened_can_be_asked_for_again_in_its_time() {
        let taken = || kept(Waiting::poll(approved(), NOW, "secret"));
        assert_eq!(kept(Waiting::give_back(taken(), NOW)), approved());
        assert_eq!(told(kept(Waiting::give_back(taken(), NOW)), NOW + limit::QR_LIFETIME), Told::Expired);
        for waiting in [shown(), scanned(), approved(), kept(Waiting::refuse(approved(), NOW, PHONE))] {
            assert_eq!(kept(Waiting::give_back(waiting.clone(), NOW)), waiting, "it was not taken");
        }
        refused(Waiting::give_back(None, NOW), Code::NotFound);
    }

    #[test]
    fn without_its_secret_nothing_is_learned_and_nothing_taken() {
        for waiting in [shown(), scanned(), approved(), None] {
            refused(Waiting::poll(waiting, NOW, "another"), Code::NotFound);
        }
    }

    #[test]
    fn the_first_session_that_scans_it_has_it() {
        assert_eq!(kept(Waiting::scan(scanned(), NOW, PHONE)), scanned());
        refused(Waiting::scan(scanned(), NOW, TABLET), Code::Conflict);
        refused(Waiting::approve(scanned(), NOW, TABLET), Code::NotFound);
        refused(Waiting::refuse(scanned(), NOW, TABLET), Code::NotFound);
        refused(Waiting::approve(shown(), NOW, PHONE), Code::Conflict);
    }

    #[test]
    fn refused_is_refused_also_after_it_was_approved() {
        for waiting in [scanned(), approved()] {
            let no = kept(Waiting::refuse(waiting, NOW, PHONE));
            assert_eq!(told(no.clone(), NOW), Told::Refused);
            refused(Waiting::approve(no.clone(), NOW, PHONE), Code::Conflict);
            refused(Waiting::scan(no, NOW, TABLET), Code::Conflict);
        }
    }

    #[test]
    fn it_has_its_time() {
        let (last, over) = (NOW + (limit::QR_LIFETIME - Duration::from_millis(1)), NOW + limit::QR_LIFETIME);
        assert_eq!(told(approved(), last), Told::Take(PHONE, about()));
        for waiting in [shown(), scanned(), approved()] {
            assert_eq!(told(waiting, over), Told::Expired);
        }
        refused(Waiting::scan(shown(), over, PHONE), Code::NotFound);
        refused(Waiting::approve(scanned(), over, PHONE), Code::NotFound);
    }
}
