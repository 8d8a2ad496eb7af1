//! Opening a session: its account lets it in, what it replaces goes, then it opens.

use super::{Device, Origin, Sessions, SignedIn, signed_in, token::RefreshToken};
use crate::{error::Error, second::challenge};
use natter_domain::{
    AccountId, Code, Sealed, SessionId,
    account::{self, Account, Proof},
    limit,
    session::{self, Session},
};
use natter_streams::{clock, fault, id, sealing::Sealing};
use std::net::IpAddr;

pub(crate) struct Opening {
    pub account_id: AccountId,
    /// See `account::Command::AdmitSession`.
    pub checked: Option<u32>,
    pub origin: Origin,
}

impl Sessions<'_> {
    /// Answers with a challenge where the account has a second factor.
    pub(crate) async fn open(&self, opening: Opening) -> Result<SignedIn, Error> {
        let (account_id, checked, device) = (opening.account_id, opening.checked, opening.origin.device.clone());
        match self.open_with(opening, None).await {
            Err(refused) if refused.is(Code::SecondFactorRequired) => {
                let challenge = challenge::make(self.0, account_id, checked, device.as_ref()).await?;
                Err(Error::SecondFactorRequired { challenge })
            }
            opened => opened,
        }
    }

    pub(crate) async fn open_with(&self, opening: Opening, proof: Option<Proof>) -> Result<SignedIn, Error> {
        let Opening { account_id, checked, origin } = opening;
        let token = RefreshToken::first(account_id, SessionId(id::new()), &self.0.keyring);
        // What may fail comes first: who is admitted may take the place of another session.
        let sealing = self.0.keys.of_account(account_id).await?;
        self.admit(&token, checked, origin.device.as_ref(), proof).await?;
        fault::reach("session.after_admission").await;
        let command = session::Command::Open {
            account_id,
            device: origin.device.map(|device| kept(&sealing, device)),
            refresh_hash: token.hash(),
            expires_at: clock::now() + limit::REFRESH_TOKEN_LIFETIME,
            address: sealed(&sealing, origin.address),
        };
        let address = session::address(account_id, token.session);
        let outcome = self.0.dispatch.execute::<Session>(address, None, None, command).await?;
        Ok(signed_in(&token, outcome.positions))
    }

    async fn admit(
        &self,
        token: &RefreshToken,
        checked: Option<u32>,
        device: Option<&Device>,
        proof: Option<Proof>,
    ) -> Result<(), Error> {
        let command = account::Command::AdmitSession {
            session_id: token.session,
            platform: device.and_then(|device| device.platform.clone()),
            checked,
            policy: self.0.session_policy,
            proof,
        };
        let address = account::address(token.account);
        let admitted = self.0.dispatch.execute::<Account>(address, None, None, command).await?;
        self.revoke(token.account, admitted).await.map(drop)
    }
}

fn kept(sealing: &Sealing, device: Device) -> session::Device {
    let name = device.name.map(|name| sealing.seal(name.as_bytes()));
    session::Device { name, platform: device.platform }
}

pub(super) fn sealed(sealing: &Sealing, address: Option<IpAddr>) -> Option<Sealed> {
    address.map(|address| sealing.seal(address.to_string().as_bytes()))
}
