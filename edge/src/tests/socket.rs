//! The WebSocket over real connections, up to the moment where a person is to be joined to the bus.

use super::*;
use crate::server;
use futures::{SinkExt, StreamExt};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const SOON: Duration = Duration::from_secs(5);

struct House {
    edge: Arc<Edge>,
    address: SocketAddr,
    server: JoinHandle<Result<(), crate::Error>>,
}

async fn house() -> House {
    let (edge, router) = doors();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let theirs = edge.clone();
    let server = tokio::spawn(async move { server::run(listener, router, theirs.ground(), theirs.end()).await });
    House { edge, address, server }
}

impl House {
    async fn open(&self, headers: &[(&'static str, String)]) -> Result<Socket, Error> {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        connect_async(request).await.map(|(socket, _)| socket)
    }

    async fn stranger(&self) -> Socket {
        self.open(&[]).await.unwrap()
    }
}

/// The code of the close frame, which must come next.
async fn closed(socket: &mut Socket) -> u16 {
    let closing = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(SOON, closing).await.unwrap()
}

/// Bytes as they are, past the client's own framing.
async fn raw(socket: &mut Socket, bytes: &[u8]) {
    let MaybeTlsStream::Plain(stream) = socket.get_mut() else { panic!("not plain") };
    stream.write_all(bytes).await.unwrap();
}

#[tokio::test]
async fn a_stranger_who_says_nothing_is_closed() {
    let house = house().await;
    assert_eq!(closed(&mut house.stranger().await).await, 4401);
}

#[tokio::test]
async fn a_stranger_who_asks_for_anything_is_closed() {
    let house = house().await;
    for text in [r#"{"op": "ping"}"#, r#"{"op": "auth", "token": "x"}"#, "{", r#"{"id": "1", "op": "sync"}"#] {
        let mut socket = house.stranger().await;
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(closed(&mut socket).await, 4401, "{text}");
    }
}

#[tokio::test]
async fn a_bad_token_in_the_header_refuses_the_upgrade() {
    let house = house().await;
    let refused = house.open(&[("authorization", "Bearer x".to_owned())]).await;
    let Err(Error::Http(answer)) = refused else { panic!("{refused:?}") };
    assert_eq!(answer.status(), 401);
    let problem: Value = serde_json::from_slice(answer.body().as_ref().unwrap()).unwrap();
    assert_eq!(problem["code"], "unauthenticated");
}

#[tokio::test]
async fn a_bad_token_in_a_sub_protocol_is_told_by_a_close_code() {
    let house = house().await;
    let mut socket = house.open(&[("sec-websocket-protocol", "natter.v1, bearer.x".to_owned())]).await.unwrap();
    assert_eq!(closed(&mut socket).await, 4401);
}

#[tokio::test]
async fn a_good_token_passes_wherever_it_comes() {
    let house = house().await;
    let token = token(&house.edge);
    let header = house.open(&[("authorization", format!("Bearer {token}"))]).await.unwrap();
    let protocol = house.open(&[("sec-websocket-protocol", format!("natter.v1, bearer.{token}"))]).await.unwrap();
    let mut frame = house.stranger().await;
    frame.send(Message::text(format!(r#"{{"op": "auth", "token": "{token}"}}"#))).await.unwrap();
    for mut socket in [header, protocol, frame] {
        // Nothing is behind this door: the fault is ours, no longer the client's.
        assert_eq!(closed(&mut socket).await, 1011);
    }
}

#[tokio::test]
async fn binary_frames_are_refused() {
    let house = house().await;
    let mut socket = house.stranger().await;
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(closed(&mut socket).await, 1003);
}

#[tokio::test]
async fn frames_over_the_limit_are_told_before_the_connection_goes() {
    let house = house().await;
    for bytes in [128 * 1024 + 1, 256 * 1024, 1024 * 1024] {
        let (mut outgoing, mut incoming) = house.stranger().await.split();
        let sending = tokio::spawn(async move { outgoing.send(Message::text("a".repeat(bytes))).await });
        let read = timeout(SOON, incoming.next()).await.unwrap();
        let Some(Ok(Message::Close(Some(frame)))) = read else { panic!("{bytes}: {read:?}") };
        assert_eq!(u16::from(frame.code), 1009);
        sending.abort();
    }
    let mut socket = house.stranger().await;
    raw(&mut socket, &[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]).await;
    assert_eq!(closed(&mut socket).await, 1009);
}

#[tokio::test]
async fn a_frame_at_the_limit_is_read() {
    let house = house().await;
    let mut socket = house.stranger().await;
    socket.send(Message::text("a".repeat(128 * 1024))).await.unwrap();
    assert_eq!(closed(&mut socket).await, 4401);
}

#[tokio::test]
async fn what_is_no_websocket_is_told() {
    let house = house().await;
    let long_ping = [[0x89, 0xfe, 0, 126, 0, 0, 0, 0].as_slice(), &[0; 126]].concat();
    for (bytes, code) in [
        ([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe].as_slice(), 1007), // not UTF-8
        (&[0x01, 0x81, 0, 0, 0, 0, 0xc3, 0x80, 0x81, 0, 0, 0, 0, 0x28], 1007), // nor in two parts
        (&[0x81, 0x01, b'a'], 1002),                             // not masked
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002),                       // a reserved bit
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),                       // a reserved opcode
        (&[0x8b, 0x80, 0, 0, 0, 0], 1002),                       // likewise, of control
        (&[0x09, 0x80, 0, 0, 0, 0], 1002),                       // a ping in parts
        (&long_ping, 1002),                                      // a long one
        (&[0x80, 0x80, 0, 0, 0, 0], 1002),                       // the rest of nothing
        (&[0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0], 1002), // a text within a text
        (&[0x88, 0x81, 0, 0, 0, 0, 3], 1002),                    // half a close code
        (&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe7], 1002),           // 999
        (&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002),           // 1005, which nobody says
        (&[0x88, 0x82, 0, 0, 0, 0, 0x13, 0x88], 1002),           // 5000
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", 1002),     // another request
    ] {
        let mut socket = house.stranger().await;
        raw(&mut socket, bytes).await;
        assert_eq!(closed(&mut socket).await, code, "{bytes:x?}");
    }
}

#[tokio::test]
async fn a_text_may_come_byte_by_byte() {
    let house = house().await;
    let mut socket = house.stranger().await;
    let first = [0x01, 0x81, 0, 0, 0, 0, b'{'];
    let middle = [0x00, 0x81, 0, 0, 0, 0, b' '].repeat(16 * 1024);
    raw(&mut socket, &[first.as_slice(), &middle, &[0x80, 0x81, 0, 0, 0, 0, b'}']].concat()).await;
    assert_eq!(closed(&mut socket).await, 4401, "one frame, which says nothing of who comes");
}

#[tokio::test]
async fn nothing_behind_a_farewell_is_read() {
    let house = house().await;
    let mut socket = house.stranger().await;
    let farewell = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
    raw(&mut socket, &[farewell.as_slice(), &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]].concat()).await;
    assert_eq!(closed(&mut socket).await, 1000);
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_and_extensions_are_not_agreed_to() {
    let house = house().await;
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let deflate = "sec-websocket-extensions: permessage-deflate; client_max_window_bits=99\r\n";
    for (headers, status) in [
        (format!("sec-websocket-version: 13\r\n{key}"), "101"),
        (format!("sec-websocket-version: 13\r\n{key}{deflate}"), "101"),
        (format!("sec-websocket-version: 12\r\n{key}"), "400"),
        (key.to_owned(), "400"),
        ("sec-websocket-version: 13\r\n".to_owned(), "400"),
    ] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let upgrade = "host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
        stream.write_all(format!("GET /ws HTTP/1.1\r\n{upgrade}{headers}\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.contains("\r\n\r\n") {
            let mut bytes = [0; 1];
            let read = timeout(SOON, stream.read(&mut bytes)).await.unwrap().unwrap();
            assert_eq!(read, 1, "{headers}: {answer}");
            answer.push(char::from(bytes[0]));
        }
        assert_eq!(answer.get(9..12), Some(status), "{headers}: {answer}");
        assert!(!answer.to_lowercase().contains("sec-websocket-extensions"), "{answer}");
    }
}

#[tokio::test]
async fn the_sub_protocol_is_selected_only_where_it_is_offered() {
    let house = house().await;
    for (offered, selected) in [(None, None), (Some("natter.v1"), Some("natter.v1"))] {
        let mut request = format!("ws://{}/ws", house.address).into_client_request().unwrap();
        if let Some(offered) = offered {
            request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
        }
        let (_, answer) = connect_async(request).await.unwrap();
        let found = answer.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
        assert_eq!(found, selected);
    }
}

#[tokio::test]
async fn at_the_end_connections_are_told_and_the_server_returns() {
    let house = house().await;
    let mut socket = house.stranger().await;
    let begun = Instant::now();
    house.edge.stop.cancel();
    assert_eq!(closed(&mut socket).await, 1012);
    // The client's part of the farewell.
    while let Some(Ok(_)) = socket.next().await {}
    timeout(SOON, house.server).await.unwrap().unwrap().unwrap();
    assert!(begun.elapsed() < house.edge.settings.drain);
    assert!(TcpStream::connect(house.address).await.is_err());
}

#[tokio::test]
async fn who_does_not_say_farewell_is_cut_off() {
    let house = house().await;
    let _silent = house.stranger().await;
    let _slow = TcpStream::connect(house.address).await.unwrap();
    house.edge.stop.cancel();
    timeout(SOON, house.server).await.unwrap().unwrap().unwrap();
}
