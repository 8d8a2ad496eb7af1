//! `/auth`: the sessions of who is signed in.

use super::{Answer, Signed};
use crate::{Error, wire};
use uuid::Uuid;

impl Signed {
    pub async fn logout(&self) -> Result<Answer<()>, Error> {
        self.write("POST", "/auth/logout", None::<&()>).await
    }

    /// The sessions of this person that are open, newest first.
    pub async fn sessions(&self) -> Result<Vec<wire::Session>, Error> {
        let found: wire::Items<_> = self.read("/auth/sessions".to_owned()).await?;
        Ok(found.items)
    }

    pub async fn end_session(&self, session: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/auth/sessions/{session}"), None::<&()>).await
    }

    /// Every session but this one.
    pub async fn end_other_sessions(&self) -> Result<Answer<()>, Error> {
        self.write("DELETE", "/auth/sessions", None::<&()>).await
    }

    /// Ends every other session.
    pub async fn change_password(&self, old: &str, new: &str) -> Result<Answer<()>, Error> {
        let change = wire::PasswordChange { old_password: old.to_owned(), new_password: new.to_owned() };
        self.write("POST", "/auth/password/change", Some(&change)).await
    }
}
