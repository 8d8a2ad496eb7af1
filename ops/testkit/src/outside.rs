//! Another server of HTTP on this machine, which does with each request as the test tells it: answers, hangs, talks without
//! end. What was asked of it is kept.

use crate::eventually::{BOUND, eventually};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What it does with one.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers and closes.
    Says { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// Answers nothing until who asked has gone.
    Hangs,
    /// Begins an answer of this kind, says this, and goes on without end.
    Babbles { kind: &'static str, first: String },
}

impl Does {
    pub fn json(value: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self::Says { status: 200, headers, body: value.to_string().into() }
    }

    pub fn page(html: &str) -> Self {
        let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
        Self::Says { status: 200, headers, body: html.into() }
    }

    pub fn status(status: u16) -> Self {
        Self::Says { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn redirect(location: &str) -> Self {
        Self::Says { status: 302, headers: vec![("location", location.to_owned())], body: Vec::new() }
    }
}

pub struct Outside {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Outside {
    /// On a port of its own of this address of this machine.
    pub async fn at<F: Future<Output = Does> + Send>(
        host: &str,
        does: impl Fn(Asked) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::on((host.parse::<IpAddr>().expect("an address"), 0).into(), does).await
    }

    /// On an address that may just have been left.
    pub async fn on<F: Future<Output = Does> + Send>(
        address: SocketAddr,
        does: impl Fn(Asked) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = eventually("the port is free", BOUND, async || {
            TcpListener::bind(address).await.map_err(|error| error.to_string())
        })
        .await;
        let address = listener.local_addr().expect("a listener has an address");
        let (asked, does) = (Arc::new(Mutex::new(Vec::new())), Arc::new(does));
        let shared = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, does) = (shared.clone(), does.clone());
                tokio::spawn(async move { drop(serve(stream, &asked, &*does).await) });
            }
        });
        Self { address, asked, task }
    }

    pub async fn start<F: Future<Output = Does> + Send>(does: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1", does).await
    }

    /// An address where nobody is.
    pub async fn nowhere() -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        format!("http://{}/", listener.local_addr().expect("a listener has an address"))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<F: Future<Output = Does>>(
    stream: TcpStream,
    asked: &Mutex<Vec<Asked>>,
    does: &(impl Fn(Asked) -> F + ?Sized),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = read(&mut stream).await? else { return Ok(()) };
    lock(asked).push(request.clone());
    match does(request).await {
        Does::Says { status, headers, body } => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
            stream.shutdown().await
        }
        Does::Hangs => stream.read_to_end(&mut Vec::new()).await.map(drop),
        Does::Babbles { kind, first } => {
            let head = format!("HTTP/1.1 200 x\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{first}");
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&[b' '; 4_096]).await?;
            }
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Asked { method, path, headers, body }))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
