//! Coming to a group by oneself: invitations, links, asking.

use super::{Conversations, group::is_a_group, link::Token};
use crate::{Keyed, error::Error};
use natter_domain::{
    AccountId, Code, ConversationId, RequestMessage, Timestamp,
    conversation::{Command, Event, JoinPolicy, Refusal, State},
};
use natter_streams::{Positions, clock};
use std::time::Duration;
use uuid::Uuid;

/// What came of wanting in.
pub struct Came {
    /// False: they have asked, and wait for an answer.
    pub is_in: bool,
    pub positions: Positions,
}

/// A way to a group that was made.
pub struct Made {
    pub token: Token,
    pub by: AccountId,
    pub expires_at: Option<Timestamp>,
    pub uses: Option<u32>,
    pub positions: Positions,
}

/// What somebody sees of a group who has a link to it.
pub struct Behind {
    pub conversation_id: ConversationId,
    pub name: Option<String>,
    pub avatar: Option<Uuid>,
    pub member_count: usize,
    /// The caller is in.
    pub is_in: bool,
}

impl Conversations<'_> {
    /// By an invitation, through an open door, or to ask.
    pub async fn join(&self, by: Keyed, id: ConversationId, message: Option<&RequestMessage>) -> Result<Came, Error> {
        if self.look(id).await?.is_channel() {
            return Ok(Came { is_in: true, positions: self.subscribe(by, id).await? });
        }
        // A key is for ever: what is said to a group that does not exist for them is not sealed with one.
        let me = by.caller.account;
        let sealed = match message {
            Some(message) => Some(self.0.keys.of_account(me).await?.seal(message.as_str().as_bytes())),
            None => None,
        };
        let command = Command::Join { link: None, message: sealed, members_max: self.0.groups.members_max };
        let content = format!("join {id} {:?}", message.map(RequestMessage::as_str));
        self.come(by, id, command, &content).await
    }

    pub async fn join_by(&self, by: Keyed, token: &Token) -> Result<Came, Error> {
        let id = token.conversation;
        let (link, members_max) = (Some(token.link_id()), self.0.groups.members_max);
        self.come(by, id, Command::Join { link, message: None, members_max }, &format!("join by {id}")).await
    }

    async fn come(&self, by: Keyed, id: ConversationId, command: Command, content: &str) -> Result<Came, Error> {
        let outcome = self.decide(by, id, command, content, 1).await?;
        let is_in = match outcome.events.first() {
            Some((event, _)) => matches!(event, Event::MembersJoined { .. }),
            // So it was already: they are in, or have asked.
            None => self.look(id).await?.members.contains_key(&by.caller.account),
        };
        Ok(Came { is_in, positions: outcome.positions })
    }

    /// What a link leads to, while it is good.
    pub async fn behind(&self, viewer: AccountId, token: &Token) -> Result<Behind, Error> {
        let id = token.conversation;
        let state = self.look(id).await?;
        if !is_good(&state, token) {
            return Err(Error::refused(&Refusal::Gone));
        }
        let is_in = state.members.contains_key(&viewer);
        let name = state.card.name.as_ref();
        let opener = self.0.keys.opener(name.map(|it| (id.0, it.key)).into_iter().collect::<Vec<_>>()).await?;
        let name = name.and_then(|it| opener.open_text(id.0, it));
        let (avatar, member_count) = (state.card.avatar, state.members.len());
        Ok(Behind { conversation_id: id, name, avatar, member_count, is_in })
    }

    /// An admin lets in who asked.
    pub async fn approve(&self, by: Keyed, id: ConversationId, account: AccountId) -> Result<Positions, Error> {
        let command = Command::Approve { account, members_max: self.0.groups.members_max };
        Ok(self.decide(by, id, command, &format!("approve {id} {account}"), 1).await?.positions)
    }

    /// An admin does not, or who asked thinks better of it.
    pub async fn decline(&self, by: Keyed, id: ConversationId, account: AccountId) -> Result<Positions, Error> {
        let command = Command::Decline { account };
        Ok(self.decide(by, id, command, &format!("decline {id} {account}"), 1).await?.positions)
    }

    /// Who is invited does not come, or the invitation is taken back.
    pub async fn uninvite(&self, by: Keyed, id: ConversationId, account: AccountId) -> Result<Positions, Error> {
        let command = Command::Uninvite { account };
        Ok(self.decide(by, id, command, &format!("uninvite {id} {account}"), 1).await?.positions)
    }

    pub async fn make_link(
        &self,
        by: Keyed,
        id: ConversationId,
        expires_in: Option<Duration>,
        uses: Option<u32>,
    ) -> Result<Made, Error> {
        is_a_group(&*self.look(id).await?, by.caller)?;
        let token = Token::new(id);
        let secret = self.0.keys.of_conversation(id).await?.seal(&token.secret);
        let expires_at = expires_in.map(|lasting| clock::now() + lasting);
        let command = Command::MakeLink { link_id: token.link_id(), secret, expires_at, uses };
        let content = format!("link {id} {expires_in:?} {uses:?}");
        let outcome = self.decide(by, id, command, &content, 1).await?;
        let Some((Event::LinkMade { secret, by, expires_at, uses, .. }, _)) = outcome.events.into_iter().next() else {
            return Err(Error::Failed { what: "make a link", source: "the decision wrote none".into() });
        };
        // A repeat is given the first one.
        let opener = self.0.keys.opener(vec![(id.0, secret.key)]).await?;
        let secret = opener.open(id.0, &secret).and_then(|it| it.try_into().ok());
        let secret = secret.ok_or_else(|| Error::code(Code::Gone, "the link cannot be read any more"))?;
        let token = Token { conversation: id, secret };
        Ok(Made { token, by, expires_at, uses, positions: outcome.positions })
    }

    pub async fn revoke_link(&self, by: Keyed, id: ConversationId, link: Uuid) -> Result<Positions, Error> {
        let command = Command::RevokeLink { link_id: link };
        Ok(self.decide(by, id, command, &format!("revoke {id} {link}"), 1).await?.positions)
    }
}

fn is_good(state: &State, token: &Token) -> bool {
    let is_over = state.is_dissolved() || state.members.is_empty();
    let is_closed = is_over || state.card.join_policy == JoinPolicy::Closed;
    !is_closed && state.doors.links.get(&token.link_id()).is_some_and(|link| link.is_good(clock::now()))
}
