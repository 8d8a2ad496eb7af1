//! Stands between a log and PostgreSQL, to lose answers in a way that the server does not notice, or to be a server that
//! is gone.

use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct Proxy {
    pub url: String,
    orphaned: watch::Sender<u32>,
    gone: watch::Sender<bool>,
}

impl Proxy {
    pub async fn before(database_url: &str) -> Self {
        let server = PgConnectOptions::from_str(database_url).expect("a database url");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let port = listener.local_addr().expect("it listens").port();
        let url = database_url.replace(&format!(":{}/", server.get_port()), &format!(":{port}/"));
        assert_ne!(url, database_url, "the url leads through the proxy");
        let (orphaned, _) = watch::channel(0);
        let (gone, _) = watch::channel(false);
        tokio::spawn(accept(listener, server, orphaned.clone(), gone.clone()));
        Self { url, orphaned, gone }
    }

    /// Every client loses its connection; what runs at the server runs on.
    pub fn orphan(&self) {
        self.orphaned.send_modify(|times| *times += 1);
    }

    /// Every connection ends, and no other is made.
    pub fn is_gone(&self, gone: bool) {
        self.gone.send_replace(gone);
    }
}

async fn accept(
    listener: TcpListener,
    server: PgConnectOptions,
    orphaned: watch::Sender<u32>,
    gone: watch::Sender<bool>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect((server.get_host(), server.get_port())).await.expect("reach the server");
        let mut gone = gone.subscribe();
        let carried = carry(client, server, orphaned.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = gone.wait_for(|gone| *gone) => {}
                () = carried => {}
            }
        });
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, mut orphaned: watch::Receiver<u32>) {
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = orphaned.changed() => {
            drop(client);
            // The server's side stays open, so that it sees nobody leave.
            std::future::pending::<()>().await;
        }
    }
}
