//! Which port a private server takes.
//!
//! The one it had last time, if it is free; else the usual one; else any of the thousand above it. All lie below 32768:
//! from there on the kernel hands them to outgoing connections, and a server fails now and then because a client was
//! faster. A free port can be taken before the server binds it: who starts a server tries the next one then.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use rand::Rng;

/// More than would ever be needed by runs side by side.
const TRIES: usize = 50;

/// The ports of one server, usual one first.
pub struct Ports {
    pub usual: u16,
    /// Where the last one used is remembered.
    pub memory: PathBuf,
}

impl Ports {
    pub fn new(usual: u16, home: &Path) -> Self {
        Ports { usual, memory: home.join("port") }
    }

    /// Ports to try, best first; those that somebody listens on are left out as they come up.
    pub fn free(&self) -> impl Iterator<Item = u16> {
        let usual = self.usual;
        let others = std::iter::repeat_with(move || rand::rng().random_range(usual + 1..usual + 1000)).take(TRIES);
        self.remembered().into_iter().chain([usual]).chain(others).filter(|port| is_free(*port))
    }

    /// Forgetting would cost no more than another port next time.
    pub fn remember(&self, port: u16) {
        let _ = std::fs::write(&self.memory, port.to_string());
    }

    pub fn remembered(&self) -> Option<u16> {
        std::fs::read_to_string(&self.memory).ok()?.trim().parse().ok()
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remembered_port_comes_first_and_a_taken_one_not_at_all() {
        let home = std::env::temp_dir().join(format!("natter-port-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let ports = Ports::new(21_000, &home);
        let port = ports.free().next().unwrap();
        ports.remember(port);
        assert_eq!(ports.free().next(), Some(port));

        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(ports.free().all(|other| other != port && (21_000..22_000).contains(&other)));
        std::fs::remove_dir_all(&home).unwrap();
    }
}
