//! Where the history that people scroll is kept, and how a CQL cluster is reached for it.

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use natter_projections::message::scylla::{self, Consistency};
use std::{
    collections::BTreeMap,
    net::Ipv6Addr,
    path::{Path, PathBuf},
};

use crate::servers::Cql;

const KEYSPACE: &str = "natter";
/// One copy, where a single node of either database says that it is.
const REPLICATION: &str = "datacenter1:1";
const CONSISTENCY: &str = "local_quorum";
/// Cassandra lets names be of 48 letters, and each generation adds its number.
const LONGEST_KEYSPACE: usize = 40;

/// As it is told; [`HistoryArgs::history`] is what it means.
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// Where the history is kept.
    #[arg(long = "history", env = "NATTER_HISTORY", value_enum, default_value = "postgres")]
    pub store: Store,
    /// Nodes of the CQL cluster to begin with, `host:port`, comma separated; the others are learnt from them.
    #[arg(long, env = "NATTER_CQL_NODES", default_value = "")]
    pub cql_nodes: String,
    /// Each generation of the history has a keyspace of this name and its number; made when it begins.
    #[arg(long, env = "NATTER_CQL_KEYSPACE", default_value = KEYSPACE)]
    pub cql_keyspace: String,
    /// Copies in each datacenter, `name:count`, comma separated; counts when the keyspace is made.
    #[arg(long, env = "NATTER_CQL_REPLICATION", default_value = REPLICATION)]
    pub cql_replication: String,
    /// The nearest datacenter: its nodes are asked first. Wanted where there are several.
    #[arg(long, env = "NATTER_CQL_DATACENTER", default_value = "")]
    pub cql_datacenter: String,
    /// How many copies must answer a read: one, local_one, quorum, local_quorum, all.
    #[arg(long, env = "NATTER_CQL_READ_CONSISTENCY", default_value = CONSISTENCY)]
    pub cql_read_consistency: String,
    /// How many copies must have a write: those, and each_quorum.
    #[arg(long, env = "NATTER_CQL_WRITE_CONSISTENCY", default_value = CONSISTENCY)]
    pub cql_write_consistency: String,
    /// Whom to sign in as, where the cluster asks for it.
    #[arg(long, env = "NATTER_CQL_USER", default_value = "")]
    pub cql_user: String,
    /// The file with that user's password.
    #[arg(long, env = "NATTER_CQL_PASSWORD_FILE")]
    pub cql_password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Store {
    /// The first PostgreSQL, beside the other projections.
    Postgres,
    /// ScyllaDB, or another cluster that speaks CQL.
    Scylla,
}

/// Where a new installation keeps the history, and the cluster where it may be.
#[derive(Clone, Debug)]
pub struct History {
    pub store: natter_projections::Store,
    pub cluster: Option<Box<scylla::Settings>>,
}

/// What it is when nobody says anything.
impl Default for HistoryArgs {
    fn default() -> Self {
        Self {
            store: Store::Postgres,
            cql_nodes: String::new(),
            cql_keyspace: KEYSPACE.to_owned(),
            cql_replication: REPLICATION.to_owned(),
            cql_datacenter: String::new(),
            cql_read_consistency: CONSISTENCY.to_owned(),
            cql_write_consistency: CONSISTENCY.to_owned(),
            cql_user: String::new(),
            cql_password_file: None,
        }
    }
}

impl HistoryArgs {
    /// Refuses what cannot be meant, also of a cluster that is not used.
    pub fn history(&self) -> Result<History> {
        let cluster = self.cluster()?;
        let is_named = !cluster.contact_points.is_empty();
        let store = match self.store {
            Store::Postgres => natter_projections::Store::Postgres,
            Store::Scylla => natter_projections::Store::Scylla,
        };
        ensure!(
            is_named || self.store == Store::Postgres,
            "NATTER_CQL_NODES is not set, and the history is to be kept in ScyllaDB"
        );
        Ok(History { store, cluster: is_named.then(|| Box::new(cluster)) })
    }

    /// The CQL server that one machine needs for it.
    pub fn plan(&self) -> Result<Cql> {
        let nodes = self.cluster()?.contact_points;
        Ok(match self.store {
            Store::Postgres => Cql::None,
            Store::Scylla if nodes.is_empty() => Cql::Private,
            Store::Scylla => Cql::Given(nodes),
        })
    }

    /// The same, on this node where none is named.
    pub fn or_on(self, node: Option<&String>) -> Self {
        if self.cql_nodes.trim().is_empty() {
            self.on(node.map(std::slice::from_ref).unwrap_or_default())
        } else {
            self
        }
    }

