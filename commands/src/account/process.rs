//! An abandoned registration gives its handles back, those that it had claimed and those that it had not.

use crate::process::{Orders, Process};
use natter_domain::{
    AccountId, Noun,
    account::Event,
    handle::{self, Handle},
};
use natter_streams::Record;

pub(crate) struct ReleasesHandles;

impl Process for ReleasesHandles {
    const NAME: &'static str = "account.releases_handles";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        if event.noun != Noun::Account || event.event_type != "registration_abandoned" {
            return Ok(());
        }
        if let Event::RegistrationAbandoned { handles } = event.decode()? {
            let by = AccountId(event.aggregate_id);
            for handle in handles {
                orders.give::<Handle>(handle::address(handle), handle::Command::Release { by });
            }
        }
        Ok(())
    }
}
