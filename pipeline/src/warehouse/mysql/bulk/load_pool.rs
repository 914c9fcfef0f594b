//! Sessions of mysql_async, which supports LOAD DATA from memory; [`super::super::reuse`] opens and reuses them.
//!
//! They log in as the same user to the same server, with TLS as configured by the address's `ssl-mode`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{ClientIdentity, Conn, DriverError, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use rustls::CertificateError;
use sqlx::mysql::MySqlConnectOptions;
use url::Url;

use super::super::error::explain_async;
use super::super::pool::settings;
use super::super::reuse::{self, Driver, Pool};
use super::super::tls::Tls;
use crate::error::chain;
use crate::retry::TimeoutProfile;
use crate::warehouse::credentials::{CredentialProvider, Credentials};
use crate::warehouse::{Error, TableName, TlsMode};

/// Settings in addition to those of every session: all warnings are stored, and an abandoned session ends soon, with
/// its locks: before other programs give up waiting for them (`--unavailable-timeout`, 5 minutes). A batch is ready
/// before its transaction starts, so the server never waits that long for a program that runs.
const SETTINGS: [&str; 2] =
    ["SET NAMES utf8mb4", "SET SESSION max_error_count = 65535, wait_timeout = 120, net_read_timeout = 120"];

/// Opens and checks sessions.
pub(super) struct LoadSessionManager {
    options: OptsBuilder,
    /// Host and socket in the address.
    server: (String, Option<PathBuf>),
    tls: Tls,
    /// Certificate and key that identify the client.
    identity: Option<ClientIdentity>,
    connect_timeout: Duration,
    credentials: Option<Arc<dyn CredentialProvider>>,
}

/// Pool with a maximum number of sessions.
pub(super) type LoadSessionPool = Pool<LoadSessionManager>;

/// Connection with its maximum packet size, in bytes.
pub(super) struct LoadConnection {
    pub connection: Conn,
    pub packet: usize,
}

/// Session in use.
pub(super) type LoadSession = reuse::Session<LoadSessionManager>;

impl LoadSessionManager {
    pub fn pool(
        url: &Url,
        options: &MySqlConnectOptions,
        tls: &Tls,
        (credentials, connect_timeout): (Option<Arc<dyn CredentialProvider>>, Duration),
        max: u32,
    ) -> LoadSessionPool {
        let file = |names: [&str; 2]| {
            let found = url.query_pairs().filter(|(name, _)| names.contains(&&**name)).last();
            found.map(|(_, path)| PathBuf::from(&*path))
        };
        let identity = file(["ssl-cert", "sslcert"]).zip(file(["ssl-key", "sslkey"]));
        let identity = identity.map(|(cert, key)| ClientIdentity::new(cert.into(), key.into()));
        let password = url.password().map(|password| percent_decode_str(password).decode_utf8_lossy().into_owned());
        let server = (options.get_host().to_owned(), options.get_socket().cloned());
        let socket = options.get_socket().map(|path| path.display().to_string());
        let options = OptsBuilder::default()
            .ip_or_hostname(options.get_host().trim_start_matches('[').trim_end_matches(']'))
            .tcp_port(options.get_port())
            .user(Some(options.get_username()))
            .pass(password)
            .db_name(options.get_database())
            .prefer_socket(socket.is_some())
            .socket(socket)
            .client_found_rows(true)
            .tcp_keepalive(Some(Duration::from_secs(60)));
        Pool::new(Self { options, server, tls: tls.clone(), identity, connect_timeout, credentials }, max)
    }

    /// Opens a connection, and configures it.
    async fn open(&self, options: OptsBuilder, mode: TlsMode) -> Result<LoadConnection, mysql_async::Error> {
        let mut connection = self.secured(options, mode).await?;
        connection.query_drop(settings(TimeoutProfile::Bulk)).await?;
        for setting in SETTINGS {
            connection.query_drop(setting).await?;
        }
        let packet: Option<u64> = connection.query_first("SELECT @@SESSION.max_allowed_packet").await?;
        let packet = packet.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(1_024);
        Ok(LoadConnection { connection, packet })
    }

