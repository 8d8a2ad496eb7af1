//! `/conversations`, and who is in them.

use super::{Answer, Page, Shown, Signed};
use crate::{Error, wire};
use uuid::Uuid;

impl Signed {
    /// The conversation with a friend. Status 200: it was there.
    pub async fn open_direct(&self, with: Uuid) -> Result<Answer<wire::OwnConversation>, Error> {
        let request = wire::ConversationNew { kind: "direct".to_owned(), with: Some(with), name: None, members: None };
        self.write("POST", "/conversations", Some(&request)).await
    }

    /// The caller's conversation with themselves. Status 200: it was there.
    pub async fn open_own(&self) -> Result<Answer<wire::OwnConversation>, Error> {
        let request = wire::ConversationNew { kind: "self".to_owned(), with: None, name: None, members: None };
        self.write("POST", "/conversations", Some(&request)).await
    }

    /// Changes how a conversation is shown to the caller. `None`: it has ended, and something was taken back.
    pub async fn change_view(
        &self,
        conversation: Uuid,
        change: &wire::ViewChange,
    ) -> Result<Answer<Option<wire::OwnConversation>>, Error> {
        self.write("PATCH", &format!("/conversations/{conversation}/inbox"), Some(change)).await
    }

    /// Deletes a conversation for the caller, and for nobody else.
    pub async fn clear(&self, conversation: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/conversations/{conversation}/inbox"), None::<&()>).await
    }

    /// A group of the caller and these friends of theirs.
    pub async fn start_group(&self, name: &str, members: &[Uuid]) -> Result<Answer<wire::OwnConversation>, Error> {
        let (name, members) = (Some(name.to_owned()), Some(members.to_vec()));
        let request = wire::ConversationNew { kind: "group".to_owned(), with: None, name, members };
        self.write("POST", "/conversations", Some(&request)).await
    }

    /// A channel of the caller, who subscribes to it.
    pub async fn start_channel(&self, name: &str) -> Result<Answer<wire::OwnConversation>, Error> {
        let name = Some(name.to_owned());
        let request = wire::ConversationNew { kind: "channel".to_owned(), with: None, name, members: None };
        self.write("POST", "/conversations", Some(&request)).await
    }

    /// Those that go on, by last activity, newest first.
    pub async fn channels(&self, page: &Page) -> Result<wire::PageOf<wire::OwnConversation>, Error> {
        self.read(page.query().on("/channels")).await
    }

    /// What waits in all of the caller's conversations.
    pub async fn unread_totals(&self) -> Result<wire::UnreadTotals, Error> {
        self.read("/conversations/unread".to_owned()).await
    }

    /// How the number of unread messages came about.
    pub async fn explain_unread(&self, conversation: Uuid) -> Result<wire::UnreadExplained, Error> {
        self.read(format!("/conversations/{conversation}/unread/explain")).await
    }

    pub async fn rename_group(&self, group: Uuid, name: &str) -> Result<Answer<wire::OwnConversation>, Error> {
        let change =
            wire::ConversationChange { name: Some(name.to_owned()), avatar: None, description: None, settings: None };
        self.write("PATCH", &format!("/conversations/{group}"), Some(&change)).await
    }

    /// Who is in, the newest first.
    pub async fn members(&self, conversation: Uuid, page: &Page) -> Result<wire::PageOf<wire::Member>, Error> {
        self.read(page.query().on(&format!("/conversations/{conversation}/members"))).await
    }

    pub async fn add_members(&self, group: Uuid, accounts: &[Uuid]) -> Result<Answer<wire::MembersAdded>, Error> {
        let new = wire::MembersNew { account_ids: accounts.to_vec() };
        self.write("POST", &format!("/conversations/{group}/members"), Some(&new)).await
    }

    pub async fn remove_member(&self, group: Uuid, account: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/conversations/{group}/members/{account}"), None::<&()>).await
    }

    pub async fn leave(&self, group: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/conversations/{group}/members/me"), None::<&()>).await
    }

    /// By last activity, newest first; without those that are hidden.
    pub async fn conversations(&self, page: &Page) -> Result<wire::PageOf<wire::OwnConversation>, Error> {
        self.conversations_in(&Shown::default(), page).await
    }

    /// Some of them, by last activity, newest first.
    pub async fn conversations_in(
        &self,
        which: &Shown,
        page: &Page,
    ) -> Result<wire::PageOf<wire::OwnConversation>, Error> {
        let flag = |flag: Option<bool>| flag.map(|flag| flag.to_string());
        let query = page
            .query()
            .with("pinned", flag(which.pinned).as_deref())
            .with("archived", flag(which.archived).as_deref())
            .with("hidden", flag(which.hidden).as_deref())
            .with("folder", which.folder.as_deref());
        self.read(query.on("/conversations")).await
    }

    pub async fn conversation(&self, conversation: Uuid) -> Result<wire::OwnConversation, Error> {
        self.read(format!("/conversations/{conversation}")).await
    }

    /// `None` here and below: done, and there no more for the caller, as a repeat may find it.
    pub async fn change_group(
        &self,
        group: Uuid,
        change: &wire::ConversationChange,
    ) -> Result<Answer<Option<wire::OwnConversation>>, Error> {
        self.write("PATCH", &format!("/conversations/{group}"), Some(change)).await
    }

    /// Ends it for all.
    pub async fn dissolve(&self, group: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/conversations/{group}"), None::<&()>).await
    }

    pub async fn announce(&self, group: Uuid, text: &str) -> Result<Answer<Option<wire::OwnConversation>>, Error> {
        let new = wire::AnnouncementNew { text: text.to_owned() };
        self.write("PUT", &format!("/conversations/{group}/announcement"), Some(&new)).await
    }

    pub async fn change_member(
        &self,
        group: Uuid,
        account: Uuid,
        change: &wire::MemberChange,
    ) -> Result<Answer<Option<wire::Member>>, Error> {
        self.write("PATCH", &format!("/conversations/{group}/members/{account}"), Some(change)).await
    }

    /// By an invitation or through an open door, or to ask.
    pub async fn join(&self, group: Uuid, message: Option<&str>) -> Result<Answer<wire::Came>, Error> {
        let new = wire::JoinNew { message: message.map(str::to_owned) };
        self.write("POST", &format!("/conversations/{group}/join"), Some(&new)).await
    }

    /// What the caller is invited to, the newest first.
    pub async fn invitations(&self, page: &Page) -> Result<wire::PageOf<wire::Invitation>, Error> {
        self.read(page.query().on("/invitations")).await
    }

    pub async fn make_link(&self, group: Uuid, new: &wire::LinkNew) -> Result<Answer<wire::Link>, Error> {
        self.write("POST", &format!("/conversations/{group}/links"), Some(new)).await
    }

    pub async fn join_by(&self, token: &str) -> Result<Answer<wire::Came>, Error> {
        self.write("POST", &format!("/links/{token}/join"), None::<&()>).await
    }

    /// They go, if they are in, and do not come back.
    pub async fn ban(&self, group: Uuid, account: Uuid) -> Result<Answer<()>, Error> {
        self.write("PUT", &format!("/conversations/{group}/bans/{account}"), None::<&()>).await
    }

    pub async fn unban(&self, group: Uuid, account: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/conversations/{group}/bans/{account}"), None::<&()>).await
    }

    /// What happened to it, for its admins, the newest first.
    pub async fn group_log(&self, group: Uuid, page: &Page) -> Result<wire::PageOf<wire::GroupEvent>, Error> {
        self.read(page.query().on(&format!("/conversations/{group}/log"))).await
    }
}
