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
    (12, "generation", include_str!("../postgres/0012_generation.sql")),
    (13, "sync", include_str!("../postgres/0013_sync.sql")),
    (14, "aside", include_str!("../postgres/0014_aside.sql")),
    (15, "left", include_str!("../postgres/0015_left.sql")),
    (16, "skipped", include_str!("../postgres/0016_skipped.sql")),
    (17, "session", include_str!("../postgres/0017_session.sql")),
    (18, "profile", include_str!("../postgres/0018_profile.sql")),
    (19, "outbox", include_str!("../postgres/0019_outbox.sql")),
    (20, "standing", include_str!("../postgres/0020_standing.sql")),
    (21, "door", include_str!("../postgres/0021_door.sql")),
    (22, "key", include_str!("../postgres/0022_key.sql")),
    (23, "erased", include_str!("../postgres/0023_erased.sql")),
    (24, "identity", include_str!("../postgres/0024_identity.sql")),
    (25, "crowd", include_str!("../postgres/0025_crowd.sql")),
    (26, "friend", include_str!("../postgres/0026_friend.sql")),
    (27, "inbox", include_str!("../postgres/0027_inbox.sql")),
    (28, "group", include_str!("../postgres/0028_group.sql")),
    (29, "channel", include_str!("../postgres/0029_channel.sql")),
    (30, "nickname", include_str!("../postgres/0030_nickname.sql")),
    (31, "dissolved", include_str!("../postgres/0031_dissolved.sql")),
    (32, "details", include_str!("../postgres/0032_details.sql")),
    (33, "presence", include_str!("../postgres/0033_presence.sql")),
    (34, "receipt", include_str!("../postgres/0034_receipt.sql")),
    (36, "afterwards", include_str!("../postgres/0036_afterwards.sql")),
    (37, "thread", include_str!("../postgres/0037_thread.sql")),
    (38, "pending", include_str!("../postgres/0038_pending.sql")),
    (39, "own", include_str!("../postgres/0039_own.sql")),
    (40, "self_destruct", include_str!("../postgres/0040_self_destruct.sql")),
    (41, "pending_room", include_str!("../postgres/0041_pending_room.sql")),
];

/// Number, name and text of every file in `scylla/`; a test compares with the folder. They are applied by who has a
/// driver, statement by statement.
pub const SCYLLA: &[(i64, &str, &str)] = &[
    (1, "history", include_str!("../scylla/0001_history.cql")),
    (2, "details", include_str!("../scylla/0002_details.cql")),
    (3, "afterwards", include_str!("../scylla/0003_afterwards.cql")),
    (5, "self_destruct", include_str!("../scylla/0005_self_destruct.cql")),
];

/// What an applied file is known by, as hexadecimal digits.
pub fn checksum(number: i64, name: &'static str, text: &'static str) -> String {
    let file = Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, Cow::Borrowed(text), false);
    file.checksum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The statements of a file: without its comments, parted at semicolons, of which no text of ours has any inside.
pub fn statements(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code)).collect();
    code.join("\n").split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

/// Brings the database to the newest shape. Safe to call from many processes: the first takes a lock.
pub async fn apply(pool: &PgPool) -> Result<(), MigrateError> {
    let migrations = POSTGRES.iter().map(|&(number, name, sql)| {
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, Cow::Borrowed(sql), false)
    });
    Migrator { migrations: Cow::Owned(migrations.collect()), ..Migrator::DEFAULT }.run(pool).await
}

#[cfg(test)]
mod tests {
    use super::{POSTGRES, SCYLLA, checksum, statements};

    #[test]
    fn every_file_is_embedded() {
        assert_eq!(files("postgres"), embedded(POSTGRES, "sql"));
        assert_eq!(files("scylla"), embedded(SCYLLA, "cql"));
    }

    fn files(folder: &str) -> Vec<String> {
        let folder = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(folder).expect("the folder is there");
        let mut names: Vec<_> = files
            .map(|file| file.expect("a file can be listed").file_name().into_string().expect("its name is text"))
            .collect();
        names.sort();
        names
    }

    fn embedded(files: &[(i64, &str, &str)], ending: &str) -> Vec<String> {
        files.iter().map(|(number, name, _)| format!("{number:04}_{name}.{ending}")).collect()
    }

    #[test]
    fn a_file_is_parted_into_statements_without_comments() {
        let text = "-- one; two\nCREATE a (\n    b int -- three;\n);\n\nCREATE c;\n-- end\n";
        assert_eq!(statements(text), ["CREATE a (\n    b int \n)", "CREATE c"]);
    }

    #[test]
    fn another_text_has_another_checksum() {
        assert_eq!(checksum(1, "one", "a"), checksum(1, "one", "a"));
        assert_ne!(checksum(1, "one", "a"), checksum(1, "one", "b"));
    }
}
