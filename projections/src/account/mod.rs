//! Accounts as others see them: the card. One is there once it is registered. And the settings, for their owner.

pub(crate) mod card;
mod identity;
mod profile;
pub(crate) mod project;
mod query;
mod search;
mod settings;
pub(crate) mod status;

pub use query::Query;
pub use search::Sought;
pub use settings::shown as settings_shown;
pub use status::{Held, Muted, Standing};
