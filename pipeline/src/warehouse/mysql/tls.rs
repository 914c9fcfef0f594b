//! TLS of both drivers: the same mode and the same trusted authorities.
//!
//! Trusted are the system's authorities, those of RDS, and those of `ssl-ca`. Without `ssl-mode`, a server on another
//! machine must prove its name.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use url::Url;

use crate::warehouse::rds_authorities::RDS_AUTHORITIES;
use crate::warehouse::{TlsMode, is_this_machine};

/// TLS settings of an address.
#[derive(Clone)]
pub(super) struct Tls {
    /// Mode in the address. `None` if it depends on the server's host.
    requested: Option<TlsMode>,
    /// Trusted certificates in addition to the system's, as PEM.
    authorities: Arc<Vec<u8>>,
    /// Mode of the last connection, and whether the server is on this machine.
    in_use: Arc<Mutex<Option<(TlsMode, bool)>>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("requested", &self.requested).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the settings of an address.
    ///
    /// # Errors
    /// Returns an error if the mode is unknown, or if the file of `ssl-ca` cannot be read or has no certificate.
    pub fn of(url: &Url) -> Result<Self, String> {
        let option = |names: [&str; 2]| {
            let found = url.query_pairs().filter(|(name, _)| names.contains(&&**name)).last();
            found.map(|(_, value)| value.into_owned())
        };
        let requested = option(["ssl-mode", "sslmode"]).map(|mode| mode.parse()).transpose()?;
        let mut authorities = match option(["ssl-ca", "sslca"]) {
            Some(path) => read(Path::new(&path)).map_err(|e| format!("ssl-ca {path}: {e}"))?,
            None => Vec::new(),
        };
        authorities.push(b'\n');
        authorities.extend_from_slice(RDS_AUTHORITIES.as_bytes());
        Ok(Self { requested, authorities: authorities.into(), in_use: Arc::default() })
    }

    /// Returns the mode of a connection.
    pub fn mode(&self, host: &str, socket: Option<&Path>) -> TlsMode {
        match (self.requested, socket) {
            (Some(mode), _) => mode,
            (None, Some(_)) => TlsMode::Preferred,
            (None, None) => TlsMode::default_for(host),
        }
    }

    /// Returns the mode of the last connection, and whether the server is on this machine. `None` before the first one.
    pub fn in_use(&self) -> Option<(TlsMode, bool)> {
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the settings to a connection of sqlx to the host in its options.
    pub fn apply(&self, options: MySqlConnectOptions) -> MySqlConnectOptions {
        let socket = options.get_socket().map(std::path::PathBuf::as_path);
        let (mode, is_local) = (self.mode(options.get_host(), socket), is_this_machine(options.get_host()));
        let in_use = Some((mode, is_local || socket.is_some()));
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = in_use;
        let options =
            if mode >= TlsMode::VerifyCa { options.ssl_ca_from_pem(self.authorities.to_vec()) } else { options };
        // RDS requires a token in clear text: it is only sent to a server whose name was verified.
        options.enable_cleartext_plugin(mode == TlsMode::VerifyIdentity).ssl_mode(match mode {
            TlsMode::Disabled => MySqlSslMode::Disabled,
            TlsMode::Preferred => MySqlSslMode::Preferred,
            TlsMode::Required => MySqlSslMode::Required,
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
        })
    }

    /// Returns the trusted certificates, as PEM and DER, for mysql_async, whose own are not those of the system.
    #[cfg(feature = "bulk")]
    pub fn trusted(&self) -> impl Iterator<Item = Vec<u8>> {
        use std::sync::LazyLock;
        /// The system's certificates that rustls accepts.
        static SYSTEM: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
            let mut roots = rustls::RootCertStore::empty();
            let certificates = rustls_native_certs::load_native_certs().certs.into_iter();
            certificates.filter(|der| roots.add(der.clone()).is_ok()).map(|der| der.to_vec()).collect()
        });
        let own = std::iter::once(self.authorities.to_vec());
        own.chain(SYSTEM.iter().cloned())
    }
}

/// Reads a PEM file, so that a missing one is reported before the first connection.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|e| e.to_string())?;
    let mark = b"-----BEGIN CERTIFICATE-----";
    let found = pem.windows(mark.len()).any(|window| window == mark);
    found.then_some(pem).ok_or_else(|| "has no certificate in PEM format".into())
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn tls(options: &str) -> Result<Tls, String> {
        Tls::of(&Url::parse(&format!("mysql://h/d{options}")).unwrap())
    }

    #[test]
    fn a_remote_server_is_verified_unless_less_is_requested() {
        let none = tls("").unwrap();
        assert_eq!(none.mode("db.example", None), TlsMode::VerifyIdentity);
        assert_eq!(none.mode("127.0.0.1", None), TlsMode::Preferred);
        assert_eq!(none.mode("db.example", Some(Path::new("/run/mysqld.sock"))), TlsMode::Preferred);
        assert_eq!(tls("?ssl-mode=REQUIRED").unwrap().mode("db.example", None), TlsMode::Required);
        assert_eq!(tls("?ssl-mode=VERIFY_IDENTITY").unwrap().mode("127.0.0.1", None), TlsMode::VerifyIdentity);
        assert!(tls("?ssl-mode=x").is_err());
    }

    #[test]
    fn a_missing_authority_is_reported_at_once() {
        assert!(tls("?ssl-ca=/nowhere.pem").err().unwrap().contains("/nowhere.pem: No such file"));
        let empty = tempfile::NamedTempFile::new().unwrap();
        let e = tls(&format!("?ssl-ca={}", empty.path().display())).err().unwrap();
        assert!(e.contains("no certificate"), "{e}");
    }

    #[test]
    fn the_authorities_of_rds_are_trusted() {
        let pem = tls("").unwrap().authorities;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.unwrap()).unwrap();
        }
        assert_eq!(roots.len(), 90);
        #[cfg(feature = "bulk")]
        assert!(tls("").unwrap().trusted().next().is_some());
    }
}
