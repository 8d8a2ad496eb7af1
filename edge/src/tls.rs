//! TLS of our own: a certificate with its key, read again when their files change. What cannot be used (half written, a
//! key of another certificate) is told, and the last good pair stays. Connections that are open keep what they began with.

use crate::{Error, metrics};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::time::interval;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// How often the files are looked at: two small reads.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A cheap handle.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    /// What they held when we began.
    first: Pair,
    config: RwLock<Arc<ServerConfig>>,
}

/// What the two files hold.
#[derive(Clone, PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.0.certificate.display())
    }
}

impl Tls {
    /// `certificate`: its chain, the server's own first; `key`: PKCS#8, PKCS#1 or SEC1. Both PEM.
    pub async fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let first = pair(certificate, key).await?;
        let config = RwLock::new(first.config()?);
        Ok(Self(Arc::new(Inner { certificate: certificate.to_owned(), key: key.to_owned(), first, config })))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).clone().into()
    }

    /// Looks at the files for as long as it is polled.
    pub async fn watch(self) {
        let mut seen = Some(self.0.first.clone());
        let mut ticks = interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let found = pair(&self.0.certificate, &self.0.key).await;
            if found.as_ref().ok() == seen.as_ref() {
                continue;
            }
            seen = found.as_ref().ok().cloned();
            let changed = found.and_then(|pair| pair.config());
            metrics::certificate_read(changed.is_ok());
            match changed {
                Ok(config) => {
                    *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                    tracing::info!(certificate = %self.0.certificate.display(), "another certificate");
                }
                Err(error) => tracing::warn!(error = %chain(&error), "the last certificate stays"),
            }
        }
    }
}

async fn pair(certificate: &Path, key: &Path) -> Result<Pair, Error> {
    let read = async |path: &Path| {
        let failed = |source| Error::Certificate { what: format!("read {}", path.display()), source: Box::new(source) };
        tokio::fs::read(path).await.map_err(failed)
    };
    Ok(Pair { certificate: read(certificate).await?, key: read(key).await? })
}

impl Pair {
    fn config(&self) -> Result<Arc<ServerConfig>, Error> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |source: Box<dyn std::error::Error + Send + Sync>| Error::Certificate { what, source }
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.map_err(|error| failed("read the certificate")(error.into()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| failed("read its key")(error.into()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed("choose the versions of TLS")(error.into()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| failed("use the certificate with its key")(error.into()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
