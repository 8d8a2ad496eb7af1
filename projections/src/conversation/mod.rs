//! Conversations, their members, and what each member sees of them.

pub(crate) mod card;
mod door;
mod floor;
mod group;
mod log;
pub(crate) mod members;
mod own;
pub(crate) mod project;
pub(crate) mod query;
mod readers;
pub(crate) mod stays;
mod subscription;
mod unread;

pub use card::settings;
pub use door::{LinkRow, Query as Doors};
pub use floor::{Floor, Voice};
pub use members::{MemberFilter, Members, Named, Standing};
pub use query::{Query, Shown};
pub use readers::Readers;
