//! The shapes of Natter's tables: embeds the files of `postgres/` and applies each once, in order.
//! A file that was applied is never edited afterwards; its checksum is compared at every start.

use sqlx::{
    PgPool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};
use std::borrow::Cow;

/// Number, name and text of every file in `postgres/`; a test compares with the folder.
pub const POSTGRES: &[(i64, &str, &str)] = &[
    (1, "log", include_str!("../postgres/0001_log.sql")),
    (2, "relations", include_str!("../postgres/0002_relations.sql")),
    (3, "history", include_str!("../postgres/0003_history.sql")),
    (4, "lease", include_str!("../postgres/0004_lease.sql")),
    (5, "stores", include_str!("../postgres/0005_stores.sql")),
    (6, "repair", include_str!("../postgres/0006_repair.sql")),
    (7, "snapshot", include_str!("../postgres/0007_snapshot.sql")),
    (8, "timer", include_str!("../postgres/0008_timer.sql")),
    (9, "contact", include_str!("../postgres/0009_contact.sql")),
    (10, "message", include_str!("../postgres/0010_message.sql")),
    (11, "group", include_str!("../postgres/0011_group.sql")),
    (13, "sync", include_str!("../postgres/0013_sync.sql")),
];

/// Brings the database to the newest shape. Safe to call from many processes: the first takes a lock.
pub async fn apply(pool: &PgPool) -> Result<(), MigrateError> {
    let migrations = POSTGRES.iter().map(|&(number, name, sql)| {
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, Cow::Borrowed(sql), false)
    });
    Migrator { migrations: Cow::Owned(migrations.collect()), ..Migrator::DEFAULT }.run(pool).await
}

#[cfg(test)]
mod tests {
    use super::POSTGRES;

    #[test]
    fn every_file_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/postgres");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let embedded: Vec<_> = POSTGRES.iter().map(|(number, name, _)| format!("{number:04}_{name}.sql")).collect();
        assert_eq!(files, embedded);
    }
}
