//! One run per data directory: a file lock that the kernel lets go of when we die, however we die.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Held as long as it lives.
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Said aloud: a child that another thread is just starting holds the same open file until its exec.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// Takes `dir/lock` or says who holds it.
    pub fn take(dir: &Path) -> Result<Lock> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => write_pid(&mut file).with_context(|| format!("write {}", path.display()))?,
            Err(TryLockError::WouldBlock) => bail!("{}", held(&mut file, dir)),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("lock {}", path.display())),
        }
        Ok(Lock { file })
    }
}

/// The number is for people only: the lock is what counts.
fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    write!(file, "{}", std::process::id())
}

fn held(file: &mut File, dir: &Path) -> String {
    let mut pid = String::new();
    let pid = match file.read_to_string(&mut pid) {
        Ok(length) if length > 0 => pid,
        _ => "unknown".to_owned(),
    };
    format!(
        "natter is already running on {} as pid {pid}: end it, or name another directory (NATTER_DATA_DIR) and port (NATTER_LISTEN)",
        dir.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_on_one_directory_is_told_the_pid_of_the_first() {
        let dir = std::env::temp_dir().join(format!("natter-lock-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let first = Lock::take(&dir).unwrap();
        let refusal = Lock::take(&dir).err().expect("the lock is held").to_string();
        assert!(refusal.contains(&format!("as pid {}", std::process::id())), "{refusal}");
        drop(first);
        assert!(Lock::take(&dir).is_ok(), "free again once dropped");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
