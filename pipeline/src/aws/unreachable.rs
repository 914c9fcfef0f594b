//! Requests that failed on the network: the server, the proxy, the innermost cause and what to do.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::result::DispatchFailure;
use aws_smithy_types::retry::ErrorKind;
use http::Uri;
use rustls::CertificateError;

use super::proxy::Proxy;
use crate::error::chain;

type Source = Box<dyn Error + Send + Sync>;

/// Variable for the endpoint of all services.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// A connection could not be opened.
#[derive(Debug)]
pub struct Unreachable {
    /// Host and port of the server.
    server: String,
    /// The proxy, if one was used.
    proxy: Option<String>,
    source: Source,
}

impl Unreachable {
    /// Creates the error for a connection to the server of a URI.
    pub fn new(to: &Uri, proxy: Option<&Proxy>, source: impl Into<Source>) -> Self {
        let default = if to.scheme_str() == Some("http") { 80 } else { 443 };
        let server = format!("{}:{}", to.host().unwrap_or_default(), to.port_u16().unwrap_or(default));
        Self { server, proxy: proxy.map(ToString::to_string), source: source.into() }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}", self.server)?;
        self.proxy.as_ref().map_or(Ok(()), |proxy| write!(f, " through the proxy {proxy}"))
    }
}

impl Error for Unreachable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// Returns true if a request failed on the network: no connection, a timeout, or a connection that ended before the
/// response.
///
/// The SDK's client reports a connection that is closed without a reset as another error that is transient.
pub fn is_network(failure: &DispatchFailure) -> bool {
    failure.is_io() || failure.is_timeout() || failure.as_other() == Some(ErrorKind::TransientError)
}

/// Returns one line about a failed request: the server if no connection was opened, the innermost cause and what to do.
pub fn explain(e: &(dyn Error + 'static)) -> String {
    let unreachable = chain(e).find_map(|e| e.downcast_ref::<Unreachable>());
    let place = unreachable.map_or_else(|| "no response".to_owned(), ToString::to_string);
    let proxied = unreachable.is_some_and(|e| e.proxy.is_some());
    format!("{place}: {}: {}", innermost(e), advice(e, proxied))
}

/// Adds the variable for the endpoint of one service, such as `SNS`, after the general one in a message.
pub fn with_endpoint_variable(message: &str, service: &str) -> String {
    message.replace(ENDPOINT, &format!("{ENDPOINT} or {ENDPOINT}_{service}"))
}

/// Returns true if TLS failed, for example because of the certificate; a retry cannot help.
pub fn is_untrusted(e: &(dyn Error + 'static)) -> bool {
    chain(e).any(|e| e.is::<rustls::Error>())
}

/// Returns the innermost cause of an error, in one line.
pub fn innermost(e: &(dyn Error + 'static)) -> String {
    let last = chain(e).last().map(ToString::to_string).unwrap_or_default();
    last.lines().next().unwrap_or_default().trim_end_matches(" Attempted:").to_owned()
}

/// Returns what to do about a failed connection.
fn advice(e: &(dyn Error + 'static), proxied: bool) -> &'static str {
    let tls = chain(e).find_map(|e| e.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(invalid)) => match invalid {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the server's certificate is signed by an unknown authority: name it with AWS_CA_BUNDLE, or with ca_bundle in the profile"
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                "check this machine's clock, or renew the server's certificate"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate belongs to another host: check the host in AWS_ENDPOINT_URL"
            }
            _ => "the server's certificate cannot be used: check AWS_ENDPOINT_URL and AWS_CA_BUNDLE",
        },
        Some(_) => "check that AWS_ENDPOINT_URL names a server with TLS, or write http://",
        None if has_no_files(e) => "raise the limit on open files (`ulimit -n`), or lower --concurrency",
        None if proxied => "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
        None => "check the network, AWS_ENDPOINT_URL and, if there is a proxy, HTTPS_PROXY",
    }
}

/// Returns true if this process or machine may not open more files: `EMFILE` or `ENFILE`.
fn has_no_files(e: &(dyn Error + 'static)) -> bool {
    let mut codes = chain(e).filter_map(|e| e.downcast_ref::<std::io::Error>()?.raw_os_error());
    cfg!(unix) && codes.any(|code| matches!(code, 23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use std::io;

    #[test]
    fn a_connection_that_is_closed_before_the_response_is_a_network_failure() {
        let failed = |e: ConnectorError| is_network(&DispatchFailure::builder().source(e).build());
        // The SDK's client returns this for an incomplete message.
        assert!(failed(ConnectorError::other("closed".into(), Some(ErrorKind::TransientError))));
        assert!(failed(ConnectorError::io("reset".into())) && failed(ConnectorError::timeout("late".into())));
        assert!(!failed(ConnectorError::user("invalid request".into())));
        assert!(!failed(ConnectorError::other("no HTTP".into(), None)));
    }

    #[test]
    fn the_server_and_the_innermost_cause_are_named() {
        let to = Uri::from_static("https://minio.example:9000/x");
        let refused = io::Error::other(io::Error::from(io::ErrorKind::ConnectionRefused));
        let e = Unreachable::new(&to, None, refused);
        assert_eq!(
            explain(&e),
            "cannot connect to minio.example:9000: connection refused: check the network, AWS_ENDPOINT_URL and, if there is a proxy, HTTPS_PROXY"
        );
        assert!(explain(&io::Error::other("broken")).starts_with("no response: broken: "));
        let full = Unreachable::new(&to, None, io::Error::other(io::Error::from_raw_os_error(24)));
        assert!(
            cfg!(not(unix))
                || explain(&full).ends_with(": raise the limit on open files (`ulimit -n`), or lower --concurrency"),
            "{}",
            explain(&full)
        );
    }

    #[test]
    fn the_variable_of_a_service_is_named_after_the_general_one() {
        let message = with_endpoint_variable(&explain(&io::Error::other("broken")), "SNS");
        assert!(message.contains("the network, AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_SNS and, if there"), "{message}");
    }

    #[test]
    fn each_fault_of_a_certificate_is_named() {
        let to = Uri::from_static("https://s3.example");
        for (fault, words) in [
            (CertificateError::UnknownIssuer, "AWS_CA_BUNDLE"),
            (CertificateError::Expired, "clock"),
            (CertificateError::NotValidForName, "another host"),
        ] {
            let tls = rustls::Error::InvalidCertificate(fault);
            let e = Unreachable::new(&to, None, io::Error::new(io::ErrorKind::InvalidData, tls));
            assert!(explain(&e).contains(words), "{}", explain(&e));
            assert!(
                explain(&e).starts_with("cannot connect to s3.example:443: invalid peer certificate"),
                "{}",
                explain(&e)
            );
        }
    }
}
