//! Lists of friends, and the folders that they are in. What a folder is called only its owner's key tells; it is sealed so
//! that the same name always gives the same value, by which friends are sought and counted.

use super::Query;
use crate::{
    Error, Page,
    account::card::{self, Viewer},
    page::Cursor,
    sync::{After, Since},
};
use natter_client::wire;
use natter_domain::{AccountId, Sealed, Timestamp};
use natter_streams::statement;
use sqlx::{FromRow, Row as _, postgres::PgRow, types::time::OffsetDateTime};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Which friends are listed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Which {
    pub folder: Option<String>,
    pub starred: Option<bool>,
}

struct Row {
    friend_id: Uuid,
    since: OffsetDateTime,
    conversation_id: Uuid,
    remark: Option<String>,
    folder: Option<String>,
    starred: bool,
    ended: bool,
    /// Which state of the friend's account is the newest.
    changed: Option<i64>,
    writer: Option<i64>,
}

impl FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            friend_id: row.try_get("friend_id")?,
            since: row.try_get("since")?,
            conversation_id: row.try_get("conversation_id")?,
            remark: row.try_get("remark")?,
            folder: row.try_get("folder")?,
            starred: row.try_get("starred")?,
            ended: row.try_get("ended")?,
            changed: row.try_get("changed")?,
            writer: row.try_get("writer")?,
        })
    }
}

const COLUMNS: &str = "friend_id, since, friendship.conversation_id, remark, folder, starred, ended,
    account.changed, account.xmin::text::bigint AS writer";

const JOINED: &str = "FROM friendship
    LEFT JOIN account ON account.account_id = friend_id AND registered_at IS NOT NULL";

