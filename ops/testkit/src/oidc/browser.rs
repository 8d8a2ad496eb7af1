//! A browser that goes where it is sent, with cookies, until that is not on this machine: there an app reads the address.

use crate::eventually::{BOUND, within};
use std::collections::BTreeMap;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// What an address says that a provider has sent a browser back to.
#[derive(Clone, Debug, Default)]
pub struct Brought(pub BTreeMap<String, String>);

impl Brought {
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// From this address on, as somebody whom the provider knows by this name.
pub async fn browse(url: &str, person: &str) -> Brought {
    let mut cookies = BTreeMap::new();
    let mut url = format!("{url}&login_hint={person}");
    let begun = url.clone();
    for _ in 0..10 {
        let Some(local) = url.strip_prefix("http://127.0.0.1:") else {
            let (_, query) = url.split_once('?').unwrap_or_else(|| panic!("{url} brings nothing"));
            return Brought(pairs(query));
        };
        let (port, path) = local.split_once('/').unwrap_or((local, ""));
        let answer = within("an answer to a browser", BOUND, step(port, path, &mut cookies)).await;
        let (status, location, body) = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
        let to = location.unwrap_or_else(|| panic!("{url}: {status}, and it is sent nowhere: {body}"));
        url = if to.starts_with('/') { format!("http://127.0.0.1:{port}{to}") } else { to };
    }
    panic!("{begun} leads nowhere");
}

type Step = (String, Option<String>, String);

async fn step(port: &str, path: &str, cookies: &mut BTreeMap<String, String>) -> std::io::Result<Step> {
    let mut stream = BufReader::new(TcpStream::connect(format!("127.0.0.1:{port}")).await?);
    let sent: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = format!(
        "GET /{path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: text/html\r\ncookie: {}\r\nconnection: close\r\n\r\n",
        sent.join("; ")
    );
    stream.write_all(request.as_bytes()).await?;
    let (mut status, mut location) = (String::new(), None);
    stream.read_line(&mut status).await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? <= 2 {
            break;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "location" => location = Some(value.to_owned()),
            "set-cookie" => {
                let cookie = value.split(';').next().unwrap_or_default();
                let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
                cookies.insert(name.to_owned(), value.to_owned());
                cookies.retain(|_, value| !value.is_empty());
            }
            _ => {}
        }
    }
    let mut body = Vec::new();
    stream.read_to_end(&mut body).await?;
    Ok((status.trim_end().to_owned(), location, String::from_utf8_lossy(&body).into_owned()))
}

/// `application/x-www-form-urlencoded`
pub(super) fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or_default());
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
