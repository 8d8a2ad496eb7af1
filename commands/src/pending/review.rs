//! What reviewers say of what is held.

use super::process::spent;
use crate::{Operators, error::Error, keys::Key};
use natter_domain::pending::{self, Command, Pending, Place};

impl Operators {
    /// It is said now, as its author would say it.
    pub async fn release_held(&self, message: Place, by: &str) -> Result<(), Error> {
        self.review(message, None, Command::Release { message_id: message.message_id, by: by.to_owned() }).await
    }

    /// It is not said, and its author is told; its id is spent. `conflict`: it was said meanwhile, under another rule.
    pub async fn refuse_held(&self, message: Place, by: &str) -> Result<(), Error> {
        let command = Command::Refuse { message_id: message.message_id, by: by.to_owned() };
        self.review(message, Some(spent(message)), command).await
    }

    async fn review(&self, message: Place, key: Option<Key>, command: Command) -> Result<(), Error> {
        let address = pending::address(message.conversation_id, message.author);
        self.dispatch.execute::<Pending>(address, None, key, command).await.map(drop)
    }
}
