//! How connections are taken and let go. `axum::serve` knows no slow clients and no `TCP_NODELAY`; hyper does.

use crate::{
    Error,
    door::{Bounds, Keeper},
    http::peer::Connected,
    metrics,
    pace::{Heads, Paced},
    tls::Tls,
};
use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

const HEADERS_MAX: usize = 100;
/// Of the request line and headers together.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// What it stands on.
pub struct Ground {
    pub bounds: Bounds,
    pub keeper: Arc<Keeper>,
    pub tls: Option<Tls>,
}

/// How it ends.
pub struct End {
    pub stop: CancellationToken,
    /// WebSockets, which outlive the connections that they were.
    pub sockets: TaskTracker,
    /// How long what is under way may take.
    pub drain: Duration,
}

/// Serves until told to stop, and lets what is under way come to its end.
pub async fn run(listener: TcpListener, router: Router, ground: Ground, end: End) -> Result<(), Error> {
    let (connections, stop, cut) = (TaskTracker::new(), end.stop.clone(), CancellationToken::new());
    tokio::spawn(stop.clone().run_until_cancelled_owned(upkeep()));
    if let Some(tls) = ground.tls.clone() {
        tokio::spawn(stop.clone().run_until_cancelled_owned(tls.watch()));
    }
    let builder = builder(&ground.bounds);
    let house = Arc::new(House { builder, router, ground, stop: stop.clone(), cut: cut.clone() });
    while let Some(accepted) = stop.run_until_cancelled(accept(&listener)).await {
        let (stream, peer) = accepted?;
        connections.spawn(house.clone().welcome(stream, peer));
    }
    drop(listener);
    drain(&connections, &end, &cut).await;
    Ok(())
}

fn builder(bounds: &Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(bounds.idle);
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

/// What every connection comes into.
struct House {
    builder: Builder<TokioExecutor>,
    router: Router,
    ground: Ground,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl House {
    async fn welcome(self: Arc<Self>, stream: TcpStream, peer: Connected) {
        let _open = metrics::Connection::opened();
        let placed = self.ground.keeper.connection(peer.0);
        // Who has too many is told nothing: telling costs what the bound is to save.
        let Ok(_place) = placed else { return };
        let heads = Heads::default();
        let stream = Paced::new(stream, heads.clone(), self.ground.bounds.stall);
        let Some(tls) = &self.ground.tls else { return self.serve(stream, peer, heads).await };
        match timeout(self.ground.bounds.head, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream, peer, heads).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
            Err(_) => metrics::slow("handshake"),
        }
    }

    async fn serve<S>(&self, stream: S, peer: Connected, heads: Heads)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = CancellationToken::new();
        let service = service_fn(|mut request: Request<Incoming>| {
            asked.cancel();
            heads.came();
            request.extensions_mut().insert(peer);
            let (router, heads) = (self.router.clone(), heads.clone());
            async move {
                let response = answer(router, request).await;
                heads.answered();
                response
            }
        });
        let mut connection = std::pin::pin!(self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = self.silence(&asked, &heads) => return metrics::slow("head"),
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    outcome = connection.as_mut() => outcome,
                    () = self.cut.cancelled() => return,
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "a connection ended");
        }
    }

    /// Resolves where the first request does not come in time, or a later one is begun and does not.
    async fn silence(&self, asked: &CancellationToken, heads: &Heads) {
        let patience = self.ground.bounds.head;
        if timeout(patience, asked.cancelled()).await.is_ok() {
            heads.slow(patience).await;
        }
    }
}

/// What a body in chunks ends with may have had a length too, by which a proxy in front saw another end (hyper has taken it
/// out): nothing behind it is read. RFC 9112, 6.1.
async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    let is_last = request.headers().contains_key(header::TRANSFER_ENCODING);
    if !names_one_host(&request) {
        return Ok(closing(StatusCode::BAD_REQUEST.into_response()));
    }
    let response = router.oneshot(request).await?;
    Ok(if is_last { closing(response) } else { response })
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// RFC 9112, 3.2: else two servers may take it for two hosts' requests.
fn names_one_host(request: &Request<Incoming>) -> bool {
    match request.headers().get_all(header::HOST).iter().count() {
        0 => request.version() < Version::HTTP_11,
        count => count == 1,
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
        metrics::recorder().run_upkeep();
    }
}
