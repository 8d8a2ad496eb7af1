//! Conversation events to the tables `conversation` and `member`. Of messages only the newest number and its time are
//! kept: a batch of messages moves each conversation's row once.

use super::{group, subscription};
use crate::{
    Error,
    message::{mention, pin, thread},
};
use natter_domain::{
    AccountId, Sealed, Timestamp,
    conversation::{Event, Kind, Permissions, Standing, SystemMessage},
    message,
    subscription::Event as Subscription,
};
use natter_streams::{Lane, Record};
use sqlx::{PgConnection, types::time::OffsetDateTime};
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Changes {
    started: Vec<Started>,
    joined: Vec<Joined>,
    left: Vec<Left>,
    members: HashMap<Uuid, Roll>,
    /// The newest name.
    renamed: HashMap<Uuid, Sealed>,
    /// The newest message's number and time.
    active: HashMap<Uuid, (u64, Timestamp)>,
    changed: HashMap<Uuid, Changed>,
    group: group::Changes,
    subscriptions: subscription::Changes,
    mentions: mention::Changes,
    threads: thread::Changes,
    pins: pin::Changes,
    /// How direct ones stand.
    standing: HashMap<Uuid, Standing>,
    /// By conversation and member: where it changed for that member alone.
    changed_for: HashMap<(Uuid, AccountId), u64>,
}

/// Where something last happened.
struct Changed {
    lane: Lane,
    position: u64,
    /// To a message that was there.
    message: Option<u64>,
    /// A recall.
    recall: Option<u64>,
}

/// What a batch does to the number of members.
struct Roll {
    /// The positions of the events that do.
    first: u64,
    last: u64,
    delta: i64,
    /// Stays that began.
    came: i64,
}

struct Started {
    conversation: Uuid,
    kind: Kind,
    name: Option<Sealed>,
    owner: Option<AccountId>,
    time: Timestamp,
}

struct Joined {
    conversation: Uuid,
    account: AccountId,
    joined_seq: u64,
    entered_seq: u64,
    position: u64,
    time: Timestamp,
}

