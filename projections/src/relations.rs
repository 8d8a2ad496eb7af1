//! The projection `relations`: a batch is gathered noun by noun, then written with a few statements and its checkpoint
//! in one transaction.
//!
//! Events carry results, so nothing is read to write. What an event brings into being is inserted unless it is there
//! (ids are used once), what it changes is set: a batch that comes again changes nothing.

use crate::{
    Error, Projection, account, conversation, friendship, inbox,
    message::mark,
    pending,
    projector::{Batch, PACE, Projector},
    session, sql,
};
use natter_domain::Noun;
use natter_streams::{Record, fault, statement};
use sqlx::{Connection, PgConnection, PgPool};
use std::time::Duration;

pub(crate) struct Relations {
    pool: PgPool,
}

impl Relations {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

impl Projector for Relations {
    const PROJECTION: Projection = Projection::Relations;
    const PACE: Option<Duration> = Some(PACE);

    async fn apply(&mut self, batch: Batch<'_>) -> Result<(), Error> {
        let changes = Changes::of(batch)?;
        let written = async {
            let failed = || Error::database("begin to write relations");
            let mut connection = statement::lend(&self.pool).await.map_err(failed())?;
            let mut transaction = connection.begin().await.map_err(failed())?;
            batch.step().take(Projection::Relations, &mut transaction).await?;
            changes.write(&mut transaction).await?;
            transaction.commit().await.map_err(Error::database("commit relations"))?;
            connection.give_back();
            Ok(())
        };
        statement::within(sql::PATIENCE, Error::database("write relations"), written).await?;
        fault::reach("projection.relations.after_commit").await;
        Ok(())
    }
}

/// What a batch does to the tables.
#[derive(Default)]
struct Changes {
    account: account::project::Changes,
    session: session::project::Changes,
    friendship: friendship::project::Changes,
    conversation: conversation::project::Changes,
    inbox: inbox::project::Changes,
    marks: mark::Changes,
    pending: pending::project::Changes,
}

impl Changes {
    fn of(batch: Batch<'_>) -> Result<Self, Error> {
        let mut changes = Self::default();
        for record in batch.records {
            changes.note(record)?;
        }
        Ok(changes)
    }

    fn note(&mut self, record: &Record) -> Result<(), Error> {
        match record.noun {
            Noun::Account => self.account.note(record),
            Noun::Session => self.session.note(record),
            Noun::Friendship => self.friendship.note(record),
            Noun::Conversation => self.conversation.note(record),
            Noun::Inbox => self.inbox.note(record),
            // What became of it is history's; that something did is told to who asks what changed.
            Noun::Message => {
                let event = record.decode()?;
                self.marks.note(record, &event);
                self.conversation.note_message(record, &event);
                Ok(())
            }
            Noun::Subscription => self.conversation.note_subscription(record),
            Noun::Pending => self.pending.note(record),
            // Who holds which name is asked of the handle itself; what operators ask for is for who audits the log.
            Noun::Handle | Noun::Projection => Ok(()),
        }
    }

    async fn write(self, connection: &mut PgConnection) -> Result<(), Error> {
        let erased = self.account.erased();
        self.account.write(connection).await?;
        self.session.write(&erased, connection).await?;
        self.friendship.write(connection).await?;
        self.conversation.write(connection).await?;
        self.pending.write(&erased, connection).await?;
        self.marks.write(&erased, connection).await?;
        self.inbox.write(&erased, connection).await
    }
}