impl Query<'_> {
    /// The viewer's friends, the newest first.
    pub async fn friends(
        &self,
        viewer: AccountId,
        which: &Which,
        page: &Page,
    ) -> Result<wire::PageOf<wire::Friend>, Error> {
        let (time, id) = page.after()?;
        let within = match &which.folder {
            Some(folder) => Some(self.0.keys.of_account(viewer).await?.seal_alike(folder.as_bytes()).to_string()),
            None => None,
        };
        // Accounts are looked at for the rows of the page only.
        let sql = format!(
            "SELECT {COLUMNS} FROM (
                 SELECT * FROM friendship WHERE account_id = $1 AND NOT ended
                 AND ($2::timestamptz IS NULL OR (since, friend_id) < ($2, $3::uuid))
                 AND ($5::text IS NULL OR folder = $5) AND ($6::boolean IS NULL OR starred = $6)
                 ORDER BY since DESC, friend_id DESC LIMIT $4) AS friendship
             LEFT JOIN account ON account.account_id = friend_id AND registered_at IS NOT NULL
             ORDER BY since DESC, friend_id DESC"
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(viewer.0)
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .bind(within)
            .bind(which.starred)
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list friends"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.since.into(), id: row.friend_id });
        Ok(wire::PageOf { items: self.friends_shown(viewer, rows).await?, next_cursor })
    }

    /// One of them.
    pub async fn friend(&self, viewer: AccountId, friend: AccountId) -> Result<Option<wire::Friend>, Error> {
        let sql =
            format!("SELECT {COLUMNS} {JOINED} WHERE friendship.account_id = $1 AND friend_id = $2 AND NOT ended");
        let rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(viewer.0)
            .bind(friend.0)
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read a friend"))?;
        Ok(self.friends_shown(viewer, rows).await?.pop())
    }

    /// The viewer's friends that changed, or whose account did, and those who are friends no more.
    pub(crate) async fn friends_changed(
        &self,
        since: Since<'_>,
    ) -> Result<(Vec<wire::Friend>, Vec<Uuid>, Option<After>), Error> {
        let sql = format!(
            "SELECT {COLUMNS} {JOINED}
             WHERE friendship.account_id = $1 AND friend_id > $3 AND NOT (ended AND $5)
               AND (friendship.changed > ($2::bigint[])[friendship.lane + 1]
                    OR (NOT ended AND account.changed > ($2::bigint[])[account.lane + 1]))
             ORDER BY friend_id LIMIT $4"
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(since.viewer.0)
            .bind(since.positions())
            .bind(since.after.id)
            .bind(since.rows())
            .bind(since.told.is_nothing())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read which friends changed"))?;
        let rest = since.cut(&mut rows, |row| After { id: row.friend_id, number: 0 });
        let (ended, rows): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.ended);
        let removed = ended.into_iter().map(|row| row.friend_id).collect();
        Ok((self.friends_shown(since.viewer, rows).await?, removed, rest))
    }

    async fn friends_shown(&self, viewer: AccountId, rows: Vec<Row>) -> Result<Vec<wire::Friend>, Error> {
        let wanted = rows.iter().map(|row| (AccountId(row.friend_id), card::state(row.changed, row.writer)));
        let mut cards = card::shown(self.0, wanted).await?;
        let sealed = rows.iter().flat_map(|row| [&row.remark, &row.folder]).flatten();
        let keys = sealed.filter_map(|text| Some((viewer.0, Sealed::key_of(text)?)));
        let opener = self.0.keys.opener(keys.collect::<Vec<_>>()).await?;
        let open = |text: Option<String>| opener.open_text(viewer.0, &Sealed::parse(&text?)?);
        let friend = |row: Row| {
            let id = AccountId(row.friend_id);
            wire::Friend {
                account: cards.remove(&id).map_or_else(|| card::unknown(id), |card| card.to(Viewer::Friend)),
                remark: open(row.remark),
                folder: open(row.folder),
                starred: row.starred,
                since: Timestamp::from(row.since).to_string(),
                conversation_id: row.conversation_id,
            }
        };
        Ok(rows.into_iter().map(friend).collect())
    }

    /// The viewer's folders in their order, those that no friend is in too; then those that the order does not name.
    pub async fn folders(&self, viewer: AccountId) -> Result<Vec<wire::FriendFolder>, Error> {
        let mut counts = BTreeMap::<String, u64>::new();
        for (folder, count) in self.filed(viewer).await? {
            *counts.entry(folder).or_default() += count;
        }
        let ordered = self.folder_order(viewer).await?;
        let of = |name: String, count| wire::FriendFolder { name, count };
        let mut folders: Vec<_> = ordered
            .into_iter()
            .map(|name| {
                let count = counts.remove(&name).unwrap_or_default();
                of(name, count)
            })
            .collect();
        folders.extend(counts.into_iter().map(|(name, count)| of(name, count)));
        Ok(folders)
    }

    /// The folders that friends are in, and how many are.
    async fn filed(&self, viewer: AccountId) -> Result<Vec<(String, u64)>, Error> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT folder, count(*) FROM friendship WHERE account_id = $1 AND NOT ended AND folder IS NOT NULL
             GROUP BY folder",
        )
        .bind(viewer.0)
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("count friends by folder"))?;
        let keys = rows.iter().filter_map(|(folder, _)| Some((viewer.0, Sealed::key_of(folder)?)));
        let opener = self.0.keys.opener(keys.collect::<Vec<_>>()).await?;
        let open = |text: &str| opener.open_text(viewer.0, &Sealed::parse(text)?);
        Ok(rows.into_iter().filter_map(|(folder, count)| Some((open(&folder)?, count as u64))).collect())
    }

    /// The order of the viewer's folders, as they set it last.
    async fn folder_order(&self, viewer: AccountId) -> Result<Vec<String>, Error> {
        let row: Option<Option<String>> =
            sqlx::query_scalar("SELECT friend_folders FROM account WHERE account_id = $1")
                .bind(viewer.0)
                .fetch_optional(statement::bounded(&self.0.pool()))
                .await
                .map_err(Error::database("read the order of folders"))?;
        self.names(viewer, row.flatten()).await
    }

    /// The same, if it changed.
    pub(crate) async fn folder_order_changed(&self, since: Since<'_>) -> Result<Option<Vec<String>>, Error> {
        let row: Option<String> = sqlx::query_scalar(
            "SELECT friend_folders FROM account WHERE account_id = $1 AND friend_folders IS NOT NULL
             AND friend_folders_changed > ($2::bigint[])[lane + 1]",
        )
        .bind(since.viewer.0)
        .bind(since.positions())
        .fetch_optional(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read whether the order of folders changed"))?;
        match row {
            Some(sealed) => self.names(since.viewer, Some(sealed)).await.map(Some),
            None => Ok(None),
        }
    }

    async fn names(&self, viewer: AccountId, text: Option<String>) -> Result<Vec<String>, Error> {
        let Some(sealed) = text.as_deref().and_then(Sealed::parse) else { return Ok(Vec::new()) };
        let opener = self.0.keys.opener(vec![(viewer.0, sealed.key)]).await?;
        let json = opener.open_text(viewer.0, &sealed);
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
    }
}
