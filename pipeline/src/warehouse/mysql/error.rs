//! Converts driver errors to one-line messages with a suggested action.

use super::Reason;
use crate::warehouse::TableName;

/// Returns the reason and the message for an error of sqlx.
pub(super) fn classify(e: &sqlx::Error, table: &TableName) -> (Reason, String) {
    let sqlx::Error::Database(database) = e else {
        return match e {
            // rustls reports its errors in this form.
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => tls_io_error(io),
            sqlx::Error::Io(io) => {
                (Reason::Unreachable, format!("cannot connect, or connection lost: check host, port and network: {io}"))
            }
            sqlx::Error::Tls(tls) => tls_error(tls),
            sqlx::Error::Configuration(what) => (Reason::BadAddress, format!("the address cannot be used: {what}")),
            // sqlx has no variant for it.
            sqlx::Error::Protocol(what) if what.starts_with("unknown authentication plugin: ") => {
                unsupported_login(what.rsplit(": ").next().unwrap_or_default())
            }
            sqlx::Error::Protocol(what) if what.contains("cleartext_plugin disabled") => {
                unsupported_login("mysql_clear_password")
            }
            sqlx::Error::Protocol(what) => (Reason::Unreachable, format!("connection lost: {what}")),
            other => (Reason::Other, other.to_string()),
        };
    };
    let number = database
        .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map_or(0, sqlx::mysql::MySqlDatabaseError::number);
    classify_code(number, database.message(), table)
}

/// Returns the reason and the message for a server error; the numbers are MySQL's and MariaDB's error codes.
pub(super) fn classify_code(number: u16, message: &str, table: &TableName) -> (Reason, String) {
    let details = format!("{message} (error {number})");
    match number {
        1045 | 1698 | 1862 => (Reason::Denied, format!("login refused: check user and password: {details}")),
        1251 | 1275 | 1524 | 2059 => {
            (Reason::Denied, format!("the account's login plugin is not supported: {LOGIN}: {details}"))
        }
        1044 | 1142 | 1143 | 1227 | 1370 => (Reason::Privilege, format!("the account lacks a privilege: {details}")),
        1049 => (Reason::NoDatabase, format!("no such database: create it or correct the address: {details}")),
        1146 => {
            (Reason::NoTable, format!("no table {table}: run `ruminate init`, or name another with --table: {details}"))
        }
        1054 | 1364 => (Reason::BadSchema, details),
        1040 | 1203 | 1226 => (Reason::Busy, details),
        1205 | 3572 => (Reason::Locked, format!("{LOCKED}: {details}")),
        1213 => (Reason::Deadlock, details),
        1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1317 | 1927 | 2006 | 2013 | 4031 => (Reason::Unreachable, details),
        1290 | 1792 | 1836 => (
            Reason::ReadOnly,
            format!("the server is read-only: use the primary, or the cluster's writer endpoint: {details}"),
        ),
        1048 | 1264 | 1265 | 1292 | 1366 | 1406 | 1452 | 1526 | 1644 | 3105 | 3819 | 3988 | 4025 => {
            (Reason::BadRow, details)
        }
        1022 | 1050 | 1062 | 1169 | 1586 | 1859 => (Reason::AlreadyExists, details),
        1021 | 1114 => (Reason::NoSpace, format!("the server has no space left: {details}")),
        1153 => (Reason::Other, format!("raise max_allowed_packet on the server: {details}")),
        _ => (Reason::Other, details),
    }
}

pub(super) fn tls_error(why: &dyn std::fmt::Display) -> (Reason, String) {
    let check = "check the host's name and name its authority with ssl-ca (RDS_CA_FILE); less is verified with ssl-mode \
                 (RDS_SSL_MODE): REQUIRED accepts any certificate, DISABLED needs no TLS";
    (Reason::Untrusted, format!("TLS verification failed: {check}: {why}"))
}

/// Returns the reason and the message for an error of rustls in an I/O error.
fn tls_io_error(io: &std::io::Error) -> (Reason, String) {
    match io.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(tls) if is_broken(tls) => broken_tls(tls),
        _ => tls_error(io),
    }
}

