//! Every setting of a running Natter: from `NATTER_*` variables, each with its default.

mod content;
mod door;
mod group;
mod history;
mod letters;
mod master;
mod message;
mod oidc;

pub use content::{Content, ContentArgs};
pub use door::{DoorArgs, network};
pub use group::GroupArgs;
pub use history::{History, HistoryArgs, Store};
pub use letters::LetterArgs;
pub use master::{MasterArgs, make_newest};
pub use message::MessageArgs;
pub use oidc::OidcArgs;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use natter_commands::Cost;
use natter_domain::{Username, account::Policy};
use natter_streams::{lease, sealing::Masters};
use std::{
    fs::OpenOptions,
    io::{Read, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// What `natter serve` and `natter run` are told.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Where the doors are; a process without doors answers `/healthz`, `/readyz` and `/metrics` there.
    #[arg(long, env = "NATTER_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// What this process does: any of `edge`, `commands`, `projections`, comma separated.
    #[arg(long, env = "NATTER_ROLES", value_delimiter = ',', default_value = "edge,commands,projections")]
    pub roles: Vec<Role>,
    /// What this process is called among those that share the work; no two that live may have one name [default: the
    /// host's name and the address it listens on].
    #[arg(long, env = "NATTER_NODE", value_parser = node_name)]
    pub node: Option<String>,
    /// Milliseconds after which what a process held is taken by others, if it is not heard of.
    #[arg(long, env = "NATTER_LEASE_MS", default_value = "5000", value_parser = lease_millis)]
    pub lease: Duration,
    /// Where the installation's key and private servers' data are kept [default: .natter].
    #[arg(long, env = "NATTER_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The file with the installation's key, 64 hexadecimal digits; made in the data directory at the first start.
    #[arg(long, env = "NATTER_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    #[command(flatten)]
    pub master: MasterArgs,
    /// Lanes of a new installation, 1 to 256 [default: 16]. Cannot be changed later.
    #[arg(long, env = "NATTER_LANES")]
    pub lanes: Option<u16>,
    /// PostgreSQL servers that hold some of the lanes: `08-0f=postgres://b/natter,...`, lanes as two hexadecimal digits.
    /// Lanes that are not named are on the database url's server. A placed lane does not move by itself.
    #[arg(long, env = "NATTER_LANE_STORES", default_value = "", hide_env_values = true)]
    pub lane_stores: String,
    /// What hashing a password costs: `cheap` is for tests only.
    #[arg(long, env = "NATTER_ARGON2", default_value = "standard", value_parser = cost)]
    pub argon2: Cost,
    /// Sessions of one person: `many`, `max:N`, or one per `platform`. The newest wins; the older one is revoked.
    #[arg(long, env = "NATTER_SESSIONS", default_value = "many", value_parser = session_policy)]
    pub sessions: Policy,
    /// User names that nobody new gets, separated by commas; who has one keeps it. Compared as user names are.
    #[arg(long, env = "NATTER_RESERVED_NAMES", default_value = RESERVED_NAMES, value_parser = names)]
    pub reserved_names: Names,
    /// Days that somebody who wants their account closed has to think of it again, 0 to 365.
    #[arg(long, env = "NATTER_CLOSING_GRACE_DAYS", default_value = "14", value_parser = days)]
    pub closing_grace: Duration,
    #[command(flatten)]
    pub groups: GroupArgs,
    #[command(flatten)]
    pub messages: MessageArgs,
    /// So many members, those who have left counted, make a group a crowd: what is said there is told once to every process with doors, which hands it
    /// to those who are connected to it. At least 2. The same on every node that runs projections.
    #[arg(long, env = "NATTER_CROWD_MIN", default_value = "256", value_parser = clap::value_parser!(u64).range(2..))]
    pub crowd_min: u64,
    /// Whether people who are no friends may write to those whose settings take it.
    #[arg(long, env = "NATTER_STRANGERS", default_value = "off", value_parser = ["off", "on"])]
    pub strangers: String,
    /// Milliseconds between the pings of a WebSocket.
    #[arg(long, env = "NATTER_HEARTBEAT_MS", default_value = "25000", value_parser = millis)]
    pub heartbeat: Duration,
    /// `off` lifts rates (how often codes are sent too), and what one address or account may have at once; never shapes and
    /// sizes.
    #[arg(long, env = "NATTER_LIMITS", default_value = "standard", value_parser = ["standard", "off"])]
    pub limits: String,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub letters: LetterArgs,
    #[command(flatten)]
    pub oidc: OidcArgs,
    #[command(flatten)]
    pub content: ContentArgs,
    #[command(flatten)]
    pub door: DoorArgs,
}

/// Names that look like somebody who may do more.
const RESERVED_NAMES: &str =
    "abuse,admin,administrator,help,moderator,natter,official,operator,postmaster,root,security,staff,support,system";

/// User names of a setting.
#[derive(Clone, Default, Debug)]
pub struct Names(pub Vec<Username>);

/// A part of Natter that can run by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Role {
    /// The doors: REST and WebSocket.
    Edge,
    /// The write side: owns lanes.
    Commands,
    /// The read side: runs projections and delivery.
    Projections,
}

fn node_name(text: &str) -> Result<String> {
    let fits =
        !text.is_empty() && text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if !fits {
        bail!("1 to 200 printable ASCII characters without spaces and slashes");
    }
    Ok(text.to_owned())
}

fn lease_millis(text: &str) -> Result<Duration> {
    match text.parse() {
        Ok(millis @ 500..=60_000) => Ok(Duration::from_millis(millis)),
        _ => bail!("500 to 60000"),
    }
}

