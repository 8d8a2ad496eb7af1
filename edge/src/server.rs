//! How connections are taken and let go. `axum::serve` knows no slow clients and no `TCP_NODELAY`; hyper does.

use crate::{Error, http::peer::Connected};
use axum::{Router, extract::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// A client whose first request has not come by then is no client.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long a connection may then wait for the next one and its headers. Longer than proxies keep idle connections
/// (60 s): whoever closes first must not be the one that is about to be sent a request.
const NEXT_REQUEST: Duration = Duration::from_secs(75);
const HEADERS_MAX: usize = 100;
/// Of the request line and headers together.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// How it ends.
pub struct End {
    pub stop: CancellationToken,
    /// WebSockets, which outlive the connections that they were.
    pub sockets: TaskTracker,
    /// How long what is under way may take.
    pub drain: Duration,
}

/// Serves until told to stop, and lets what is under way come to its end.
pub async fn run(listener: TcpListener, router: Router, end: End) -> Result<(), Error> {
    let (connections, stop, cut) = (TaskTracker::new(), end.stop.clone(), CancellationToken::new());
    tokio::spawn(stop.clone().run_until_cancelled_owned(upkeep()));
    let builder = Arc::new(builder());
    while let Some(accepted) = stop.run_until_cancelled(accept(&listener)).await {
        let connection = serve(builder.clone(), accepted?, router.clone(), stop.clone(), cut.clone());
        connections.spawn(connection);
    }
    drop(listener);
    drain(&connections, &end, &cut).await;
    Ok(())
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(NEXT_REQUEST);
    http1.max_headers(HEADERS_MAX).max_buf_size(HEADER_BYTES_MAX);
    builder
}

/// The next connection. A client that is gone already, or a moment without file descriptors, ends nothing.
async fn accept(listener: &TcpListener) -> Result<(TcpStream, Connected), Error> {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Frames are small and wanted now.
                let _ = stream.set_nodelay(true);
                return Ok((stream, Connected(peer.ip())));
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) if is_passing(&error) => {
                tracing::warn!(%error, "accept a connection");
                sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(Error::Accept(error)),
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Anything but a listener that is none: too many open files, no memory.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotConnected, Unsupported};
    !matches!(error.kind(), InvalidInput | NotConnected | Unsupported)
}

async fn serve(
    builder: Arc<Builder<TokioExecutor>>,
    (stream, peer): (TcpStream, Connected),
    router: Router,
    stop: CancellationToken,
    cut: CancellationToken,
) {
    let asked = CancellationToken::new();
    let mark = asked.clone();
    let service = TowerToHyperService::new(router.map_request(move |mut request: Request<hyper::body::Incoming>| {
        mark.cancel();
        request.extensions_mut().insert(peer);
        request
    }));
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = silence(&asked) => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Resolves where the first request does not come in time.
async fn silence(asked: &CancellationToken) {
    if timeout(FIRST_REQUEST, asked.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Waits for what is under way, then cuts what is left.
async fn drain(connections: &TaskTracker, end: &End, cut: &CancellationToken) {
    connections.close();
    end.sockets.close();
    let all = async {
        connections.wait().await;
        end.sockets.wait().await;
    };
    if timeout(end.drain, all).await.is_err() {
        tracing::warn!(connections = connections.len(), sockets = end.sockets.len(), "cut off at the end");
    }
    cut.cancel();
}

/// Histograms are gathered now and then, whether somebody asks for them or not.
async fn upkeep() {
    let mut ticks = interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        crate::metrics::recorder().run_upkeep();
    }
}
