//! TLS toward others: whom to trust, and one session store for each tenant.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Sessions kept for one tenant.
const SESSIONS_MAX: usize = 32;

/// Why a text holds no certificates to trust.
#[derive(Debug, thiserror::Error)]
pub enum BadAuthorities {
    /// It is not PEM.
    #[error("not certificates in PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// A certificate that cannot be trusted.
    #[error("a certificate that cannot be an authority")]
    Certificate(#[source] rustls::Error),
    /// There is none in it.
    #[error("there is no certificate in it")]
    None,
}

/// Whose certificates are believed.
#[derive(Debug, Clone)]
pub struct Authorities(Arc<RootCertStore>);

impl Authorities {
    /// Those that Mozilla's browsers trust.
    pub fn public() -> Self {
        Self(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
    }

    /// These, and those in a PEM file's content.
    pub fn with_pem(&self, pem: &[u8]) -> Result<Self, BadAuthorities> {
        let mut roots = RootCertStore::clone(&self.0);
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(BadAuthorities::Pem)?;
            roots.add(certificate).map_err(BadAuthorities::Certificate)?;
        }
        if roots.len() == before { Err(BadAuthorities::None) } else { Ok(Self(Arc::new(roots))) }
    }

    /// How one tenant's connections are secured. Its sessions are its own: one that another tenant could resume would tell of it.
    pub(crate) fn client_config(&self) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().expect("aws-lc-rs has TLS 1.2 and 1.3");
        let mut config = config.with_root_certificates(self.0.clone()).with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        config
    }
}
