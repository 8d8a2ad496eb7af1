//! Whom a private server runs as, and the command line that makes it so.
//!
//! PostgreSQL refuses to run as root, so as root it runs as somebody without rights. `setpriv` (util-linux) does both
//! that and the request to be signalled when we die: our own code holds no `unsafe` and could do neither.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunAs {
    Ourselves,
    /// We are root and step down.
    Other {
        uid: u32,
        gid: u32,
    },
}

/// Whom PostgreSQL on `data` runs as. As root: whoever owns what is already there, else `postgres`, else `nobody`.
pub fn for_postgres(data: &Path) -> Result<RunAs> {
    if !is_root() {
        return Ok(RunAs::Ourselves);
    }
    if let Ok(found) = data.metadata()
        && found.uid() != 0
    {
        return Ok(RunAs::Other { uid: found.uid(), gid: found.gid() });
    }
    let passwd = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| entry(&passwd, name))
        .context("PostgreSQL refuses to run as root and there is no user `postgres` or `nobody`: add one (useradd --system postgres)")
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn entry(passwd: &str, name: &str) -> Option<RunAs> {
    let fields: Vec<&str> =
        passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)?;
    Some(RunAs::Other { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
}

impl RunAs {
    /// `program` as that user; `on_our_death` is the signal (`INT`, `TERM`, `KILL`) it gets when we die.
    ///
    /// Without `setpriv` and without need to step down the program is started plainly: then the next run ends what is
    /// left.
    pub fn command(&self, program: impl AsRef<OsStr>, on_our_death: &str) -> Result<Command> {
        let setpriv = find_on_path("setpriv");
        let mut command = match (self, setpriv) {
            (RunAs::Ourselves, None) => return Ok(Command::new(program)),
            (RunAs::Ourselves, Some(setpriv)) => Command::new(setpriv),
            (RunAs::Other { .. }, None) => {
                anyhow::bail!("setpriv is missing: install util-linux, or do not run as root")
            }
            (RunAs::Other { uid, gid }, Some(setpriv)) => {
                let mut command = Command::new(setpriv);
                command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
                command
            }
        };
        command.args(["--pdeathsig", on_our_death, "--"]).arg(program);
        Ok(command)
    }

    /// Gives `path` to that user.
    pub fn own(&self, path: &Path) -> Result<()> {
        let RunAs::Other { uid, gid } = self else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(*uid), Some(*gid))
            .with_context(|| format!("give {} to user {uid}", path.display()))
    }

    /// Whether that user can pass through to `dir`: asked of the system itself, which knows every parent's mode and
    /// every mount.
    pub fn can_reach(&self, dir: &Path) -> Result<bool> {
        if *self == RunAs::Ourselves {
            return Ok(true);
        }
        let mut command = self.command("test", "KILL")?;
        command.arg("-x").arg(dir.join(".")).current_dir("/").stderr(Stdio::null());
        Ok(command.status().context("run test(1)")?.success())
    }
}

pub fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passwd_entry_gives_user_and_group() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104:admin:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(entry(passwd, "postgres"), Some(RunAs::Other { uid: 101, gid: 104 }));
        assert_eq!(entry(passwd, "post"), None);
    }
}
