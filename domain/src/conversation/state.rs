//! What we remember of a conversation: who is in, who was and when, and the newest number. Cheap to clone: a send changes
//! the counter only, everything else is shared.

use super::{Card, Change, Curbs, Doors, Event, Invitation, Kind, Link, Role, Standing, Unread, Way};
use crate::{AccountId, Sealed, Timestamp, limit, serial};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// `None` until it has begun.
    pub kind: Option<Kind>,
    /// Who is in. A hundred thousand may be: a map that shares its parts, written down in a few bytes each.
    #[serde(with = "packed")]
    pub members: imbl::OrdMap<AccountId, Membership>,
    /// The stays that have ended, by whose they were, in their order; theirs too who have come back. Of each person the latest
    /// are kept (CNV-20). Unlike the members they are not bounded: hence a map that shares its parts.
    #[serde(with = "serial::sorted")]
    pub past: imbl::HashMap<AccountId, Vec<Stay>>,
    #[serde(with = "serial::shared")]
    pub card: Arc<Card>,
    #[serde(with = "serial::shared")]
    pub doors: Arc<Doors>,
    #[serde(with = "serial::shared")]
    pub curbs: Arc<Curbs>,
    /// What those who chose one are called here.
    #[serde(with = "serial::sorted")]
    pub nicknames: imbl::HashMap<AccountId, Sealed>,
    /// Dissolved; until when it can be read.
    pub ends_at: Option<Timestamp>,
    pub has_ended: bool,
    /// A direct one's.
    #[serde(with = "serial::shared")]
    pub standing: Arc<Standing>,
    /// By their numbers: what ends once it is read, and was not. Most conversations have none.
    #[serde(with = "serial::sorted")]
    pub unread: imbl::HashMap<u64, Unread>,
    /// The newest message's number; 0 before the first.
    pub last_seq: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// The member sees messages with a greater seq.
    pub joined_seq: u64,
    /// The number at which they came, less one: what was said before they need not read. Above `joined_seq` where they see
    /// what was said before.
    pub entered_seq: u64,
}

impl Membership {
    pub const fn begun(joined_seq: u64, entered_seq: u64) -> Self {
        Self { joined_seq, entered_seq }
    }
}