    /// Opens a connection in a TLS mode, like sqlx.
    async fn secured(&self, options: OptsBuilder, mode: TlsMode) -> Result<Conn, mysql_async::Error> {
        // RDS requires a token in clear text: it is only sent to a server whose name was verified.
        let options = options.enable_cleartext_plugin(mode == TlsMode::VerifyIdentity);
        let with = |tls: SslOpts| Conn::new(options.clone().ssl_opts(tls));
        let tls = SslOpts::default().with_client_identity(self.identity.clone());
        let any = || tls.clone().with_danger_accept_invalid_certs(true);
        let verified = || {
            tls.clone().with_root_certs(self.tls.trusted().map(Into::into).collect()).with_disable_built_in_roots(true)
        };
        match mode {
            TlsMode::Disabled => Conn::new(options).await,
            TlsMode::Required => with(any()).await,
            TlsMode::VerifyIdentity => with(verified()).await,
            TlsMode::Preferred => match with(any()).await {
                Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer)) => Conn::new(options).await,
                other => other,
            },
            TlsMode::VerifyCa => match with(verified()).await {
                // The chain is valid, and the mode accepts any name in the certificate.
                Err(e) => match other_name(&e) {
                    Some(name) => with(verified().with_danger_tls_hostname_override(Some(name))).await,
                    None => Err(e),
                },
                opened => opened,
            },
        }
    }
}

/// Returns a name in the server's certificate, if the certificate is valid except for the server's name.
fn other_name(e: &mysql_async::Error) -> Option<String> {
    let tls = chain(e).find_map(|e| e.downcast_ref::<rustls::Error>())?;
    let rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) = tls else {
        return None;
    };
    // rustls formats each name like `DnsName("*.example")`, `IpAddress(::1)`.
    let name = presented.first()?.strip_suffix(')')?;
    let name = name.strip_prefix("DnsName(").or_else(|| name.strip_prefix("IpAddress("))?.trim_matches('"');
    Some(name.trim_start_matches("*.").to_owned())
}

fn failure(e: &mysql_async::Error) -> Error {
    let (reason, message) = explain_async(e, &TableName::default());
    Error::new(reason, "", message)
}

impl Driver for LoadSessionManager {
    type Connection = LoadConnection;

    fn login(&self) -> Option<&Arc<dyn CredentialProvider>> {
        self.credentials.as_ref()
    }

    fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    async fn connect(&self, with: Option<Credentials>) -> Result<LoadConnection, Error> {
        let (mut options, (host, socket)) = (self.options.clone(), &self.server);
        let host = with.as_ref().and_then(|with| with.host.as_ref()).unwrap_or(host);
        let mode = self.tls.mode(host, socket.as_deref());
        if let Some(with) = with {
            options = options.user(Some(with.user)).pass(Some(with.password));
            options = with.host.into_iter().fold(options, OptsBuilder::ip_or_hostname);
            options = with.port.into_iter().fold(options, OptsBuilder::tcp_port);
            options = with.database.into_iter().fold(options, |options, database| options.db_name(Some(database)));
        }
        self.open(options, mode).await.map_err(|e| failure(&e))
    }

    async fn ping(&self, held: &mut LoadConnection) -> Result<(), Error> {
        held.connection.ping().await.map_err(|e| failure(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_certificate_are_read_from_the_error_of_rustls() {
        let error = |names: &[&str]| {
            let expected = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
            let presented = names.iter().map(|&name| name.to_owned()).collect();
            let invalid = CertificateError::NotValidForNameContext { expected, presented };
            let e = rustls::Error::InvalidCertificate(invalid);
            // The same form as in errors of the driver.
            mysql_async::Error::from(std::io::Error::new(std::io::ErrorKind::InvalidData, e))
        };
        let name = |names: &[&str]| other_name(&error(names));
        assert_eq!(name(&[r#"DnsName("db.example")"#]).as_deref(), Some("db.example"));
        assert_eq!(name(&[r#"DnsName("a")"#, r#"DnsName("b")"#, "IpAddress(::1)"]).as_deref(), Some("a"));
        assert_eq!(name(&[r#"DnsName("*.db.example")"#]).as_deref(), Some("db.example"));
        assert_eq!(name(&["IpAddress(::1)"]).as_deref(), Some("::1"));
        assert_eq!(name(&[]), None);
        let other = rustls::Error::InvalidCertificate(CertificateError::Expired);
        assert_eq!(other_name(&mysql_async::Error::from(other)), None);
    }
}
