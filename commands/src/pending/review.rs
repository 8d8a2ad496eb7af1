//! What reviewers say of what is held.

use crate::{Operators, error::Error};
use natter_domain::pending::{self, Command, Pending, Place};

impl Operators {
    /// It is said now, as its author would say it.
    pub async fn release_held(&self, message: Place, by: &str) -> Result<(), Error> {
        self.review(message, Command::Release { message_id: message.message_id, by: by.to_owned() }).await
    }

    /// It is not said, and its author is told.
    pub async fn refuse_held(&self, message: Place, by: &str) -> Result<(), Error> {
        self.review(message, Command::Refuse { message_id: message.message_id, by: by.to_owned() }).await
    }

    async fn review(&self, message: Place, command: Command) -> Result<(), Error> {
        let address = pending::address(message.conversation_id, message.author);
        self.dispatch.execute::<Pending>(address, None, None, command).await.map(drop)
    }
}
