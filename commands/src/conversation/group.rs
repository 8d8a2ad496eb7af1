//! Groups: beginning one, who comes and who goes, who is what, and the card.
//!
//! What those who are added are to whoever adds them is asked before the command is queued, and rides in it ([`super::asked`]).
//! So a repeat, which is recognised by its key and not decided, gets its first answer whatever has changed since.

use super::{Conversations, asked};
use crate::{Caller, Keyed, account, dispatch::Outcome, error::Error, friendship::account_key, keys::Key, seal::knows};
use natter_domain::{
    AccountId, Announcement, Context, ConversationId, Description, GroupName, Nickname, Sealed, Timestamp,
    account::Change as Field,
    conversation::{
        self, Beginning, Bucket, Change, Command, Conversation, Event, JoinPolicy, Kind, MemberChange as Changed,
        PermissionsChange, Power, Refusal, Role, State, SystemMessage,
    },
    id::derived,
};
use natter_streams::{Positions, clock, id};
use std::sync::Arc;
use uuid::Uuid;

/// Bytes of an id in a command, roughly.
const ID_BYTES: usize = 40;

/// The kind of the handle that the beginning of a nickname is. Nobody claims one, and nobody keeps it whole.
const NICKNAME: &str = "nickname beginning";

/// A group or a channel that has begun.
pub struct Started {
    pub conversation_id: ConversationId,
    pub kind: Kind,
    /// Everybody who is in, the owner first; of a channel nobody.
    pub members: Vec<AccountId>,
    /// The system message that its beginning is.
    pub message: SystemMessage,
    pub at: Timestamp,
    pub positions: Positions,
}

pub struct Joined {
    /// Those who were not in before.
    pub account_ids: Vec<AccountId>,
    /// Those who are asked now whether they want to come, as far as whoever adds them is to know.
    pub invited: Vec<AccountId>,
    pub positions: Positions,
}

/// What is to be so of a group; what is `None` stays as it is.
#[derive(Clone, Default, Debug)]
pub struct CardChange {
    pub name: Option<GroupName>,
    pub avatar: Option<Option<Uuid>>,
    pub description: Option<Option<Description>>,
    pub join_policy: Option<JoinPolicy>,
    pub shares_history: Option<bool>,
    pub is_muted: Option<bool>,
    pub slow_mode: Option<u32>,
    pub permissions: Option<PermissionsChange>,
}

impl CardChange {
    /// What tells it from another one.
    fn content(&self) -> String {
        let Self { name, avatar, description, join_policy, shares_history, is_muted, slow_mode, permissions } = self;
        let name = name.as_ref().map(GroupName::as_str);
        let description = description.as_ref().map(|it| it.as_ref().map(Description::as_str));
        format!(
            "{name:?} {avatar:?} {description:?} {join_policy:?} {shares_history:?} {is_muted:?} {slow_mode:?} {permissions:?}"
        )
    }
}

/// What is to be so of a member; what is `None` stays as it is.
#[derive(Clone, Default, Debug)]
pub struct MemberChange {
    /// Of the inner ones `None`: as everywhere.
    pub nickname: Option<Option<Nickname>>,
    /// They write nothing until then; the inner `None`: they may again.
    pub muted_until: Option<Option<Timestamp>>,
    /// With [`Role::Owner`] the group is handed over.
    pub role: Option<Role>,
}

impl MemberChange {
    pub fn role(role: Role) -> Self {
        Self { role: Some(role), ..Self::default() }
    }

    /// What tells it from another one.
    fn content(&self) -> String {
        let Self { nickname, muted_until, role } = self;
        let nickname = nickname.as_ref().map(|it| it.as_ref().map(Nickname::as_str));
        format!("{nickname:?} {muted_until:?} {:?}", role.map(Role::as_str))
    }
}

