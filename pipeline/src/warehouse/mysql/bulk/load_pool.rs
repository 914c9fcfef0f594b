//! Sessions of mysql_async, which can send a file that is none; opened and kept by the rules of `super::super::pool`.
//!
//! They log in with the same user to the same server, with TLS as the address's `ssl-mode` asks.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use mysql_async::prelude::Queryable;
use mysql_async::{ClientIdentity, Conn, DriverError, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use rustls::CertificateError;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use tokio::time::timeout;
use url::Url;

use super::super::error::explain_async;
use super::super::pool::{CHECK, FRESH, OPEN, settings};
use crate::error::chain;
use crate::retry::TimeoutProfile;
use crate::warehouse::credentials::CredentialProvider;
use crate::warehouse::{Error, Reason, TableName};

/// Beyond what every session is set to: all warnings are kept, and a session whose sender has gone soon ends, with what it
/// holds; a batch is ready before its transaction begins.
const SETTINGS: [&str; 2] = ["SET NAMES utf8mb4", "SET SESSION max_error_count = 65535, wait_timeout = 600"];

/// How sessions are opened.
pub(super) struct LoadSessionManager {
    options: OptsBuilder,
    mode: MySqlSslMode,
    tls: SslOpts,
    credentials: Option<Arc<dyn CredentialProvider>>,
}

/// Without the password, which the options show.
impl fmt::Debug for LoadSessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("mode", &self.mode).field("login", &self.credentials).finish_non_exhaustive()
    }
}

/// At most so many sessions at once.
pub(super) type LoadSessionPool = Pool<LoadSessionManager>;

/// A session of the pool, when it last served, and the largest packet that it takes, in bytes.
pub(super) struct PooledLoadSession {
    pub connection: Conn,
    used: SystemTime,
    pub packet: usize,
}

/// Without the connection, whose options show the password.
impl fmt::Debug for PooledLoadSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("used", &self.used).field("packet", &self.packet).finish_non_exhaustive()
    }
}

/// A session in use; goes back only from a use that ended well.
pub(super) struct LoadSession {
    held: Option<Object<LoadSessionManager>>,
    pub reusable: bool,
}

impl LoadSession {
    pub async fn get(pool: &LoadSessionPool, address: &str) -> Result<Self, Error> {
        match pool.get().await {
            Ok(held) => Ok(Self { held: Some(held), reusable: false }),
            Err(PoolError::Backend(e)) => Err(Error { about: address.to_owned(), ..e }),
            Err(other) => Err(Error::new(Reason::Unreachable, address, format!("no session: {other}"))),
        }
    }

    pub fn held(&mut self) -> &mut PooledLoadSession {
        self.held.as_mut().expect("held until it is dropped")
    }
}

impl Drop for LoadSession {
    fn drop(&mut self) {
        match self.held.take() {
            Some(mut held) if self.reusable => held.used = SystemTime::now(),
            Some(held) => drop(Object::take(held)),
            None => {}
        }
    }
}

impl LoadSessionManager {
    pub fn pool(
        url: &Url,
        options: &MySqlConnectOptions,
        credentials: Option<Arc<dyn CredentialProvider>>,
        max: u32,
    ) -> LoadSessionPool {
        let tls = url.query_pairs().fold(SslOpts::default(), |tls, (name, value)| match &*name {
            "ssl-ca" | "sslca" => tls.with_root_certs(vec![PathBuf::from(&*value).into()]),
            _ => tls,
        });
        let file = |names: [&str; 2]| {
            let found = url.query_pairs().filter(|(name, _)| names.contains(&&**name)).last();
            found.map(|(_, path)| PathBuf::from(&*path))
        };
        let identity = file(["ssl-cert", "sslcert"]).zip(file(["ssl-key", "sslkey"]));
        let tls = tls.with_client_identity(identity.map(|(cert, key)| ClientIdentity::new(cert.into(), key.into())));
        let password = url.password().map(|password| percent_decode_str(password).decode_utf8_lossy().into_owned());
        let mode = options.get_ssl_mode();
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
            .tcp_keepalive(Some(Duration::from_secs(60)))
            // RDS asks for a token in clear text: given only to a server whose name was verified.
            .enable_cleartext_plugin(matches!(mode, MySqlSslMode::VerifyIdentity));
        let pool = Pool::builder(Self { options, mode, tls, credentials });
        let pool = pool.max_size(usize::try_from(max.max(1)).unwrap_or(usize::MAX)).build();
        pool.expect("only time-outs need a runtime, and the pool has none")
    }