    /// The same on these nodes; without any nothing is changed.
    pub fn on(mut self, nodes: &[String]) -> Self {
        if !nodes.is_empty() {
            self.cql_nodes = nodes.join(",");
        }
        self
    }

    fn cluster(&self) -> Result<scylla::Settings> {
        let listed = self.cql_nodes.split(',').map(str::trim).filter(|_| !self.cql_nodes.trim().is_empty());
        let nodes = listed.map(node).collect::<Result<_>>().context("NATTER_CQL_NODES")?;
        let keyspace = keyspace(given(&self.cql_keyspace, KEYSPACE)).context("NATTER_CQL_KEYSPACE")?;
        let (user, password) = self.user()?.unzip();
        Ok(scylla::Settings {
            replication: replication(given(&self.cql_replication, REPLICATION)).context("NATTER_CQL_REPLICATION")?,
            datacenter: Some(self.cql_datacenter.clone()).filter(|name| !name.is_empty()),
            reading: consistency(&self.cql_read_consistency).context("NATTER_CQL_READ_CONSISTENCY")?,
            writing: consistency(&self.cql_write_consistency).context("NATTER_CQL_WRITE_CONSISTENCY")?,
            user,
            password,
            ..scylla::Settings::new(nodes, &keyspace)
        })
    }

    /// Name and password.
    fn user(&self) -> Result<Option<(String, String)>> {
        let file = self.cql_password_file.as_deref().filter(|path| !path.as_os_str().is_empty());
        match (self.cql_user.as_str(), file) {
            ("", None) => Ok(None),
            ("", Some(_)) => bail!("NATTER_CQL_PASSWORD_FILE is set and NATTER_CQL_USER is not"),
            (_, None) => bail!("NATTER_CQL_USER is set and NATTER_CQL_PASSWORD_FILE is not"),
            (name, Some(file)) => {
                let password =
                    password(file).with_context(|| format!("NATTER_CQL_PASSWORD_FILE {}", file.display()))?;
                Ok(Some((name.to_owned(), password)))
            }
        }
    }
}

fn consistency(text: &str) -> Result<Consistency> {
    Ok(match given(text, CONSISTENCY) {
        "one" => Consistency::One,
        "local_one" => Consistency::LocalOne,
        "quorum" => Consistency::Quorum,
        "local_quorum" => Consistency::LocalQuorum,
        "each_quorum" => Consistency::EachQuorum,
        "all" => Consistency::All,
        other => bail!("`{other}` is none of one, local_one, quorum, local_quorum, each_quorum, all"),
    })
}

/// An empty variable is what scripts and compose files make of one that is not set.
fn given<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn node(text: &str) -> Result<String> {
    let is_node = text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port));
    ensure!(is_node, "`{text}` is not host:port");
    Ok(text.to_owned())
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Lower case, because unquoted names are: `Natter` would be another keyspace to some tools.
fn keyspace(text: &str) -> Result<String> {
    let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    ensure!(
        starts_well && plain && text.len() <= LONGEST_KEYSPACE,
        "`{text}`: a lower case letter, then up to {} lower case letters, digits and underscores",
        LONGEST_KEYSPACE - 1
    );
    let is_theirs = text.split('_').next() == Some("system");
    ensure!(!is_theirs, "`{text}` belongs to the database itself");
    Ok(text.to_owned())
}

fn replication(text: &str) -> Result<BTreeMap<String, u8>> {
    let mut copies = BTreeMap::new();
    for part in text.split(',').map(str::trim) {
        let (name, count) = part.split_once(':').with_context(|| format!("`{part}` is not datacenter:copies"))?;
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        ensure!(plain && !name.is_empty(), "`{name}` is no name of a datacenter");
        let count = count.parse().ok().filter(|count| (1..=100).contains(count));
        let count = count.with_context(|| format!("`{part}`: 1 to 100 copies"))?;
        ensure!(copies.insert(name.to_owned(), count).is_none(), "`{name}` is there twice");
    }
    Ok(copies)
}