struct Left {
    conversation: Uuid,
    account: AccountId,
    joined_seq: u64,
    left_seq: u64,
    position: u64,
    /// What the conversation was called then, where this batch says it.
    name: Option<Sealed>,
    /// How many more were in then than before the batch.
    delta: i64,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let (conversation, time) = (record.aggregate_id, record.time);
        let event: Event = record.decode()?;
        // What is told to some of its members is no change for the others.
        if is_shown_to_all(&event) {
            self.changed(conversation, record);
        }
        self.group.note(record, &event);
        if let Some(message) = SystemMessage::of(&event) {
            self.active.insert(conversation, (message.seq, time));
        }
        match event {
            Event::Started { kind, members, name, owner } => {
                self.started.push(Started { conversation, kind, name, owner, time });
                self.join(record, &members, &[], 0);
            }
            Event::MessageSent { seq, sender, details, .. } => {
                self.mentions.note(conversation, seq, sender, &details);
                if let Some(root) = details.thread {
                    self.threads.reply(record, seq, sender, root);
                }
                self.active.insert(conversation, (seq, time));
            }
            Event::MembersJoined { seq, account_ids, begins, .. } => {
                self.join(record, &account_ids, &begins, seq.saturating_sub(1));
            }
            Event::MemberLeft { seq, account_id: account, joined_seq, .. } => {
                let (left_seq, position, name) = (seq, record.position, self.renamed.get(&conversation).cloned());
                let delta = self.count(conversation, record, -1);
                self.left.push(Left { conversation, account, joined_seq, left_seq, position, name, delta });
            }
            Event::Renamed { name, .. } => {
                self.renamed.insert(conversation, name);
            }
            Event::CountdownBegan { .. } => self.changed(conversation, record).message = Some(record.position),
            Event::StandingChanged { standing, shown_to, .. } => {
                self.standing.insert(conversation, standing);
                let changed = shown_to.into_iter().map(|account| ((conversation, account), record.position));
                self.changed_for.extend(changed);
            }
            _ => {}
        }
        Ok(())
    }

    /// What is somebody's own matter is no change to the others.
    pub(crate) fn note_message(&mut self, record: &Record, event: &message::Event) {
        if matches!(event, message::Event::Marked { .. }) || self.threads.note(record, event) {
            return;
        }
        let place = event.message();
        let (conversation, seq) = (place.conversation_id.0, place.seq);
        let changed = self.changed(conversation, record);
        changed.message = Some(record.position);
        match event {
            message::Event::Recalled { .. } | message::Event::Expired { .. } => {
                changed.recall = Some(record.position);
                self.mentions.recall(conversation, seq);
                self.pins.recall(conversation, seq);
                self.threads.recall(conversation, seq);
            }
            message::Event::Pinned { by, .. } => self.pins.pin(conversation, seq, record.position, record.time, *by),
            message::Event::Unpinned { .. } => self.pins.unpin(conversation, seq, record.position),
            _ => {}
        }
    }

    /// To the others of a channel it is no change.
    pub(crate) fn note_subscription(&mut self, record: &Record) -> Result<(), Error> {
        let event: Subscription = record.decode()?;
        let (Subscription::Begun { account_id, .. } | Subscription::Ended { account_id, .. }) = event;
        let channel = event.channel().0;
        self.count(channel, record, if matches!(event, Subscription::Begun { .. }) { 1 } else { -1 });
        self.changed_for.insert((channel, account_id), record.position);
        self.subscriptions.note(record, event);
        Ok(())
    }

    fn changed(&mut self, conversation: Uuid, record: &Record) -> &mut Changed {
        let (lane, position) = (record.lane, record.position);
        let nothing = || Changed { lane, position, message: None, recall: None };
        let changed = self.changed.entry(conversation).or_insert_with(nothing);
        changed.position = position;
        changed
    }

    /// `begins`: where their stays begin, in their order, if not with their coming.
    fn join(&mut self, record: &Record, accounts: &[AccountId], begins: &[u64], entered_seq: u64) {
        let (conversation, position, time) = (record.aggregate_id, record.position, record.time);
        self.count(conversation, record, accounts.len() as i64);
        let joined = |(index, &account): (usize, &AccountId)| {
            let joined_seq = begins.get(index).copied().unwrap_or(entered_seq);
            Joined { conversation, account, joined_seq, entered_seq, position, time }
        };
        self.joined.extend(accounts.iter().enumerate().map(joined));
    }

    /// How many more are in now than before the batch.
    fn count(&mut self, conversation: Uuid, record: &Record, delta: i64) -> i64 {
        let (first, last) = (record.position, record.position);
        let roll = self.members.entry(conversation).or_insert(Roll { first, last, delta: 0, came: 0 });
        roll.last = last;
        roll.delta += delta;
        roll.came += delta.max(0);
        roll.delta
    }

    pub(crate) async fn write(mut self, connection: &mut PgConnection) -> Result<(), Error> {
        std::mem::take(&mut self.mentions).write(connection).await?;
        std::mem::take(&mut self.pins).write(connection).await?;
        self.write_started(connection).await?;
        self.write_joined(connection).await?;
        self.write_left(connection).await?;
        self.subscriptions.write(connection).await?;
        self.write_counts(connection).await?;
        self.write_renamed(connection).await?;
        self.group.write(connection).await?;
        self.write_standing(connection).await?;
        self.write_changed_for(connection).await?;
        // Behind what has begun: it is noted with the conversation that there are threads.
        let threads = std::mem::take(&mut self.threads);
        self.write_active(connection).await?;
        threads.write(connection).await
    }

    /// One by one: PostgreSQL unnests no lists of lists, and they are few.
    async fn write_standing(&self, connection: &mut PgConnection) -> Result<(), Error> {
        for (conversation, standing) in &self.standing {
            sqlx::query("UPDATE conversation SET is_open = $2, barred_by = $3 WHERE conversation_id = $1")
                .bind(conversation)
                .bind(standing.is_open)
                .bind(standing.barred_by.iter().map(|account| account.0).collect::<Vec<_>>())
                .execute(&mut *connection)
                .await
                .map_err(Error::database("write how conversations stand"))?;
        }
        Ok(())
    }

    async fn write_changed_for(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.changed_for.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE member SET own_changed = change.position
             FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[]) AS change(conversation_id, account_id, position)
             WHERE member.conversation_id = change.conversation_id AND member.account_id = change.account_id",
        )
        .bind(self.changed_for.keys().map(|(conversation, _)| *conversation).collect::<Vec<_>>())
        .bind(self.changed_for.keys().map(|(_, account)| account.0).collect::<Vec<_>>())
        .bind(self.changed_for.values().map(|position| *position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write for whom conversations changed"))?;
        Ok(())
    }

    async fn write_started(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.started.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO conversation (conversation_id, kind, name, owner, last_seq, last_activity, join_policy,
                 shares_history, permissions)
             SELECT id, kind, name, owner, 0, time, CASE WHEN kind = 'channel' THEN 'open' ELSE 'invitation' END,
                 kind = 'channel', CASE WHEN kind = 'channel' THEN $6 END
             FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[])
                  AS change(id, kind, name, owner, time)
             ON CONFLICT DO NOTHING",
        )
        .bind(column(&self.started, |row| row.conversation))
        .bind(column(&self.started, |row| row.kind.as_str()))
        .bind(column(&self.started, |row| row.name.as_ref().map(ToString::to_string)))
        .bind(column(&self.started, |row| row.owner.map(|owner| owner.0)))
        .bind(column(&self.started, |row| OffsetDateTime::from(row.time)))
        .bind(serde_json::to_string(&Permissions::of_channel()).map_err(Error::Settings)?)
        .execute(connection)
        .await
        .map_err(Error::database("write started conversations"))?;
        Ok(())
    }

    async fn write_joined(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.joined.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO member (conversation_id, account_id, joined_seq, joined_position, joined_at, entered_seq)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::bigint[])
             ON CONFLICT DO NOTHING",
        )
        .bind(column(&self.joined, |row| row.conversation))
        .bind(column(&self.joined, |row| row.account.0))
        .bind(column(&self.joined, |row| row.joined_seq as i64))
        .bind(column(&self.joined, |row| row.position as i64))
        .bind(column(&self.joined, |row| OffsetDateTime::from(row.time)))
        .bind(column(&self.joined, |row| row.entered_seq as i64))
        .execute(connection)
        .await
        .map_err(Error::database("write members"))?;
        Ok(())
    }

    /// A stay is named by its beginning: the same batch may hold several of one person. New names and counts are written
    /// after this, so what stands is what the conversation was called before the batch, and how many were in.
    async fn write_left(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.left.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE member SET left_seq = change.left_seq, left_position = change.position,
                 left_name = coalesce(change.name, conversation.name),
                 left_count = CASE WHEN members_changed < change.position THEN member_count + change.delta
                              ELSE left_count END
             FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[])
                  AS change(conversation_id, account_id, joined_seq, left_seq, position, name, delta)
                  JOIN conversation USING (conversation_id)
             WHERE member.conversation_id = change.conversation_id AND member.account_id = change.account_id
             AND member.joined_seq = change.joined_seq",
        )
        .bind(column(&self.left, |row| row.conversation))
        .bind(column(&self.left, |row| row.account.0))
        .bind(column(&self.left, |row| row.joined_seq as i64))
        .bind(column(&self.left, |row| row.left_seq as i64))
        .bind(column(&self.left, |row| row.position as i64))
        .bind(column(&self.left, |row| row.name.as_ref().map(ToString::to_string)))
        .bind(column(&self.left, |row| row.delta))
        .execute(connection)
        .await
        .map_err(Error::database("write who left"))?;
        Ok(())
    }

    /// The one place that adds to what stands: a batch that comes again is known by the position that stands beside it.
    async fn write_counts(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.members.is_empty() {
            return Ok(());
        }
        let rolls: Vec<(&Uuid, &Roll)> = self.members.iter().collect();
        sqlx::query(
            "UPDATE conversation SET member_count = member_count + change.delta,
                 stay_count = stay_count + change.came, members_changed = change.last
             FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
                  AS change(id, first, last, delta, came)
             WHERE conversation_id = change.id AND members_changed < change.first",
        )
        .bind(column(&rolls, |(id, _)| **id))
        .bind(column(&rolls, |(_, roll)| roll.first as i64))
        .bind(column(&rolls, |(_, roll)| roll.last as i64))
        .bind(column(&rolls, |(_, roll)| roll.delta))
        .bind(column(&rolls, |(_, roll)| roll.came))
        .execute(connection)
        .await
        .map_err(Error::database("write how many are in"))?;
        Ok(())
    }

    async fn write_renamed(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.renamed.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE conversation SET name = change.name FROM UNNEST($1::uuid[], $2::text[]) AS change(id, name)
             WHERE conversation_id = change.id",
        )
        .bind(self.renamed.keys().copied().collect::<Vec<_>>())
        .bind(self.renamed.values().map(ToString::to_string).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write names of groups"))?;
        Ok(())
    }

    /// What changed without a message keeps its activity.
    async fn write_active(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let changed: Vec<(&Uuid, &Changed)> = self.changed.iter().collect();
        let active = |id: &Uuid| self.active.get(id);
        let signed = |position: u64| position as i64;
        sqlx::query(
            "UPDATE conversation SET last_seq = coalesce(change.seq, last_seq),
                 last_activity = coalesce(change.time, last_activity), lane = change.lane, changed = change.position,
                 messages_changed = coalesce(change.message, messages_changed),
                 recalled = coalesce(change.recall, recalled)
             FROM UNNEST($1::uuid[], $2::bigint[], $3::timestamptz[], $4::smallint[], $5::bigint[], $6::bigint[],
                         $7::bigint[])
                  AS change(id, seq, time, lane, position, message, recall)
             WHERE conversation_id = change.id",
        )
        .bind(column(&changed, |(id, _)| **id))
        .bind(column(&changed, |(id, _)| active(id).map(|(seq, _)| signed(*seq))))
        .bind(column(&changed, |(id, _)| active(id).map(|&(_, time)| OffsetDateTime::from(time))))
        .bind(column(&changed, |(_, change)| change.lane.number()))
        .bind(column(&changed, |(_, change)| signed(change.position)))
        .bind(column(&changed, |(_, change)| change.message.map(signed)))
        .bind(column(&changed, |(_, change)| change.recall.map(signed)))
        .execute(connection)
        .await
        .map_err(Error::database("write conversations' activity"))?;
        Ok(())
    }
}

/// What happens at a group's door, and who waits, changes nothing of what its members see of it.
fn is_shown_to_all(event: &Event) -> bool {
    !matches!(
        event,
        Event::StandingChanged { .. }
            | Event::Paused { .. }
            | Event::MembersInvited { .. }
            | Event::InvitationEnded { .. }
            | Event::JoinRequested { .. }
            | Event::JoinDeclined { .. }
            | Event::LinkMade { .. }
            | Event::LinkRevoked { .. }
            | Event::Banned { .. }
            | Event::Unbanned { .. }
    )
}

fn column<R, T>(rows: &[R], field: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