    async fn open(&self, refused: bool) -> Result<PooledLoadSession, Error> {
        let mut options = self.options.clone();
        if let Some(credentials) = &self.credentials {
            let with = credentials.credentials(refused).await?;
            options = options.user(Some(with.user)).pass(Some(with.password));
            options = with.host.into_iter().fold(options, OptsBuilder::ip_or_hostname);
            options = with.port.into_iter().fold(options, OptsBuilder::tcp_port);
            options = with.database.into_iter().fold(options, |options, database| options.db_name(Some(database)));
        }
        let connect = async {
            let mut connection = self.connect(options).await?;
            connection.query_drop(settings(TimeoutProfile::Bulk)).await?;
            for setting in SETTINGS {
                connection.query_drop(setting).await?;
            }
            let packet: Option<u64> = connection.query_first("SELECT @@SESSION.max_allowed_packet").await?;
            let packet = packet.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(1_024);
            Ok(PooledLoadSession { connection, used: SystemTime::now(), packet })
        };
        let silent = |_| {
            let message = format!("no answer within {} s: check host, port and network", OPEN.as_secs());
            Error::new(Reason::Unreachable, "", message)
        };
        timeout(OPEN, connect).await.map_err(silent)?.map_err(|e| failure(&e))
    }

    /// With TLS as the mode asks, as sqlx does it.
    async fn connect(&self, options: OptsBuilder) -> Result<Conn, mysql_async::Error> {
        let with = |tls: SslOpts| Conn::new(options.clone().ssl_opts(tls));
        let any = || self.tls.clone().with_danger_accept_invalid_certs(true);
        match self.mode {
            MySqlSslMode::Disabled => Conn::new(options).await,
            MySqlSslMode::Required => with(any()).await,
            MySqlSslMode::VerifyIdentity => with(self.tls.clone()).await,
            MySqlSslMode::Preferred => match with(any()).await {
                Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer)) => Conn::new(options).await,
                other => other,
            },
            MySqlSslMode::VerifyCa => match with(self.tls.clone()).await {
                // The chain is good, and the name may be any that the certificate has.
                Err(e) => match other_name(&e) {
                    Some(name) => with(self.tls.clone().with_danger_tls_hostname_override(Some(name))).await,
                    None => Err(e),
                },
                opened => opened,
            },
        }
    }
}

/// A name that the server's certificate is valid for, if it is valid and only not for the server's name.
fn other_name(e: &mysql_async::Error) -> Option<String> {
    let tls = chain(e).find_map(|e| e.downcast_ref::<rustls::Error>())?;
    let rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) = tls else {
        return None;
    };
    // Each name is as rustls shows it: `DnsName("*.example")`, `IpAddress(::1)`.
    let name = presented.first()?.strip_suffix(')')?;
    let name = name.strip_prefix("DnsName(").or_else(|| name.strip_prefix("IpAddress("))?.trim_matches('"');
    Some(name.trim_start_matches("*.").to_owned())
}

fn failure(e: &mysql_async::Error) -> Error {
    let (reason, message) = explain_async(e, &TableName::default());
    Error::new(reason, "", message)
}

impl Manager for LoadSessionManager {
    type Type = PooledLoadSession;
    type Error = Error;

    async fn create(&self) -> Result<PooledLoadSession, Error> {
        match self.open(false).await {
            // A password may have changed since it was read.
            Err(e) if e.reason == Reason::Denied && self.credentials.is_some() => self.open(true).await,
            opened => opened,
        }
    }

    async fn recycle(&self, held: &mut PooledLoadSession, _: &Metrics) -> RecycleResult<Error> {
        if held.used.elapsed().is_ok_and(|idle| idle < FRESH) {
            return Ok(());
        }
        match timeout(CHECK, held.connection.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(RecycleError::Backend(failure(&e))),
            Err(_) => Err(RecycleError::message("no answer to a ping")),
        }
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
            // As the driver of the protocol hands it on.
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
