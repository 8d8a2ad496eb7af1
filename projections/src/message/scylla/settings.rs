//! Where the cluster is and how it is asked. Plain values: who reads the configuration fills them in.

use scylla::statement::Consistency as Asked;
use std::{collections::BTreeMap, fmt, time::Duration};

#[derive(Clone)]
pub struct Settings {
    /// `host:port`, as many as there are: one that answers is enough.
    pub contact_points: Vec<String>,
    /// Made where it is missing. Small letters, digits and underscores.
    pub keyspace: String,
    /// Of `NetworkTopologyStrategy`: copies per data centre, or `replication_factor` for all of them. Counts only when
    /// the keyspace is made.
    pub replication: BTreeMap<String, u8>,
    /// The nearest one; its nodes are asked first, and `Local` means it.
    pub datacenter: Option<String>,
    pub user: Option<String>,
    pub password: Option<String>,
    pub reading: Consistency,
    pub writing: Consistency,
    /// Rows that one answer holds, where a whole partition may be read.
    pub page_size: i32,
    /// Of one statement. A read of several is given up after twice this.
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    /// A read that has no answer by then is put to another node too.
    pub speculate_after: Option<Duration>,
    /// Partitions that one batch of a lane is written to at once.
    pub writes_at_once: usize,
}

/// How many copies must have answered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Consistency {
    One,
    LocalOne,
    Quorum,
    #[default]
    LocalQuorum,
    EachQuorum,
    All,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Wrong {
    #[error("no contact point is named")]
    NoContactPoint,
    #[error("{0:?} is no name of a keyspace: small letters, digits and underscores, 48 at the most, a letter first")]
    Keyspace(String),
    #[error("replication names no data centre, one without copies, or one with a strange name")]
    Replication,
    #[error("a user goes with a password")]
    Credentials,
    #[error("a number is zero")]
    Zero,
}

impl Settings {
    /// All that has a default as it is by default: one copy.
    pub fn new(contact_points: Vec<String>, keyspace: &str) -> Self {
        Self {
            contact_points,
            keyspace: keyspace.to_owned(),
            replication: BTreeMap::from([("replication_factor".to_owned(), 1)]),
            datacenter: None,
            user: None,
            password: None,
            reading: Consistency::default(),
            writing: Consistency::default(),
            page_size: 1_000,
            read_timeout: Duration::from_secs(2),
            write_timeout: Duration::from_secs(5),
            speculate_after: Some(Duration::from_millis(100)),
            writes_at_once: 32,
        }
    }

    /// What goes into the text of statements is names only.
    pub fn check(&self) -> Result<(), Wrong> {
        let named =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if self.contact_points.is_empty() {
            return Err(Wrong::NoContactPoint);
        }
        if !is_keyspace(&self.keyspace) {
            return Err(Wrong::Keyspace(self.keyspace.clone()));
        }
        if self.replication.is_empty() || self.replication.iter().any(|(name, copies)| !named(name) || *copies == 0) {
            return Err(Wrong::Replication);
        }
        if self.user.is_some() != self.password.is_some() {
            return Err(Wrong::Credentials);
        }
        if self.page_size < 1 || self.writes_at_once == 0 || self.read_timeout.is_zero() || self.write_timeout.is_zero()
        {
            return Err(Wrong::Zero);
        }
        Ok(())
    }

    pub(super) fn create_keyspace(&self) -> String {
        let copies: String = self.replication.iter().map(|(name, copies)| format!(", '{name}': '{copies}'")).collect();
        let keyspace = &self.keyspace;
        format!(
            "CREATE KEYSPACE IF NOT EXISTS {keyspace}
             WITH replication = {{'class': 'NetworkTopologyStrategy'{copies}}} AND durable_writes = true"
        )
    }
}

fn is_keyspace(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.len() <= 48 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(letters)
}

impl From<Consistency> for Asked {
    fn from(consistency: Consistency) -> Self {
        match consistency {
            Consistency::One => Self::One,
            Consistency::LocalOne => Self::LocalOne,
            Consistency::Quorum => Self::Quorum,
            Consistency::LocalQuorum => Self::LocalQuorum,
            Consistency::EachQuorum => Self::EachQuorum,
            Consistency::All => Self::All,
        }
    }
}

/// Without the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contact_points, keyspace, replication, datacenter, user, .. } = self;
        f.debug_struct("Settings")
            .field("contact_points", contact_points)
            .field("keyspace", keyspace)
            .field("replication", replication)
            .field("datacenter", datacenter)
            .field("user", user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new(vec!["127.0.0.1:9042".into()], "natter")
    }

    #[test]
    fn what_would_not_work_is_refused() {
        assert_eq!(settings().check(), Ok(()));
        let wrong = |change: fn(&mut Settings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.check().unwrap_err()
        };
        assert_eq!(wrong(|settings| settings.contact_points.clear()), Wrong::NoContactPoint);
        assert_eq!(wrong(|settings| settings.keyspace = "a; DROP".into()), Wrong::Keyspace("a; DROP".into()));
        assert_eq!(wrong(|settings| settings.keyspace = "1a".into()), Wrong::Keyspace("1a".into()));
        assert_eq!(wrong(|settings| settings.replication.clear()), Wrong::Replication);
        assert_eq!(wrong(|settings| settings.replication = BTreeMap::from([("a'".into(), 1)])), Wrong::Replication);
        assert_eq!(wrong(|settings| settings.replication = BTreeMap::from([("a".into(), 0)])), Wrong::Replication);
        assert_eq!(wrong(|settings| settings.user = Some("natter".into())), Wrong::Credentials);
        assert_eq!(wrong(|settings| settings.writes_at_once = 0), Wrong::Zero);
    }

    #[test]
    fn a_keyspace_has_its_copies_per_data_centre() {
        let replication = BTreeMap::from([("east".to_owned(), 3), ("west-1".to_owned(), 2)]);
        let text = Settings { replication, ..settings() }.create_keyspace();
        assert!(text.contains("{'class': 'NetworkTopologyStrategy', 'east': '3', 'west-1': '2'}"), "{text}");
    }

    #[test]
    fn the_password_is_not_printed() {
        let settings = Settings { user: Some("natter".into()), password: Some("hunter2".into()), ..settings() };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
