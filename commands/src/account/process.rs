//! An abandoned registration gives its handles back, those that it had claimed and those that it had not; so does an
//! abandoned change of an address or number, and one that counts gives back the one before; an identity is given back when
//! it is unlinked, or its link abandoned. A closed account gives back all of these, not its name.
//!
//! What an event gives back is what was claimed before it: a release that is held up finds perhaps a claim that its account
//! has begun since.

use crate::process::{Orders, Process};
use natter_domain::{
    AccountId, Noun,
    account::Event,
    handle::{self, Handle},
    limit,
};
use natter_streams::Record;

pub(crate) struct ReleasesHandles;

impl Process for ReleasesHandles {
    const NAME: &'static str = "account.releases_handles";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        let names_some = [
            "registration_abandoned",
            "contact_changed",
            "contact_change_abandoned",
            "handles_released",
            "erased",
            "identity_link_abandoned",
            "identity_unlinked",
        ];
        if event.noun != Noun::Account || !names_some.contains(&&*event.event_type) {
            return Ok(());
        }
        let handles = match event.decode()? {
            Event::RegistrationAbandoned { handles } | Event::HandlesReleased { handles } => handles,
            Event::ContactChanged { released, .. } => released.into_iter().collect(),
            Event::ContactChangeAbandoned { handle }
            | Event::IdentityLinkAbandoned { handle }
            | Event::IdentityUnlinked { handle } => vec![handle],
            Event::Erased { released, .. } => released,
            _ => vec![],
        };
        let by = AccountId(event.aggregate_id);
        // Both by the clock of the account's lane: whatever was begun before the event may be claimed until then, and what is
        // begun after it until later.
        let until = event.time + limit::CLAIM_WINDOW;
        for handle in handles {
            orders.give::<Handle>(handle::address(handle), handle::Command::Release { by, until });
        }
        Ok(())
    }
}
