//! Which servers are believed to be who they say, where that is not left to what everybody believes.

use crate::Error;
use std::sync::Arc;
use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Those whose certificates (PEM) these are, or were signed by these.
pub fn only(certificates: &[u8]) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(certificates) {
        roots.add(certificate.map_err(unreadable)?).map_err(unreadable)?;
    }
    if roots.is_empty() {
        return Err(unreadable(rustls::Error::General("there is none".to_owned())));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unreadable)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Certificates(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_not_believed() {
        for bad in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(only(bad.as_bytes()), Err(Error::Certificates(_))), "{bad}");
        }
    }
}