impl Conversations<'_> {
    /// Begins a group of the caller and those of these people who let themselves be added; the others are invited.
    pub async fn start_group(&self, by: Keyed, name: &GroupName, members: &[AccountId]) -> Result<Started, Error> {
        let me = by.caller.account;
        // A repeat must lead to the same lane, where its key is known.
        let id = match by.key {
            Some(key) => derived("natter group", &[me.0.as_bytes(), key.as_bytes()]),
            None => id::new(),
        };
        let conversation_id = ConversationId(id);
        let asked = asked::about(self.0, me, members, &|account| account == me).await?;
        // What cannot begin gets no key, which would be for ever. A repeat is answered as it was, whatever has become of them.
        if self.look(conversation_id).await?.kind.is_none() {
            if let Some(index) = asked::first_unknown(&asked, members) {
                return Err(Error::UnknownAccount { index });
            }
            self.own(me, conversation_id).await?;
        }
        let command = Command::StartGroup {
            name: self.seal(conversation_id, name.as_str()).await?,
            members: members.to_vec(),
            asked: asked.clone(),
        };
        let content = format!("start group {:?} {members:?}", name.as_str());
        let outcome = self.decide(by, conversation_id, command, &content, members.len()).await;
        started(conversation_id, outcome.map_err(|refused| asked::explain(&asked, refused, members))?)
    }

    /// Adds people, or invites those who have to be asked; who is in stays as they are.
    pub async fn add_members(&self, by: Keyed, id: ConversationId, accounts: &[AccountId]) -> Result<Joined, Error> {
        let me = by.caller.account;
        let state = self.look(id).await?;
        // Who may not add is refused without a question about others.
        let asked = match state.may(me, Power::Invite) {
            true => asked::about(self.0, me, accounts, &|account| state.members.contains_key(&account)).await?,
            false => conversation::Asked::default(),
        };
        let command = Command::AddMembers { accounts: accounts.to_vec(), asked: asked.clone() };
        let outcome = self.decide(by, id, command, &format!("add to {id} {accounts:?}"), accounts.len()).await;
        let outcome = outcome.map_err(|refused| asked::explain(&asked, refused, accounts))?;
        let (account_ids, invited) = match outcome.events.into_iter().next() {
            Some((Event::MembersJoined { account_ids, .. }, _)) => (account_ids, Vec::new()),
            Some((Event::MembersInvited { account_ids, joined, .. }, _)) => (joined, account_ids),
            _ => Default::default(),
        };
        Ok(Joined { account_ids, invited, positions: outcome.positions })
    }

    /// The caller leaves, or removes somebody. Who leaves a channel is not told of it any more.
    pub async fn remove_member(&self, by: Keyed, id: ConversationId, account: AccountId) -> Result<Positions, Error> {
        if account == by.caller.account && self.look(id).await?.is_channel() {
            return self.unsubscribe(by, id).await;
        }
        let command = Command::RemoveMember { account };
        Ok(self.decide(by, id, command, &format!("remove from {id} {account}"), 1).await?.positions)
    }

    pub async fn change(&self, by: Keyed, id: ConversationId, change: &CardChange) -> Result<Positions, Error> {
        let state = self.look(id).await?;
        has_a_card(&state, by.caller)?;
        let name = match &change.name {
            Some(name) => Some(self.seal_anew(id, state.card.name.as_ref(), name.as_str()).await?),
            None => None,
        };
        let description = match &change.description {
            Some(Some(text)) => Some(Some(self.seal_anew(id, state.card.description.as_ref(), text.as_str()).await?)),
            Some(None) => Some(None),
            None => None,
        };
        let changes = [
            change.avatar.map(Change::Avatar),
            description.map(Change::Description),
            change.join_policy.map(Change::JoinPolicy),
            change.shares_history.map(Change::SharesHistory),
            change.is_muted.map(Change::Muted),
            change.slow_mode.map(Change::SlowMode),
        ];
        let (changes, permissions) = (changes.into_iter().flatten().collect(), change.permissions);
        let command = Command::Change { name, changes, permissions };
        Ok(self.decide(by, id, command, &format!("change {id} {}", change.content()), 1).await?.positions)
    }

    /// What admins say to all; `None` takes it back.
    pub async fn announce(
        &self,
        by: Keyed,
        id: ConversationId,
        text: Option<&Announcement>,
    ) -> Result<Positions, Error> {
        let state = self.look(id).await?;
        has_a_card(&state, by.caller)?;
        let sealed = match text {
            Some(text) => Some(self.seal_anew(id, state.card.announcement.as_ref(), text.as_str()).await?),
            None => None,
        };
        let content = format!("announce {id} {:?}", text.map(Announcement::as_str));
        Ok(self.decide(by, id, Command::Announce { text: sealed }, &content, 1).await?.positions)
    }

    /// Changes what a member is, what they are called, or whether they may write: all that is given or nothing.
    pub async fn change_member(
        &self,
        by: Keyed,
        id: ConversationId,
        account: AccountId,
        change: &MemberChange,
    ) -> Result<Positions, Error> {
        let state = self.look(id).await?;
        self.is_somebody(&state, account).await?;
        let nickname = self.sealed_nickname(&state, account, change.nickname.as_ref()).await?;
        let (muted_until, role) = (field(change.muted_until), change.role);
        let command = Command::ChangeMember { account, change: Changed { nickname, muted_until, role } };
        if role == Some(Role::Owner) && is_to_be(&state, by.caller, &command) {
            self.own(account, id).await?;
        }
        let content = format!("member {id} {account} {}", change.content());
        Ok(self.decide(by, id, command, &content, 1).await?.positions)
    }

    /// Where nicknames that begin so are.
    pub fn bucket(&self, beginning: &Beginning) -> Bucket {
        let [first, second, ..] = *self.0.keyring.handle(NICKNAME, beginning.first()).0.as_bytes();
        Bucket::of([first, second])
    }

    /// They go, and do not come back. They need not be in, but there must be somebody.
    pub async fn ban(&self, by: Keyed, id: ConversationId, account: AccountId) -> Result<Positions, Error> {
        account::known(self.0, account).await?;
        let banned = self.decide(by, id, Command::Ban { account }, &format!("ban {id} {account}"), 1).await?;
        self.end_subscription(id, account).await?;
        Ok(banned.positions)
    }

    /// Anybody takes part in a channel, but must be there.
    async fn is_somebody(&self, state: &State, account: AccountId) -> Result<(), Error> {
        if state.is_channel() { account::known(self.0, account).await.map(drop) } else { Ok(()) }
    }

    pub async fn unban(&self, by: Keyed, id: ConversationId, account: AccountId) -> Result<Positions, Error> {
        // Else they would seem to subscribe, and be told nothing.
        self.end_subscription(id, account).await?;
        Ok(self.decide(by, id, Command::Unban { account }, &format!("unban {id} {account}"), 1).await?.positions)
    }

    /// It is over; what was said can be read for a while.
    pub async fn dissolve(&self, by: Keyed, id: ConversationId) -> Result<Positions, Error> {
        let command = Command::Dissolve { kept_for: self.0.groups.kept_for };
        Ok(self.decide(by, id, command, &format!("dissolve {id}"), 1).await?.positions)
    }

    pub(super) async fn seal(&self, id: ConversationId, text: &str) -> Result<Sealed, Error> {
        Ok(self.0.keys.of_conversation(id).await?.seal(text.as_bytes()))
    }

    /// Sealing the same text gives something else each time: what is there already is given as it stands, so that nothing
    /// happens.
    async fn seal_anew(&self, id: ConversationId, has: Option<&Sealed>, text: &str) -> Result<Sealed, Error> {
        match self.same(id.0, has, text).await? {
            Some(same) => Ok(same),
            None => self.seal(id, text).await,
        }
    }

    /// Theirs: it is forgotten with them. For who is not in none is sealed: that is refused, or a repeat.
    async fn sealed_nickname(
        &self,
        state: &State,
        account: AccountId,
        nickname: Option<&Option<Nickname>>,
    ) -> Result<Field<(Sealed, Option<Bucket>)>, Error> {
        match nickname {
            Some(Some(name)) if state.members.contains_key(&account) => {
                let sealed = self.seal_nickname(account, state.nicknames.get(&account), name.as_str()).await?;
                let bucket = Beginning::of(name.as_str()).map(|beginning| self.bucket(&beginning));
                Ok(Field::Set((sealed, bucket)))
            }
            Some(_) => Ok(Field::Clear),
            None => Ok(Field::Keep),
        }
    }

    async fn seal_nickname(&self, of: AccountId, has: Option<&Sealed>, text: &str) -> Result<Sealed, Error> {
        match self.same(of.0, has, text).await? {
            Some(same) => Ok(same),
            None => Ok(self.0.keys.of_account(of).await?.seal(text.as_bytes())),
        }
    }

    /// What is there, where it says this.
    async fn same(&self, owner: Uuid, has: Option<&Sealed>, text: &str) -> Result<Option<Sealed>, Error> {
        let opener = self.0.keys.opener(has.map(|sealed| (owner, sealed.key)).into_iter().collect::<Vec<_>>()).await?;
        Ok(has.filter(|it| opener.open_text(owner, it).as_deref() == Some(text)).cloned())
    }

    pub(super) async fn look(&self, id: ConversationId) -> Result<Arc<State>, Error> {
        self.0.dispatch.inspect::<Conversation>(conversation::address(id)).await
    }

    pub(super) async fn decide(
        &self,
        by: Keyed,
        id: ConversationId,
        command: Command,
        content: &str,
        ids: usize,
    ) -> Result<Outcome<Conversation>, Error> {
        let key: Option<Key> = by.key.map(|key| account_key(self.0, by, key, content));
        let (address, size) = (conversation::address(id), 1_024 + ids * ID_BYTES);
        self.0.dispatch.queue::<Conversation>(address, Some(by.caller), key, Some(command), size).await
    }
}

