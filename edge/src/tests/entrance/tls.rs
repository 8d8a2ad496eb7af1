//! TLS of our own, with a client that believes one certificate.

use super::*;
use crate::Tls;
use std::path::{Path, PathBuf};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

const ONE: [&str; 2] = [include_str!("../certificates/one.pem"), include_str!("../certificates/one.key")];
const TWO: [&str; 2] = [include_str!("../certificates/two.pem"), include_str!("../certificates/two.key")];

/// Where a certificate and its key lie; gone at the end.
struct Files(PathBuf);

impl Files {
    fn new(pair: [&str; 2]) -> Self {
        let files = Self(std::env::temp_dir().join(format!("natter-tls-{}", natter_streams::id::new())));
        std::fs::create_dir_all(&files.0).unwrap();
        files.write(pair);
        files
    }

    fn write(&self, [certificate, key]: [&str; 2]) {
        std::fs::write(self.certificate(), certificate).unwrap();
        std::fs::write(self.key(), key).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn served(files: &Files) -> House {
    let tls = Some(Tls::read(&files.certificate(), &files.key()).await.unwrap());
    house(Settings { tls, ..bounds(Bounds { head: Duration::from_secs(1), ..Bounds::default() }) }).await
}

/// A connection of somebody who believes this certificate and no other.
async fn connect(house: &House, [certificate, _]: [&str; 2]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(house.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    timeout(SOON, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
}

async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut bytes = vec![0; 4_096];
    let read = timeout(SOON, stream.read(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8(bytes[..read].to_vec()).unwrap()
}

#[tokio::test]
async fn another_certificate_is_served_when_it_is_there_and_open_connections_go_on() {
    let files = Files::new(ONE);
    let house = served(&files).await;
    let mut old = connect(&house, ONE).await.unwrap();
    let answer = ask(&mut old).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    assert!(connect(&house, TWO).await.is_err());

    files.write(TWO);
    let begun = Instant::now();
    let mut new = loop {
        if let Ok(stream) = connect(&house, TWO).await {
            break stream;
        }
        assert!(begun.elapsed() < SOON, "the new certificate is not taken");
        tokio::task::yield_now().await;
    };
    assert!(ask(&mut new).await.starts_with("HTTP/1.1 200"));
    assert!(connect(&house, ONE).await.is_err());
    assert!(ask(&mut old).await.starts_with("HTTP/1.1 200"), "who was there before goes on");
}

#[tokio::test]
async fn a_pair_that_does_not_fit_changes_nothing() {
    let files = Files::new(ONE);
    let house = served(&files).await;
    for (certificate, key) in [(TWO[0], ONE[1]), ("", ONE[1]), (ONE[0], "-----BEGIN PRIVATE KEY-----\n")] {
        files.write([certificate, key]);
        let error = Tls::read(&files.certificate(), &files.key()).await.unwrap_err();
        assert!(matches!(error, crate::Error::Certificate { .. }), "{error:?}");
    }
    // What is tried in order: the pair that is good comes after those that are not.
    files.write(TWO);
    let begun = Instant::now();
    while connect(&house, TWO).await.is_err() {
        assert!(
            connect(&house, ONE).await.is_ok() || connect(&house, TWO).await.is_ok(),
            "one of them is served always"
        );
        assert!(begun.elapsed() < SOON, "the good pair is not taken");
    }
}

#[tokio::test]
async fn who_does_not_shake_hands_is_let_go() {
    let files = Files::new(ONE);
    let house = served(&files).await;
    assert_eq!(rest(house.connect("").await).await, "");
    // Plain HTTP: refused, with an alert of TLS or none.
    let mut stream = house.connect(HEALTH).await;
    let mut bytes = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("it is closed");
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
}

#[tokio::test]
async fn files_that_are_not_there_are_named() {
    let error = Tls::read(Path::new("/nowhere/cert.pem"), Path::new("/nowhere/key.pem")).await.unwrap_err();
    assert_eq!(error.to_string(), "read /nowhere/cert.pem");
}