fn cost(text: &str) -> Result<Cost> {
    match text {
        "standard" => Ok(Cost::Standard),
        "cheap" => Ok(Cost::Cheap),
        _ => bail!("`standard` or `cheap`"),
    }
}

fn names(text: &str) -> Result<Names> {
    let parse = |name: &str| Username::parse(name.trim()).map_err(|wrong| anyhow!("{}: {wrong}", name.trim()));
    let named = text.split(',').filter(|name| !name.trim().is_empty());
    Ok(Names(named.map(parse).collect::<Result<_>>()?))
}

fn session_policy(text: &str) -> Result<Policy> {
    match text {
        "many" => Ok(Policy::Many),
        "platform" => Ok(Policy::Platform),
        _ => match text.strip_prefix("max:").map(str::parse) {
            Some(Ok(most @ 1..=100)) => Ok(Policy::Max(most)),
            _ => bail!("`many`, `platform`, or `max:` and 1 to 100"),
        },
    }
}

fn days(text: &str) -> Result<Duration> {
    match text.parse() {
        Ok(days @ 0..=365) => Ok(Duration::from_secs(days * 24 * 60 * 60)),
        _ => bail!("0 to 365"),
    }
}

fn millis(text: &str) -> Result<Duration> {
    match text.parse() {
        Ok(millis @ 10..=3_600_000) => Ok(Duration::from_millis(millis)),
        _ => bail!("10 to 3600000"),
    }
}

const USUAL_DIR: &str = ".natter";

impl Settings {
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Renewed five times in a term: two lost renewals, or three, cost nothing.
    pub fn leases(&self) -> lease::Settings {
        lease::Settings { term: self.lease, renew_every: self.lease / 5 }
    }

    /// Host and port make a name that no other living process has, and the next start of this one has again.
    pub fn node_name(&self, address: SocketAddr) -> String {
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let named = || format!("{}:{}", host().trim().replace('/', "-"), address);
        self.node.clone().filter(|name| !name.is_empty()).unwrap_or_else(named)
    }

    /// How people on this machine reach it.
    pub fn base_url(&self, address: SocketAddr) -> String {
        let scheme = if self.door.tls_cert.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    pub fn dir(&self) -> PathBuf {
        self.chosen_dir().unwrap_or(Path::new(USUAL_DIR)).to_owned()
    }

    /// The directory that somebody named; an empty variable names none.
    pub fn chosen_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref().filter(|dir| !dir.as_os_str().is_empty())
    }

    /// Defaults, with everything of ours in one directory.
    pub fn in_directory(dir: &Path) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            roles: Role::value_variants().to_vec(),
            node: None,
            lease: lease::TERM,
            data_dir: Some(dir.to_owned()),
            key_file: None,
            master: MasterArgs::default(),
            lanes: None,
            lane_stores: String::new(),
            argon2: Cost::Standard,
            sessions: Policy::Many,
            reserved_names: Names::default(),
            closing_grace: natter_domain::limit::CLOSING_GRACE,
            groups: GroupArgs::default(),
            messages: MessageArgs::default(),
            crowd_min: natter_projections::delivery::crowd::MIN,
            strangers: "off".to_owned(),
            heartbeat: Duration::from_secs(25),
            limits: "standard".to_owned(),
            history: HistoryArgs::default(),
            letters: LetterArgs::default(),
            oidc: OidcArgs::default(),
            content: ContentArgs::default(),
            door: DoorArgs::default(),
        }
    }

    /// The installation's key; made at the first start, readable by its owner only.
    pub fn installation_key(&self) -> Result<[u8; 32]> {
        let path = key_path(self.key_file.as_deref(), &self.dir());
        if !path.exists() {
            make_key(&path).with_context(|| format!("make the installation's key {}", path.display()))?;
        }
        existing_key(&path)
    }

    /// The master keys. Where none `is_begun` and there is no file, one is made.
    pub fn masters(&self, is_begun: bool) -> Result<Masters> {
        master::read_or_make(&self.master.path(self.key_file.as_deref(), &self.dir()), is_begun)
    }
}

/// Where the installation's key is.
pub fn key_path(chosen: Option<&Path>, dir: &Path) -> PathBuf {
    chosen.map_or_else(|| dir.join("installation.key"), Path::to_owned)
}

/// The installation's key, made before: tools make none.
pub fn existing_key(path: &Path) -> Result<[u8; 32]> {
    read_key(path).with_context(|| format!("read the installation's key {}", path.display()))
}

fn make_key(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let hex = fresh_key();
    // Written beside and renamed, so that a crash leaves no half a key.
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    writeln!(file, "{hex}")?;
    file.sync_all()?;
    Ok(std::fs::rename(&fresh, path)?)
}

fn read_key(path: &Path) -> Result<[u8; 32]> {
    let mut text = String::new();
    std::fs::File::open(path)?.read_to_string(&mut text)?;
    parse_key(text.trim())
}

fn fresh_key() -> String {
    natter_streams::id::random::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_key(text: &str) -> Result<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("not 64 hexadecimal digits");
    }
    let mut key = [0; 32];
    for (byte, index) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[index..index + 2], 16)?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = std::env::temp_dir().join(format!("natter-key-{}", std::process::id()));
        let path = folder.join("a/installation.key");
        make_key(&path).unwrap();
        let key = read_key(&path).unwrap();
        assert_ne!(key, [0; 32]);
        assert_eq!(read_key(&path).unwrap(), key);
        std::fs::write(&path, "not a key").unwrap();
        assert!(read_key(&path).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
