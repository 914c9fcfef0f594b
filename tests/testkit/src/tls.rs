//! A certificate authority for a test, and TLS in front of a plain server.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::tcp::TcpServer;

/// A certificate authority that only the tests trust.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// Validity of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Valid now.
    Valid,
    /// Expired years ago.
    Expired,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Returns its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    fn server(&self, name: &str, validity: Validity) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if validity == Validity::Expired {
            (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(ring::default_provider().into());
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        config.with_single_cert(vec![CertificateDer::from(certificate.der().to_vec())], key).unwrap()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// A TLS port that forwards everything to a plain port on this machine.
#[derive(Debug)]
pub struct TlsFront(TcpServer);

impl TlsFront {
    /// Starts with a certificate for a name or an address.
    pub fn start(authority: &Authority, name: &str, validity: Validity, plain: u16) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(authority.server(name, validity)));
        Self(TcpServer::start(move |stream| {
            let acceptor = acceptor.clone();
            async move { pass_on(acceptor, stream, plain).await }
        }))
    }

    /// Returns the port number.
    pub fn port(&self) -> u16 {
        self.0.port()
    }
}

async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, plain: u16) -> io::Result<()> {
    let mut client = acceptor.accept(stream).await?;
    let mut server = TcpStream::connect(("127.0.0.1", plain)).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