/// Without the line's end that editors put there.
fn password(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file)?;
    let password = text.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty() && !password.contains('\n'), "not one line with a password");
    Ok(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: HistoryArgs,
    }

    fn cluster(change: impl FnOnce(&mut HistoryArgs)) -> Result<scylla::Settings> {
        let mut args = HistoryArgs { store: Store::Scylla, cql_nodes: "a:9042".to_owned(), ..HistoryArgs::default() };
        change(&mut args);
        Ok(*args.history()?.cluster.expect("nodes are named"))
    }

    /// The chain of causes, as `natter` prints it.
    fn refusal(change: impl FnOnce(&mut HistoryArgs)) -> String {
        format!("{:#}", cluster(change).expect_err("refused"))
    }

    #[test]
    fn postgresql_is_the_default() {
        let line = Line::parse_from(["natter"]).args;
        let history = line.history().unwrap();
        assert_eq!(history.store, natter_projections::Store::Postgres);
        assert!(history.cluster.is_none());
        assert_eq!(line.plan().unwrap(), Cql::None);
        assert_eq!(format!("{line:?}"), format!("{:?}", HistoryArgs::default()));
    }

    #[test]
    fn a_cluster_is_told_in_full() {
        let words =
            ["natter", "--history", "scylla", "--cql-nodes", "a:9042, [::1]:9043", "--cql-replication", "x:3,y-2:2"];
        let args = Line::parse_from(words).args;
        let settings = args.history().unwrap().cluster.unwrap();
        assert_eq!(settings.contact_points, ["a:9042", "[::1]:9043"]);
        assert_eq!(settings.keyspace, "natter");
        assert_eq!(settings.replication, BTreeMap::from([("x".to_owned(), 3), ("y-2".to_owned(), 2)]));
        assert_eq!(settings.user, None);
        assert_eq!(args.plan().unwrap(), Cql::Given(settings.contact_points));
    }

    #[test]
    fn without_nodes_one_machine_starts_its_own_and_a_node_of_many_is_refused() {
        let args = HistoryArgs { store: Store::Scylla, ..HistoryArgs::default() };
        assert_eq!(args.plan().unwrap(), Cql::Private);
        assert!(args.history().unwrap_err().to_string().contains("NATTER_CQL_NODES is not set"));
        let settings = args.on(&["127.0.0.1:19042".to_owned()]).history().unwrap().cluster.unwrap();
        assert_eq!(settings.contact_points, ["127.0.0.1:19042"]);
    }

    #[test]
    fn bad_values_are_refused_by_their_variables_name() {
        for nodes in
            ["a", "a:", ":9042", "a:0", "a:65536", "a:+1", "a:1,,b:1", "::1:9042", "[::g]:1", "a b:1", "http://a:1"]
        {
            let told = refusal(|args| nodes.clone_into(&mut args.cql_nodes));
            assert!(told.starts_with("NATTER_CQL_NODES: "), "{nodes}: {told}");
        }
        for keyspace in ["Natter", "1a", "_a", "a-b", "a;drop", "system", "system_auth", &"a".repeat(41)] {
            let told = refusal(|args| keyspace.clone_into(&mut args.cql_keyspace));
            assert!(told.starts_with("NATTER_CQL_KEYSPACE: "), "{keyspace}: {told}");
        }
        for replication in ["3", "a:", "a:0", "a:101", "a:x", ":1", "a':1", "a:1,a:2", "a:1,"] {
            let told = refusal(|args| replication.clone_into(&mut args.cql_replication));
            assert!(told.starts_with("NATTER_CQL_REPLICATION: "), "{replication}: {told}");
        }
    }

    #[test]
    fn copies_are_asked_as_they_are_told() {
        let told = cluster(|args| {
            args.cql_read_consistency = "local_one".to_owned();
            args.cql_datacenter = "near".to_owned();
        });
        let told = told.unwrap();
        assert_eq!((told.reading, told.writing), (Consistency::LocalOne, Consistency::LocalQuorum));
        assert_eq!(told.datacenter.as_deref(), Some("near"));
        let refused = refusal(|args| args.cql_write_consistency = "some".to_owned());
        assert!(refused.starts_with("NATTER_CQL_WRITE_CONSISTENCY: "), "{refused}");
    }

    #[test]
    fn a_user_has_a_password_that_is_not_shown() {
        let file = std::env::temp_dir().join(format!("natter-cql-password-{}", std::process::id()));
        std::fs::write(&file, "open sesame\n").unwrap();
        let both = |args: &mut HistoryArgs| {
            args.cql_user = "natter".to_owned();
            args.cql_password_file = Some(file.clone());
        };
        let settings = cluster(both).unwrap();
        assert!(!format!("{settings:?}").contains("sesame"), "{settings:?}");
        assert_eq!(settings.password.unwrap(), "open sesame");

        let alone = refusal(|args| args.cql_user = "natter".to_owned());
        assert!(alone.contains("NATTER_CQL_PASSWORD_FILE is not"), "{alone}");
        let nameless = refusal(|args| args.cql_password_file = Some(file.clone()));
        assert!(nameless.contains("NATTER_CQL_USER is not"), "{nameless}");
        std::fs::write(&file, "\n").unwrap();
        assert!(refusal(both).contains("not one line with a password"));
        std::fs::remove_file(&file).unwrap();
        assert!(refusal(both).starts_with("NATTER_CQL_PASSWORD_FILE /"));
    }
}
