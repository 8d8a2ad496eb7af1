//! What reviewers say of what is held.

use super::process::spent;
use crate::{Operators, error::Error, keys::Key};
use natter_domain::{
    Code,
    pending::{self, Command, Pending, Place},
};

impl Operators {
    /// It is said now, as its author would say it.
    pub async fn release_held(&self, message: Place, by: &str) -> Result<(), Error> {
        self.review(message, None, Command::Release { message_id: message.message_id, by: by.to_owned() }).await
    }

    /// It is not said, and its author is told; its id is spent. `conflict`: it was said meanwhile, under another rule.
    pub async fn refuse_held(&self, message: Place, by: &str) -> Result<(), Error> {
        let command = Command::Refuse { message_id: message.message_id, by: by.to_owned() };
        match self.review(message, Some(spent(message)), command).await {
            Err(error) if error.is(Code::Conflict) && !self.waits(message).await? => {
                Err(Error::code(Code::NotFound, "there is no such message waiting"))
            }
            refused => refused,
        }
    }

    async fn waits(&self, message: Place) -> Result<bool, Error> {
        let address = pending::address(message.conversation_id, message.author);
        let state = self.dispatch.inspect::<Pending>(address).await?;
        Ok(state.items.contains_key(&message.message_id))
    }

    async fn review(&self, message: Place, key: Option<Key>, command: Command) -> Result<(), Error> {
        let address = pending::address(message.conversation_id, message.author);
        self.dispatch.execute::<Pending>(address, None, key, command).await.map(drop)
    }
}