/// One that has ended: of the messages `joined_seq < seq <= left_seq`. One that began where another ended is the same one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stay {
    pub joined_seq: u64,
    pub left_seq: u64,
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Started { kind, members, name, owner } => {
                self.kind = Some(*kind);
                self.members = members.iter().map(|member| (*member, Membership::begun(0, 0))).collect();
                self.card = Arc::new(Card { name: name.clone(), owner: *owner, ..Card::of(*kind) });
                self.standing = Arc::new(if *kind == Kind::Direct { Standing::first() } else { Standing::default() });
                self.last_seq = kind.first_seq();
            }
            Event::MessageSent { seq, .. } => {
                self.last_seq = *seq;
                self.remember_unread(event);
            }
            Event::CountdownBegan { seq, .. } => _ = self.unread.remove(seq),
            Event::MembersJoined { seq, account_ids, way, begins, .. } => self.join(account_ids, begins, *way, *seq),
            Event::MemberLeft { seq, account_id, joined_seq, .. } => self.leave(*account_id, *joined_seq, *seq),
            Event::StandingChanged { standing, .. } => self.standing = Arc::new(standing.clone()),
            Event::OwnerChanged { seq, account_id, by } => {
                self.last_seq = *seq;
                self.hand_over(*by, *account_id);
            }
            Event::RoleChanged { seq, account_id, role, .. } => {
                self.last_seq = *seq;
                self.set_role(*account_id, *role);
            }
            Event::NicknameChanged { account_id, nickname, .. } => match nickname {
                Some(nickname) => _ = self.nicknames.insert(*account_id, nickname.clone()),
                None => _ = self.nicknames.remove(account_id),
            },
            Event::Dissolved { seq, ends_at, .. } => {
                self.last_seq = *seq;
                self.ends_at = Some(*ends_at);
            }
            Event::Ended {} => self.end(),
            Event::Renamed { .. } | Event::Changed { .. } | Event::Announced { .. } => self.evolve_card(event),
            Event::MemberMuted { .. } | Event::Paused { .. } => self.evolve_curbs(event),
            _ => self.evolve_doors(event),
        }
    }

    fn evolve_card(&mut self, event: &Event) {
        let card = Arc::make_mut(&mut self.card);
        match event {
            Event::Renamed { name, last_seq, .. } => {
                card.name = Some(name.clone());
                self.last_seq = self.last_seq.max(*last_seq);
            }
            Event::Changed { change, last_seq, .. } => {
                card.apply(change);
                if matches!(change, Change::SlowMode(_)) {
                    // Whoever waits has waited by the old rule.
                    Arc::make_mut(&mut self.curbs).paused.clear();
                }
                self.last_seq = self.last_seq.max(*last_seq);
            }
            Event::Announced { seq, text, .. } => {
                card.announcement.clone_from(text);
                self.last_seq = *seq;
            }
            _ => {}
        }
    }

    fn evolve_curbs(&mut self, event: &Event) {
        let curbs = Arc::make_mut(&mut self.curbs);
        match event {
            Event::MemberMuted { account_id, until: Some(until), .. } => _ = curbs.muted.insert(*account_id, *until),
            Event::MemberMuted { account_id, until: None, .. } => _ = curbs.muted.remove(account_id),
            Event::Paused { account_id, at, until } => curbs.pause(*account_id, *at, *until),
            _ => {}
        }
    }

    fn evolve_doors(&mut self, event: &Event) {
        let doors = Arc::make_mut(&mut self.doors);
        match event {
            Event::MembersInvited { account_ids, untold, by, at, expires_at, .. } => {
                doors.invited.retain(|_, it| *at < it.expires_at);
                doors.invited.extend(account_ids.iter().map(|account| {
                    let is_told = !untold.contains(account);
                    (*account, Invitation { by: *by, expires_at: *expires_at, is_told })
                }));
            }
            Event::InvitationEnded { account_id, .. } => _ = doors.invited.remove(account_id),
            Event::JoinRequested { account_id, at, expires_at, .. } => doors.ask(*account_id, *at, *expires_at),
            Event::JoinDeclined { account_id, by } => doors.decline(*account_id, *by),
            Event::LinkMade { link_id, by, at, expires_at, uses, .. } => {
                doors.links.retain(|_, link| link.is_good(*at));
                doors.links.insert(*link_id, Link { by: *by, expires_at: *expires_at, left: *uses });
            }
            Event::LinkRevoked { link_id, .. } => _ = doors.links.remove(link_id),
            Event::Banned { account_id, .. } => {
                doors.ban(*account_id);
                // Nobody leaves a channel who could not come back to it.
                if self.card.admins.contains(account_id) {
                    Arc::make_mut(&mut self.card).admins.remove(account_id);
                }
            }
            Event::Unbanned { account_id, .. } => _ = doors.banned.remove(account_id),
            _ => {}
        }
    }

    /// The owner has said that it is over, whether or not it can be read still.
    pub fn is_dissolved(&self) -> bool {
        self.ends_at.is_some()
    }

    pub fn is_channel(&self) -> bool {
        self.kind == Some(Kind::Channel)
    }

    /// Takes part: a member, or, in a channel, anybody who is not banned from it.
    pub fn is_in(&self, account: AccountId) -> bool {
        self.members.contains_key(&account)
            || self.is_channel() && !self.has_ended && !self.doors.banned.contains_key(&account)
    }

    /// The number behind which what they see begins, while they are in.
    pub fn joined_seq(&self, account: AccountId) -> Option<u64> {
        let member = self.members.get(&account).map(|member| member.joined_seq);
        member.or_else(|| self.is_in(account).then_some(0))
    }

    /// The number at which they came, less one, while they are in.
    pub fn entered_seq(&self, account: AccountId) -> Option<u64> {
        let member = self.members.get(&account).map(|member| member.entered_seq);
        member.or_else(|| self.is_in(account).then_some(0))
    }

    /// Was in, and is not.
    pub fn is_former(&self, account: AccountId) -> bool {
        !self.members.contains_key(&account) && self.past.contains_key(&account)
    }

    /// Is in, or was. To everybody else it does not exist (CNV-2).
    pub fn knows(&self, account: AccountId) -> bool {
        self.is_in(account) || self.past.contains_key(&account)
    }

    /// Whether the account may see the message of this number, now or by a stay before, as far as these are kept.
    pub fn sees(&self, account: AccountId, seq: u64) -> bool {
        let mut past = self.past.get(&account).into_iter().flatten();
        self.joined_seq(account).is_some_and(|joined_seq| joined_seq < seq)
            || past.any(|stay| stay.joined_seq < seq && seq <= stay.left_seq)
    }

    /// Where their last stay ended; 0 for who never was in.
    pub(super) fn left_seq(&self, account: AccountId) -> u64 {
        self.past.get(&account).and_then(|stays| stays.last()).map_or(0, |stay| stay.left_seq)
    }

    fn join(&mut self, accounts: &[AccountId], begins: &[u64], way: Way, seq: u64) {
        for (index, account) in accounts.iter().enumerate() {
            let entered_seq = seq.saturating_sub(1);
            let joined_seq = begins.get(index).copied().unwrap_or(entered_seq);
            self.members.insert(*account, Membership::begun(joined_seq, entered_seq));
        }
        self.last_seq = seq;
        let doors = Arc::make_mut(&mut self.doors);
        accounts.iter().for_each(|account| doors.forget(*account));
        if let Way::Link(id) = way
            && let Some(Link { left: Some(left), .. }) = doors.links.get_mut(&id)
        {
            *left = left.saturating_sub(1);
        }
    }

    fn leave(&mut self, account: AccountId, joined_seq: u64, left_seq: u64) {
        self.members.remove(&account);
        self.nicknames.remove(&account);
        if self.card.admins.contains(&account) {
            Arc::make_mut(&mut self.card).admins.remove(&account);
        }
        let stays = self.past.entry(account).or_default();
        match stays.last_mut() {
            Some(last) if last.left_seq == joined_seq => last.left_seq = left_seq,
            _ => stays.push(Stay { joined_seq, left_seq }),
        }
        if stays.len() > limit::STAYS_KEPT {
            stays.remove(0);
        }
        self.last_seq = left_seq;
    }

    fn set_role(&mut self, account: AccountId, role: Role) {
        let admins = &mut Arc::make_mut(&mut self.card).admins;
        match role {
            Role::Admin => _ = admins.insert(account),
            Role::Member | Role::Owner => _ = admins.remove(&account),
        }
    }

    /// Who owned it goes on as an admin.
    fn hand_over(&mut self, from: AccountId, to: AccountId) {
        let card = Arc::make_mut(&mut self.card);
        card.owner = Some(to);
        card.admins.remove(&to);
        card.admins.insert(from);
    }

    /// Nothing is left but that it was.
    fn end(&mut self) {
        *self = Self {
            kind: self.kind,
            ends_at: self.ends_at,
            has_ended: true,
            last_seq: self.last_seq,
            ..Self::default()
        };
    }
}

