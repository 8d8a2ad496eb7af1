//! The master keys: a file with one in each line, the newest first; what is behind a `#` is for people. Nodes that run look
//! into it again when they meet a key that none of those they know has wrapped.

use super::{fresh_key, key_path, parse_key};
use anyhow::{Context, Result, bail};
use clap::Args;
use natter_streams::sealing::Masters;
use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

#[derive(Args, Clone, Debug, Default)]
pub struct MasterArgs {
    /// The file with the master keys, 64 hexadecimal digits in a line, the newest first; made beside the installation's key
    /// at the first start.
    #[arg(long, env = "NATTER_MASTER_KEY_FILE")]
    pub master_key_file: Option<PathBuf>,
}

impl MasterArgs {
    pub fn path(&self, key_file: Option<&Path>, dir: &Path) -> PathBuf {
        let chosen = self.master_key_file.clone().filter(|path| !path.as_os_str().is_empty());
        chosen.unwrap_or_else(|| key_path(key_file, dir).with_file_name("master.key"))
    }

    /// Those that there are.
    pub fn read(&self, key_file: Option<&Path>, dir: &Path) -> Result<Masters> {
        masters(&self.path(key_file, dir))
    }
}

/// One is made only where the installation has none: else it would be another one.
pub(super) fn read_or_make(path: &Path, is_begun: bool) -> Result<Masters> {
    if !path.exists() {
        if is_begun {
            bail!(
                "there is no {}: the installation has a master key already, bring its file and name it with \
                 NATTER_MASTER_KEY_FILE",
                path.display()
            );
        }
        make(path).with_context(|| format!("make the master key {}", path.display()))?;
    }
    masters(path)
}

fn masters(path: &Path) -> Result<Masters> {
    let path = path.to_owned();
    Ok(Masters::new(move || {
        read(&path).map_err(|error| format!("read the master keys {}: {error:#}", path.display()))
    })?)
}

/// Puts one more into the file, as the newest.
pub fn make_newest(path: &Path) -> Result<()> {
    let before = fs::read_to_string(path).with_context(|| format!("read the master keys {}", path.display()))?;
    let fresh = write_beside(path, &format!("{}\n{before}", fresh_key()))?;
    Ok(fs::rename(&fresh, path)?)
}

fn read(path: &Path) -> Result<Vec<[u8; 32]>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(key, _)| key).trim());
    lines.filter(|line| !line.is_empty()).map(parse_key).collect()
}

/// Of two that start at once the first one's counts.
fn make(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = write_beside(path, &format!("{}\n", fresh_key()))?;
    let placed = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match placed {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whole or not at all, readable by its owner only.
fn write_beside(path: &Path, text: &str) -> Result<PathBuf> {
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_made_where_there_is_none_and_never_in_the_place_of_another() {
        let folder = std::env::temp_dir().join(format!("natter-master-{}", std::process::id()));
        let path = folder.join("a/master.key");
        let refused = read_or_make(&path, true).unwrap_err().to_string();
        assert!(refused.contains("NATTER_MASTER_KEY_FILE"), "{refused}");
        let first = read_or_make(&path, false).unwrap().ids();
        make(&path).unwrap();
        assert_eq!(read_or_make(&path, true).unwrap().ids(), first, "it is read, not made anew");

        make_newest(&path).unwrap();
        let both = read_or_make(&path, true).unwrap().ids();
        assert_eq!((both.len(), &both[1..]), (2, &first[..]), "the newest comes first");
        let noted = fs::read_to_string(&path).unwrap().replace('\n', " # noted\n\n");
        fs::write(&path, noted).unwrap();
        assert_eq!(read_or_make(&path, true).unwrap().ids(), both);
        assert_eq!(fs::read_dir(folder.join("a")).unwrap().count(), 1, "nothing is left beside it");

        for bad in ["", "no key", "00\n"] {
            fs::write(&path, bad).unwrap();
            assert!(read_or_make(&path, true).is_err(), "{bad:?}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn it_stands_beside_the_installations_key() {
        let (none, dir) = (MasterArgs::default(), Path::new("/data"));
        assert_eq!(none.path(None, dir), Path::new("/data/master.key"));
        assert_eq!(none.path(Some(Path::new("/keys/installation.key")), dir), Path::new("/keys/master.key"));
        let chosen = MasterArgs { master_key_file: Some("/vault/m".into()) };
        assert_eq!(chosen.path(None, dir), Path::new("/vault/m"));
    }
}
