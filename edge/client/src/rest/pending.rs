//! What the caller has waiting to be said.

use super::{Answer, Page, Signed};
use crate::{Error, wire};
use uuid::Uuid;

impl Signed {
    /// Status 200: it was scheduled before.
    pub async fn schedule(
        &self,
        conversation: Uuid,
        message: &wire::ScheduledNew,
    ) -> Result<Answer<wire::Scheduled>, Error> {
        self.write("POST", &format!("/conversations/{conversation}/scheduled"), Some(message)).await
    }

    /// What waits, and what could not be sent; what came last first.
    pub async fn scheduled(&self, page: &Page) -> Result<wire::PageOf<wire::Scheduled>, Error> {
        self.read(page.query().on("/scheduled")).await
    }

    pub async fn change_scheduled(
        &self,
        conversation: Uuid,
        message: Uuid,
        change: &wire::ScheduledChange,
    ) -> Result<Answer<wire::Scheduled>, Error> {
        self.write("PATCH", &format!("/scheduled/{conversation}/{message}"), Some(change)).await
    }

    /// Takes it back, or puts away what could not be sent.
    pub async fn cancel_scheduled(&self, conversation: Uuid, message: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("DELETE", &format!("/scheduled/{conversation}/{message}"), None).await
    }
}
