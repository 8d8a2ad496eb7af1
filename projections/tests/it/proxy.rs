//! Stands between delivery and NATS, and loses what it was given: the client has handed it over, nobody gets it.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

pub struct Proxy {
    pub url: String,
    state: watch::Sender<State>,
    swallowed: Arc<Mutex<Vec<u8>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Carry,
    Swallow,
    /// Connections end; new ones are carried.
    Cut,
}

impl Proxy {
    pub async fn before(nats_url: &str) -> Self {
        let (credentials, server) = nats_url.rsplit_once('@').expect("a NATS url with a user");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let url = format!("{credentials}@{}", listener.local_addr().expect("it listens"));
        let (state, _) = watch::channel(State::Carry);
        let swallowed = Arc::default();
        tokio::spawn(accept(listener, server.to_owned(), state.subscribe(), Arc::clone(&swallowed)));
        Self { url, state, swallowed }
    }

    /// From here on nothing reaches the server.
    pub fn swallow(&self) {
        self.state.send_replace(State::Swallow);
    }

    pub fn has_swallowed(&self, text: &str) -> bool {
        let swallowed = self.swallowed.lock().unwrap();
        swallowed.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Every connection ends, with what was swallowed; new ones are good.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }
}

async fn accept(listener: TcpListener, server: String, state: watch::Receiver<State>, swallowed: Arc<Mutex<Vec<u8>>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (state, swallowed) = (state.clone(), Arc::clone(&swallowed));
        let (mut from_server, to_server) = TcpStream::connect(&server).await.expect("reach the server").into_split();
        let (from_client, mut to_client) = client.into_split();
        tokio::spawn(async move {
            let mut until = state.clone();
            tokio::select! {
                () = upwards(from_client, to_server, &state, &swallowed) => {}
                _ = copy(&mut from_server, &mut to_client) => {}
                _ = until.wait_for(|state| *state == State::Cut), if *state.borrow() != State::Cut => {}
            }
        });
    }
}

async fn upwards(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    state: &watch::Receiver<State>,
    swallowed: &Mutex<Vec<u8>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = client.read(&mut buffer).await {
        if *state.borrow() == State::Swallow {
            swallowed.lock().unwrap().extend_from_slice(&buffer[..count]);
        } else if server.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
