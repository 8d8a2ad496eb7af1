//! `/friends`.

use super::{Answer, Page, Signed};
use crate::{Error, wire};
use uuid::Uuid;

impl Signed {
    /// Status 200: the other one had asked first, and that request is accepted by this.
    pub async fn request_friend(&self, to: Uuid, message: Option<&str>) -> Result<Answer<wire::FriendRequest>, Error> {
        let request = wire::FriendRequestNew { to, message: message.map(str::to_owned) };
        self.write("POST", "/friends/requests", Some(&request)).await
    }

    pub async fn accept_friend(&self, request: Uuid) -> Result<Answer<wire::FriendRequest>, Error> {
        self.write("POST", &format!("/friends/requests/{request}/accept"), None::<&()>).await
    }

    pub async fn reject_friend(&self, request: Uuid) -> Result<Answer<wire::FriendRequest>, Error> {
        self.write("POST", &format!("/friends/requests/{request}/reject"), None::<&()>).await
    }

    /// `direction`: `in` or `out`.
    pub async fn friend_requests(
        &self,
        direction: &str,
        status: Option<&str>,
        page: &Page,
    ) -> Result<wire::PageOf<wire::FriendRequest>, Error> {
        let query = page.query().with("direction", Some(direction)).with("status", status);
        self.read(query.on("/friends/requests")).await
    }

    pub async fn friends(&self, page: &Page) -> Result<wire::PageOf<wire::Friend>, Error> {
        self.read(page.query().on("/friends")).await
    }
}
