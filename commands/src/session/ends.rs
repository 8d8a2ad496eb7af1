//! Ending sessions. An account's event names those that go; whoever caused it revokes them at once, so that they are
//! gone when it is answered. What is not done then is done by [`super::process`].

use super::Sessions;
use crate::{
    Caller,
    dispatch::{Dispatch, Outcome},
    error::Error,
};
use futures::future::join_all;
use natter_domain::{
    AccountId, SessionId,
    account::{self, Account},
    session::{self, Reason, Session},
};
use natter_streams::{Positions, fault};

/// Sessions that are no more.
pub struct Ended {
    pub sessions: Vec<SessionId>,
    pub positions: Positions,
}

impl Sessions<'_> {
    pub async fn logout(&self, caller: Caller) -> Result<Positions, Error> {
        self.end(caller, caller.session, Reason::LoggedOut).await
    }

    /// One of the caller's own; of others' they learn nothing.
    pub async fn end_one(&self, caller: Caller, session: SessionId) -> Result<Positions, Error> {
        self.end(caller, session, Reason::Ended).await
    }

    /// All of the caller's but the one that asks.
    pub async fn end_others(&self, caller: Caller) -> Result<Ended, Error> {
        let command = account::Command::EndSessions { kept: Some(caller.session), reason: Reason::Ended };
        let address = account::address(caller.account);
        let outcome = self.0.dispatch.execute::<Account>(address, Some(caller), None, command).await?;
        self.revoke(caller.account, outcome).await
    }

    async fn end(&self, caller: Caller, session: SessionId, reason: Reason) -> Result<Positions, Error> {
        let address = session::address(caller.account, session);
        let command = session::Command::Revoke { reason };
        Ok(self.0.dispatch.execute::<Session>(address, Some(caller), None, command).await?.positions)
    }

    pub(super) async fn revoke(&self, account_id: AccountId, outcome: Outcome<Account>) -> Result<Ended, Error> {
        Ok(revoke(&self.0.dispatch, account_id, outcome).await)
    }
}

/// Revokes what an account's events have ended. One that gets no answer now is left to the process.
pub(crate) async fn revoke(dispatch: &Dispatch, account_id: AccountId, outcome: Outcome<Account>) -> Ended {
    fault::reach("session.before_revoking").await;
    let mut positions = outcome.positions;
    let events = outcome.events.iter().filter_map(|(event, _)| ended_by(event));
    let ended: Vec<(SessionId, Reason)> =
        events.flat_map(|(sessions, reason)| sessions.iter().map(move |&session| (session, reason))).collect();
    let revoked = ended.iter().map(|&(session, reason)| {
        let command = session::Command::End { account_id, reason };
        dispatch.execute::<Session>(session::address(account_id, session), None, None, command)
    });
    for revoked in join_all(revoked).await {
        match revoked {
            Ok(outcome) => positions.merge(&outcome.positions),
            Err(error) => tracing::warn!(%error, "a session is revoked later"),
        }
    }
    Ended { sessions: ended.into_iter().map(|(session, _)| session).collect(), positions }
}

/// Which sessions an account's event ends, and why.
pub(super) fn ended_by(event: &account::Event) -> Option<(&[SessionId], Reason)> {
    match event {
        account::Event::SessionAdmitted { ended, .. } => Some((ended, Reason::Replaced)),
        account::Event::SessionsEnded { ended, reason } => Some((ended, *reason)),
        account::Event::PasswordChanged { ended, .. } => Some((ended, Reason::PasswordChanged)),
        account::Event::Suspended { ended, .. } => Some((ended, Reason::Suspended)),
        account::Event::ClosingRequested { ended, .. } => Some((ended, Reason::Closing)),
        _ => None,
    }
}
