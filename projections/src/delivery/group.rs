//! Frames of what changes in a group beside its members and its card: who is what in it, who is asked to come, its end.

use super::{
    conversation::Telling,
    frame::{Frame, position, push},
    members::Known,
    subscription,
};
use crate::Error;
use natter_client::wire::{self, Push};
use natter_domain::{AccountId, ConversationId, Timestamp, conversation::Event};
use uuid::Uuid;

impl Telling<'_> {
    /// What is told of the event, beside the message that it may be.
    pub(super) fn of_group(&self, event: &Event) -> Result<Vec<Frame>, Error> {
        match event {
            Event::OwnerChanged { seq, account_id, by } => Ok(vec![
                self.changed(*seq, *account_id, |it| it.role = Some("owner".to_owned()))?,
                self.changed(*seq, *by, |it| it.role = Some("admin".to_owned()))?,
            ]),
            Event::RoleChanged { seq, account_id, role, .. } => {
                Ok(vec![self.changed(*seq, *account_id, |it| it.role = Some(role.as_str().to_owned()))?])
            }
            Event::MemberMuted { account_id, until, last_seq, .. } => {
                let until = until.map(|until| until.to_string());
                Ok(vec![self.changed(*last_seq, *account_id, |it| it.muted_until = Some(until))?])
            }
            Event::NicknameChanged { account_id, nickname, last_seq, .. } => {
                let nickname = nickname.as_ref().and_then(|it| self.opener.open_text(account_id.0, it));
                Ok(vec![self.changed(*last_seq, *account_id, |it| it.nickname = Some(nickname))?])
            }
            Event::Dissolved { seq, .. } => {
                // With the card, whose earlier changes leave it to the newest one to say how it stands.
                let updated = self.updated(self.name, *seq)?;
                let dissolved = Push::ConversationDissolved { conversation_id: self.id(), position: self.position() };
                Ok(updated.into_iter().chain([push(self.known.in_after(*seq), &dissolved)?]).collect())
            }
            Event::Banned { account_id, by } if self.known.is_channel() => {
                Ok(vec![subscription::left(self.record, ConversationId(self.id), *account_id, *by)?])
            }
            event => self.of_door(event),
        }
    }

    /// Of those who come and go by themselves: told to whom it concerns, but not across a block.
    fn of_door(&self, event: &Event) -> Result<Vec<Frame>, Error> {
        let (conversation_id, position) = (self.id(), self.position());
        let admins = |outside: &AccountId| self.facts.admins(ConversationId(conversation_id), *outside);
        match event {
            Event::MembersInvited { account_ids, untold, by, expires_at, .. } => {
                let told: Vec<AccountId> = account_ids.iter().filter(|it| !untold.contains(it)).copied().collect();
                Ok(vec![push(told, &self.invited(*by, *expires_at))?])
            }
            // Who was not told of it is not told of its end.
            Event::InvitationEnded { account_id, by, is_told } if *is_told || account_id == by => {
                let is_heard = !self.facts.are_barred(*account_id, *by);
                let to = match account_id == by {
                    true => admins(account_id),
                    false => [*account_id].into_iter().filter(|_| is_heard).collect(),
                };
                let (account_id, by) = (account_id.0, by.0);
                Ok(vec![push(to, &Push::MemberUninvited { conversation_id, account_id, by, position })?])
            }
            Event::JoinRequested { account_id, .. } => {
                let to: Vec<AccountId> = admins(account_id).into_iter().chain([*account_id]).collect();
                let account_id = account_id.0;
                Ok(vec![push(to, &Push::MemberRequested { conversation_id, account_id, position })?])
            }
            Event::JoinDeclined { account_id, by } => {
                let to: Vec<AccountId> = admins(account_id).into_iter().chain([*account_id]).collect();
                let (account_id, by) = (account_id.0, by.0);
                Ok(vec![push(to, &Push::MemberDeclined { conversation_id, account_id, by, position })?])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn invited(&self, by: AccountId, expires_at: Timestamp) -> Push {
        let wire::Conversation { id, name, avatar, member_count, .. } = self.card(self.name, u64::MAX);
        Push::MemberInvited {
            conversation: wire::ConversationOutside { id, name, avatar, member_count },
            by: by.0,
            expires_at: expires_at.to_string(),
            position: self.position(),
        }
    }

    /// To those who are in once the message of that number is there.
    fn changed(&self, seq: u64, account: AccountId, what: impl FnOnce(&mut Changed)) -> Result<Frame, Error> {
        let mut changed = Changed::default();
        what(&mut changed);
        let Changed { role, muted_until, nickname } = changed;
        let (conversation_id, account_id, position) = (self.id(), account.0, self.position());
        let told = Push::MemberChanged { conversation_id, account_id, role, muted_until, nickname, position };
        // Of the many who read a channel it concerns one.
        let to = if self.known.is_channel() { Known::only(account) } else { self.known.in_after(seq) };
        push(to, &told)
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn position(&self) -> String {
        position(self.record)
    }
}

/// Of a member; what is `None` is as it was.
#[derive(Default)]
struct Changed {
    role: Option<String>,
    muted_until: Option<Option<String>>,
    nickname: Option<Option<String>>,
}
