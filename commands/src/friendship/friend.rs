//! What somebody notes of a friend, in which order their folders stand, and the end of a friendship.

use super::{Friendships, account_key, pair};
use crate::{Keyed, account, error::Error};
use natter_domain::{
    AccountId, FriendshipId, Label, Sealed,
    account::{self as accounts, Account, Change},
    friendship::{self, FriendChange},
};
use natter_streams::Positions;

impl Friendships<'_> {
    pub async fn change_friend(
        &self,
        by: Keyed,
        friend: AccountId,
        given: FriendChange<Label>,
    ) -> Result<Positions, Error> {
        let me = by.caller.account;
        let content = format!("change friend {friend} {given:?}");
        let noted = pair(&self.0.dispatch, me, friend).await?.notes.get(&me).cloned().unwrap_or_default();
        let change = self.sealed(me, &noted, given).await?;
        let command = friendship::Command::ChangeFriend { friend, change };
        let outcome = self.decide(by, FriendshipId::of(me, friend), command, &content).await?;
        Ok(outcome.positions)
    }

    /// Ends the friendship, for both.
    pub async fn remove(&self, by: Keyed, friend: AccountId) -> Result<Positions, Error> {
        let command = friendship::Command::Remove { other: friend };
        let (me, content) = (by.caller.account, format!("remove {friend}"));
        let outcome = self.decide(by, FriendshipId::of(me, friend), command, &content).await?;
        Ok(self.tell([me, friend], outcome).await?.positions)
    }

    /// Sets in which order the caller's folders stand.
    pub async fn order_folders(&self, by: Keyed, names: &[Label]) -> Result<Positions, Error> {
        let me = by.caller.account;
        let names: Vec<&str> = names.iter().map(Label::as_str).collect();
        let json = serde_json::to_string(&names).map_err(Error::failed("encode the order of folders"))?;
        let content = format!("order folders {json}");
        let now = account::require(self.0, me).await?.friend_folders;
        let command = accounts::Command::OrderFriendFolders(self.seal(me, json, now.as_ref()).await?);
        let key = by.key.map(|key| account_key(self.0, by, key, &content));
        let size = content.len() * 2;
        let address = accounts::address(me);
        let outcome = self.0.dispatch.queue::<Account>(address, Some(by.caller), key, Some(command), size).await?;
        Ok(outcome.positions)
    }

    async fn sealed(
        &self,
        me: AccountId,
        now: &friendship::Note,
        given: FriendChange<Label>,
    ) -> Result<FriendChange<Sealed>, Error> {
        let seal = async |given: Change<Label>, now: Option<&Sealed>| match given {
            Change::Keep => Ok::<_, Error>(Change::Keep),
            Change::Clear => Ok(Change::Clear),
            Change::Set(label) => Ok(Change::Set(self.seal(me, label.as_str().to_owned(), now).await?)),
        };
        Ok(FriendChange {
            remark: seal(given.remark, now.remark.as_ref()).await?,
            folder: match given.folder {
                Change::Keep => Change::Keep,
                Change::Clear => Change::Clear,
                // The read side seeks and counts by it.
                Change::Set(name) => {
                    Change::Set(self.0.keys.of_account(me).await?.seal_alike(name.as_str().as_bytes()))
                }
            },
            starred: given.starred,
        })
    }

    /// Sealing the same text gives something else each time: what is said already is given as it stands.
    async fn seal(&self, me: AccountId, text: String, now: Option<&Sealed>) -> Result<Sealed, Error> {
        let opener = self.0.keys.opener(now.iter().map(|sealed| (me.0, sealed.key)).collect::<Vec<_>>()).await?;
        match now.filter(|now| opener.open_text(me.0, now).as_deref() == Some(&text)) {
            Some(now) => Ok(now.clone()),
            None => Ok(self.0.keys.of_account(me).await?.seal(text.as_bytes())),
        }
    }
}
