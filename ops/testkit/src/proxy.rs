//! Stands between somebody and a server, PostgreSQL, NATS or CQL, to be a network that fails in one way or another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
};

const ROOM: usize = 64 * 1024;

/// Carries everything at first. Gone with this value, connections and all.
pub struct Proxy {
    /// Of the server, by way of the proxy.
    pub url: String,
    network: Network,
}

#[derive(Clone)]
struct Network {
    mode: watch::Sender<Mode>,
    /// How often every connection was ended.
    cut: watch::Sender<u32>,
    orphaned: watch::Sender<u32>,
    /// How often every connection was forgotten.
    forgotten: watch::Sender<u32>,
    swallowed: Arc<Mutex<Vec<u8>>>,
    /// What clients sent while it was silent.
    held_back: Arc<Mutex<Vec<u8>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Carry,
    Silent,
    Swallow,
    Gone,
}

impl Proxy {
    /// `url`: with a host and a port, `postgres://user@host:port/database?parameters` or `nats://user:password@host:port`.
    pub async fn before(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("a url has a scheme");
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (user, server) = authority.rsplit_once('@').map_or(("", authority), |(user, server)| (user, server));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let at = if user.is_empty() { "" } else { "@" };
        let url = format!("{scheme}://{user}{at}{}{path}", listener.local_addr().expect("it listens"));
        let (mode, _) = watch::channel(Mode::Carry);
        let [cut, orphaned, forgotten] = [0; 3].map(|none| watch::channel(none).0);
        let network = Network { mode, cut, orphaned, forgotten, swallowed: Arc::default(), held_back: Arc::default() };
        tokio::spawn(accept(listener, server.to_owned(), network.clone()));
        Self { url, network }
    }

    /// Nothing passes, either way, and nobody is told: connections stay open, new ones are taken. What is on its way
    /// arrives when the network is healed, as TCP has it.
    pub fn silent(&self) {
        self.network.mode.send_replace(Mode::Silent);
    }

    /// Whether it is among what was sent to the server in silence.
    pub fn holds_back(&self, bytes: &[u8]) -> bool {
        contains(&self.network.held_back, bytes)
    }

    /// Every connection ends, and no other is made.
    pub fn gone(&self) {
        self.network.mode.send_replace(Mode::Gone);
    }

    /// From here on nothing reaches the server, nor ever will; what the server says is still heard.
    pub fn swallow(&self) {
        self.network.mode.send_replace(Mode::Swallow);
    }

    pub fn has_swallowed(&self, text: &str) -> bool {
        contains(&self.network.swallowed, text.as_bytes())
    }

    /// All is carried again.
    pub fn heal(&self) {
        self.network.mode.send_replace(Mode::Carry);
    }

    /// Every connection ends now, with what was swallowed; new ones are good.
    pub fn cut(&self) {
        self.heal();
        self.network.cut.send_modify(|times| *times += 1);
    }

    /// Nothing passes any more on any connection there is, and nobody is told; new ones are good. So a server comes back
    /// that has vanished without a word.
    pub fn forget(&self) {
        self.heal();
        self.network.forgotten.send_modify(|times| *times += 1);
    }

    /// Every client loses its connection; what runs at the server runs on.
    pub fn orphan(&self) {
        self.network.orphaned.send_modify(|times| *times += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.gone();
    }
}

async fn accept(listener: TcpListener, server: String, network: Network) {
    while let Ok((client, _)) = listener.accept().await {
        let is_gone = *network.mode.borrow() == Mode::Gone;
        if !is_gone && let Ok(server) = TcpStream::connect(&server).await {
            tokio::spawn(connection(client, server, network.clone()));
        }
    }
}

async fn connection(mut client: TcpStream, mut server: TcpStream, network: Network) {
    let [mut cut, mut orphaned, mut forgotten] =
        [&network.cut, &network.orphaned, &network.forgotten].map(watch::Sender::subscribe);
    let mut mode = network.mode.subscribe();
    let is_orphan = tokio::select! {
        biased;
        _ = mode.wait_for(|mode| *mode == Mode::Gone) => return,
        _ = cut.changed() => return,
        // The server's side stays open, so that it sees nobody leave.
        _ = orphaned.changed() => true,
        _ = forgotten.changed() => false,
        () = carry(&mut client, &mut server, &network) => return,
    };
    let _client = (!is_orphan).then_some(client);
    let _ = mode.wait_for(|mode| *mode == Mode::Gone).await;
}

/// Each way until its end; then the other side hears of it.
async fn carry(client: &mut TcpStream, server: &mut TcpStream, network: &Network) {
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    tokio::join!(carry_one(from_client, to_server, network, true), carry_one(from_server, to_client, network, false));
}

async fn carry_one(from: ReadHalf<'_>, to: WriteHalf<'_>, network: &Network, is_up: bool) {
    let (take, taken) = mpsc::unbounded_channel();
    tokio::join!(take_in(from, take, network, is_up), hand_on(taken, to, network, is_up));
}

/// Also in silence: a network takes what it does not hand on.
async fn take_in(mut from: ReadHalf<'_>, take: mpsc::UnboundedSender<Vec<u8>>, network: &Network, is_up: bool) {
    let mut buffer = vec![0; ROOM];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if is_up && *network.mode.borrow() == Mode::Silent {
            lock(&network.held_back).extend_from_slice(&buffer[..count]);
        }
        if take.send(buffer[..count].to_vec()).is_err() {
            return;
        }
    }
}

async fn hand_on(mut taken: mpsc::UnboundedReceiver<Vec<u8>>, mut to: WriteHalf<'_>, network: &Network, is_up: bool) {
    let mut mode = network.mode.subscribe();
    while let Some(bytes) = taken.recv().await {
        let Ok(mode) = mode.wait_for(|mode| *mode != Mode::Silent).await.map(|mode| *mode) else { return };
        if is_up && mode == Mode::Swallow {
            lock(&network.swallowed).extend_from_slice(&bytes);
        } else if to.write_all(&bytes).await.is_err() {
            break;
        }
    }
    let _ = mode.wait_for(|mode| *mode != Mode::Silent).await;
    let _ = to.shutdown().await;
}

fn contains(bytes: &Mutex<Vec<u8>>, part: &[u8]) -> bool {
    lock(bytes).windows(part.len()).any(|window| window == part)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