/// Returns true if the connection was lost, so that a retry can succeed: a server that gives up a slow handshake, or a
/// proxy without a server, sends bytes that are not TLS. The certificate was not verified.
const fn is_broken(e: &rustls::Error) -> bool {
    use rustls::Error::{DecryptError, InappropriateHandshakeMessage, InappropriateMessage, InvalidMessage};
    matches!(e, InvalidMessage(_) | DecryptError | InappropriateMessage { .. } | InappropriateHandshakeMessage { .. })
}

fn broken_tls(e: &rustls::Error) -> (Reason, String) {
    (Reason::Unreachable, format!("connection lost during TLS: check host, port and network: {e}"))
}

/// Advice about locks of others. A program that was frozen or cut off keeps its locks until its session times out.
const LOCKED: &str = "another session holds locks on these rows or on the table: end its transaction, or the session \
                      with KILL (SHOW FULL PROCESSLIST, or sys.innodb_lock_waits on MySQL)";

/// Advice about an account with an unsupported login plugin.
const LOGIN: &str = "use caching_sha2_password or mysql_native_password, such as ALTER USER … IDENTIFIED WITH \
                     caching_sha2_password BY …; IAM and mysql_clear_password need ssl-mode=VERIFY_IDENTITY";

/// Returns the reason and the message for a login plugin that the drivers do not support; a retry cannot help.
fn unsupported_login(plugin: &str) -> (Reason, String) {
    (Reason::Denied, format!("the account logs in with {plugin:?}, which is not supported: {LOGIN}"))
}

/// Returns the reason and the message for an error of mysql_async.
#[cfg(feature = "bulk")]
pub(super) fn explain_async(e: &mysql_async::Error, table: &TableName) -> (Reason, String) {
    use mysql_async::{DriverError, Error, IoError};
    match e {
        Error::Server(message) => classify_code(message.code, &message.message, table),
        Error::Io(IoError::Tls(mysql_async::TlsError::Tls(tls))) if is_broken(tls) => broken_tls(tls),
        Error::Io(IoError::Tls(tls)) => tls_error(tls),
        Error::Io(IoError::Io(io)) if io.kind() == std::io::ErrorKind::InvalidData => tls_io_error(io),
        Error::Io(IoError::Io(io)) => {
            (Reason::Unreachable, format!("cannot connect, or connection lost: check host, port and network: {io}"))
        }
        Error::Driver(e @ DriverError::NoClientSslFlagFromServer) => tls_error(e),
        Error::Driver(DriverError::UnknownAuthPlugin { name }) => unsupported_login(name),
        Error::Driver(DriverError::CleartextPluginDisabled) => unsupported_login("mysql_clear_password"),
        Error::Driver(DriverError::PacketTooLarge) => (Reason::Other, "raise max_allowed_packet on the server".into()),
        Error::Driver(
            e @ (DriverError::ConnectionClosed | DriverError::PacketOutOfOrder | DriverError::UnexpectedPacket { .. }),
        ) => (Reason::Unreachable, format!("connection lost: {e}")),
        Error::Url(e) => (Reason::BadAddress, format!("the address cannot be used: {e}")),
        other => (Reason::Other, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, InvalidMessage};

    use super::*;

    fn reason_of(e: rustls::Error) -> Reason {
        let io = std::io::Error::new(std::io::ErrorKind::InvalidData, e);
        classify(&sqlx::Error::Io(io), &TableName::default()).0
    }

    /// A network that drops packets made a server send a message without TLS; a shard ended with 2, and was not retried.
    #[test]
    fn a_handshake_that_broke_is_retried_and_a_certificate_that_is_rejected_is_not() {
        let broken = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(reason_of(broken), Reason::Unreachable);
        assert_eq!(reason_of(rustls::Error::DecryptError), Reason::Unreachable);
        for rejected in [CertificateError::UnknownIssuer, CertificateError::Expired, CertificateError::NotValidForName]
        {
            assert_eq!(reason_of(rustls::Error::InvalidCertificate(rejected)), Reason::Untrusted);
        }
    }
}