/// The same of a group or a channel.
pub(super) fn has_a_card(state: &State, caller: Caller) -> Result<(), Error> {
    if state.is_channel() { Ok(()) } else { is_a_group(state, caller) }
}

/// Before anything is sealed: a key of a conversation is for ever, and one with oneself has none of its own.
pub(super) fn is_a_group(state: &State, caller: Caller) -> Result<(), Error> {
    knows(state, caller)?;
    if state.kind == Some(Kind::Group) { Ok(()) } else { Err(Error::refused(&Refusal::NotAGroup)) }
}

/// Whether the command would be done now: what is to be refused takes no place of anybody's.
fn is_to_be(state: &State, caller: Caller, command: &Command) -> bool {
    let context = Context { actor: Some(caller.account), session: Some(caller.session), now: clock::now() };
    conversation::decide(state, &context, command).is_ok_and(|events| !events.is_empty())
}

fn field<T>(given: Option<Option<T>>) -> Field<T> {
    match given {
        None => Field::Keep,
        Some(None) => Field::Clear,
        Some(Some(value)) => Field::Set(value),
    }
}

pub(super) fn started(conversation_id: ConversationId, outcome: Outcome<Conversation>) -> Result<Started, Error> {
    let nothing =
        || Error::Failed { what: "begin a group or a channel", source: "the decision wrote no beginning".into() };
    let (event, at) = outcome.events.into_iter().next().ok_or_else(nothing)?;
    let message = SystemMessage::of(&event).ok_or_else(nothing)?;
    let Event::Started { kind, members, .. } = event else { return Err(nothing()) };
    Ok(Started { conversation_id, kind, members, message, at, positions: outcome.positions })
}