/// Members as base64url: of each the 16 bytes of the id and two numbers in as many groups of seven bits as they take: where
/// the stay begins, and how far behind that they came, which is 0 but where history is shared.
mod packed {
    use super::Membership;
    use crate::AccountId;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use imbl::OrdMap;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use uuid::Uuid;

    const ID: usize = 16;

    pub fn serialize<S: Serializer>(members: &OrdMap<AccountId, Membership>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(members.len() * (ID + 4));
        for (account, member) in members {
            bytes.extend_from_slice(account.0.as_bytes());
            put(&mut bytes, member.joined_seq);
            put(&mut bytes, member.entered_seq.wrapping_sub(member.joined_seq));
        }
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OrdMap<AccountId, Membership>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        read(&bytes).ok_or_else(|| D::Error::custom("members that break off"))
    }

    fn read(mut bytes: &[u8]) -> Option<OrdMap<AccountId, Membership>> {
        let mut members = OrdMap::new();
        while let Some((id, rest)) = bytes.split_first_chunk::<ID>() {
            let (joined_seq, rest) = take(rest)?;
            let (behind, rest) = take(rest)?;
            let member = Membership::begun(joined_seq, joined_seq.wrapping_add(behind));
            members.insert(AccountId(Uuid::from_bytes(*id)), member);
            bytes = rest;
        }
        bytes.is_empty().then_some(members)
    }

    fn put(bytes: &mut Vec<u8>, mut number: u64) {
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }

    fn take(bytes: &[u8]) -> Option<(u64, &[u8])> {
        let mut number = 0;
        for (index, byte) in bytes.iter().enumerate() {
            number |= u64::from(byte & 0x7f).checked_shl(7 * index as u32)?;
            if byte & 0x80 == 0 {
                return Some((number, &bytes[index + 1..]));
            }
        }
        None
    }
}
