//! `/friends` and `/blocks`.

use super::{Answer, Page, Signed};
use crate::{Error, wire};
use uuid::Uuid;

impl Signed {
    /// Status 200: the other one had asked first, and that request is accepted by this.
    pub async fn request_friend(&self, to: Uuid, message: Option<&str>) -> Result<Answer<wire::FriendRequest>, Error> {
        let request = wire::FriendRequestNew { to, message: message.map(str::to_owned), source: None };
        self.ask_friend(&request).await
    }

    /// The same, with all that can be said.
    pub async fn ask_friend(&self, request: &wire::FriendRequestNew) -> Result<Answer<wire::FriendRequest>, Error> {
        self.write("POST", "/friends/requests", Some(request)).await
    }

    pub async fn accept_friend(&self, request: Uuid) -> Result<Answer<wire::FriendRequest>, Error> {
        self.write("POST", &format!("/friends/requests/{request}/accept"), None::<&()>).await
    }

    pub async fn reject_friend(&self, request: Uuid) -> Result<Answer<wire::FriendRequest>, Error> {
        self.write("POST", &format!("/friends/requests/{request}/reject"), None::<&()>).await
    }

    /// Takes back what was asked.
    pub async fn cancel_friend(&self, request: Uuid) -> Result<Answer<wire::FriendRequest>, Error> {
        self.write("POST", &format!("/friends/requests/{request}/cancel"), None::<&()>).await
    }

    pub async fn ignore_friend(&self, request: Uuid) -> Result<Answer<wire::FriendRequest>, Error> {
        self.write("POST", &format!("/friends/requests/{request}/ignore"), None::<&()>).await
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

    /// Those of a folder, or those with a star and those without.
    pub async fn friends_of(
        &self,
        folder: Option<&str>,
        starred: Option<bool>,
        page: &Page,
    ) -> Result<wire::PageOf<wire::Friend>, Error> {
        let starred = starred.map(|starred| starred.to_string());
        let query = page.query().with("folder", folder).with("starred", starred.as_deref());
        self.read(query.on("/friends")).await
    }

    /// `None`: done, and no friend any more, as a repeat may find it.
    pub async fn change_friend(
        &self,
        id: Uuid,
        change: &wire::FriendChange,
    ) -> Result<Answer<Option<wire::Friend>>, Error> {
        self.write("PATCH", &format!("/friends/{id}"), Some(change)).await
    }

    /// Ends the friendship.
    pub async fn remove_friend(&self, id: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/friends/{id}"), None::<&()>).await
    }

    pub async fn friend_folders(&self) -> Result<wire::Items<wire::FriendFolder>, Error> {
        self.read("/friends/folders".to_owned()).await
    }

    pub async fn order_friend_folders(&self, names: &[&str]) -> Result<Answer<wire::Items<wire::FriendFolder>>, Error> {
        let order = wire::FriendFolderOrder { names: names.iter().map(|name| (*name).to_owned()).collect() };
        self.write("PUT", "/friends/folders", Some(&order)).await
    }

    pub async fn blocks(&self, page: &Page) -> Result<wire::PageOf<wire::Block>, Error> {
        self.read(page.query().on("/blocks")).await
    }

    /// `None`: done, and taken back since, as a repeat may find it.
    pub async fn block(&self, id: Uuid) -> Result<Answer<Option<wire::Block>>, Error> {
        self.write("PUT", &format!("/blocks/{id}"), None::<&()>).await
    }

    pub async fn unblock(&self, id: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/blocks/{id}"), None::<&()>).await
    }
}
