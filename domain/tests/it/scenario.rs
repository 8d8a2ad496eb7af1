//! Given a history, when a command comes, then these events or this refusal. And the people and moments that
//! the examples speak of.

use natter_domain::{AccountId, Context, Decider, KeyId, Sealed, Timestamp};
use uuid::Uuid;

pub const ALICE: AccountId = AccountId(Uuid::from_u128(0xa));
pub const BOB: AccountId = AccountId(Uuid::from_u128(0xb));
pub const CAROL: AccountId = AccountId(Uuid::from_u128(0xc));

/// Minutes since the examples began.
pub const fn min(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + minutes * 60_000)
}

pub const fn hours(hours: i64) -> Timestamp {
    min(hours * 60)
}

pub const fn days(days: i64) -> Timestamp {
    hours(days * 24)
}

pub const fn just_before(moment: Timestamp) -> Timestamp {
    Timestamp::from_millis(moment.as_millis() - 1)
}

/// Not really sealed: the domain never opens it.
pub fn sealed(text: &str) -> Sealed {
    Sealed { key: KeyId::Installation, bytes: text.into() }
}

pub fn given<D: Decider>(history: impl IntoIterator<Item = D::Event>) -> Given<D> {
    let mut state = D::State::default();
    for event in history {
        D::evolve(&mut state, &event);
    }
    Given { state, host: Default::default() }
}

pub struct Given<D: Decider> {
    state: D::State,
    host: <D::Host as Decider>::State,
}

impl<D: Decider> Given<D> {
    /// Where the noun reads another's state.
    pub fn within(self, host: <D::Host as Decider>::State) -> Self {
        Self { host, ..self }
    }

    /// Asked by nobody, at the beginning, unless `by` and `at` say more.
    pub fn when(self, command: D::Command) -> When<D> {
        When {
            state: self.state,
            host: self.host,
            context: Context { actor: None, session: None, now: min(0) },
            command,
        }
    }
}

pub struct When<D: Decider> {
    state: D::State,
    host: <D::Host as Decider>::State,
    context: Context,
    command: D::Command,
}

impl<D: Decider> When<D> {
    pub fn by(mut self, actor: AccountId) -> Self {
        self.context.actor = Some(actor);
        self
    }

    pub fn at(mut self, now: Timestamp) -> Self {
        self.context.now = now;
        self
    }

    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = D::Event>) {
        assert_eq!(self.answer(), Ok(events.into_iter().collect()));
    }

    #[track_caller]
    pub fn silent(self) {
        assert_eq!(self.answer(), Ok(vec![]));
    }

    #[track_caller]
    pub fn refused(self, refusal: D::Refusal) {
        assert_eq!(self.answer(), Err(refusal));
    }

    fn answer(&self) -> Result<Vec<D::Event>, D::Refusal> {
        D::decide(&self.state, &self.host, &self.context, &self.command)
    }
}
