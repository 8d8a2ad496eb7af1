//! Where a private server's files are.
//!
//! Everything lies in the data directory, with one exception. As root PostgreSQL runs as another user, who cannot reach
//! a data directory below a closed one (`/root` is 0700 on most machines). Then its files alone go to
//! `/var/lib/natter/<hash of the data directory>`, and we say so; a data directory that somebody chose is refused
//! instead.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::user::{self, RunAs};

/// Makes the data directory and returns its canonical path.
pub fn make(dir: &Path) -> Result<PathBuf> {
    // Others may pass through (PostgreSQL as another user must) and see nothing: what lies in it is closed by itself.
    make_dir(dir, 0o711)?;
    dir.canonicalize().with_context(|| format!("resolve {}", dir.display()))
}

/// A directory of a server that runs as ourselves.
pub fn own_home(dir: &Path, name: &str) -> Result<PathBuf> {
    let home = dir.join(name);
    make_dir(&home, 0o700)?;
    Ok(home)
}

/// Where PostgreSQL of data directory `dir` lives, and as whom.
pub fn postgres_home(dir: &Path, dir_is_chosen: bool) -> Result<(PathBuf, RunAs)> {
    let [inside, outside] = postgres_homes(dir);
    // A database that was moved out once stays where it is, also when the data directory can be reached by now.
    if !(user::is_root() && outside.exists()) {
        let run_as = user::for_postgres(&inside.join("data"))?;
        make_dir(&inside, 0o711)?;
        if run_as.can_reach(&inside)? {
            return Ok((inside, run_as));
        }
        // Empty, unless it held a database when it could still be reached: then it stays, and so does the refusal to
        // remove it.
        let _ = std::fs::remove_dir(&inside);
        if dir_is_chosen {
            bail!(
                "{} cannot be reached by the user that PostgreSQL has to run as (it refuses root): name a data directory that others may pass through, \
                 such as /var/lib/natter/data, or open the directories above it (chmod o+x)",
                dir.display()
            );
        }
    }
    let run_as = user::for_postgres(&outside.join("data"))?;
    make_dir(&outside, 0o711)?;
    if !run_as.can_reach(&outside)? {
        bail!("{} cannot be reached by the user that PostgreSQL runs as", outside.display());
    }
    Ok((outside, run_as))
}

/// Both places PostgreSQL's files can be: inside the data directory, or outside.
pub fn postgres_homes(dir: &Path) -> [PathBuf; 2] {
    let outside = Path::new("/var/lib/natter").join(format!("{:016x}", fnv1a(dir.as_os_str().as_encoded_bytes())));
    [dir.join("postgres"), outside]
}

/// Removes a data directory and what lies outside for it.
pub fn remove(dir: &Path) -> Result<()> {
    let [_, outside] = postgres_homes(dir);
    for path in [outside.as_path(), dir] {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A path as people see it from where they stand.
pub fn show(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Makes `dir` with `mode`, its parents with what is usual. One that exists keeps its mode.
fn make_dir(dir: &Path, mode: u32) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        std::fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    }
    match DirBuilder::new().mode(mode).create(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made
            .and_then(|()| std::fs::set_permissions(dir, Permissions::from_mode(mode)))
            .with_context(|| format!("make {}", dir.display())),
    }
}

/// Short, and the same in every release of the compiler (the standard library's hasher promises that not).
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_outside_never_changes_between_releases() {
        let [inside, outside] = postgres_homes(Path::new("/srv/natter/.natter"));
        assert_eq!(inside, Path::new("/srv/natter/.natter/postgres"));
        assert_eq!(outside, Path::new("/var/lib/natter").join(format!("{:016x}", fnv1a(b"/srv/natter/.natter"))));
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c, "the published test value");
    }
}
