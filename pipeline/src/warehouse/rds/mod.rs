//! Warehouse on Amazon RDS, configured by environment variables.
//!
//! The legacy Lambda's variables are `RDS_HOST`, `RDS_PORT`, `RDS_USER`, `RDS_PASSWORD` and `RDS_DATABASE`. Others
//! support logins without a password in the environment:
//!
//! | variable | meaning |
//! | --- | --- |
//! | `RDS_SECRET_ARN` | secret with user and password, read again if they are rejected; also with host, port and database if their variables are not set |
//! | `RDS_IAM_AUTH=true` | a token in place of the password, signed for each session |
//! | `RDS_CA_FILE` | further certificate authorities, in addition to the system's and those of RDS |
//! | `RDS_SSL_MODE` | another of MySQL's TLS modes, such as `VERIFY_CA` for a server behind a custom name; by default a server on another machine is verified with its name |

use std::fmt;
use std::sync::Arc;

use aws_config::SdkConfig;

use super::mysql::{AccessOptions, MySql};
use super::{CredentialProvider, Error, Reason, TableName, TlsMode, WarehouseUrl};
use iam_token::IamToken;
use secret::{EnvOverrides, Secret};

mod iam_token;
mod secret;

/// Authentication method of sessions.
#[derive(Clone, PartialEq, Eq)]
enum AuthMethod {
    Password(String),
    Secret(String),
    Token,
}

/// User if neither `RDS_USER` nor a secret names one.
const DEFAULT_USER: &str = "root";

/// Warehouse on RDS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rds {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    database: Option<String>,
    auth_method: AuthMethod,
    ca_file: Option<String>,
    ssl_mode: Option<TlsMode>,
}

impl fmt::Debug for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(_) => f.write_str("Password(***)"),
            Self::Secret(arn) => f.debug_tuple("Secret").field(arn).finish(),
            Self::Token => f.write_str("Token"),
        }
    }
}

impl Rds {
    /// Returns the warehouse in the variables. `None` if neither `RDS_HOST` nor `RDS_SECRET_ARN` is set. Empty
    /// variables count as not set.
    ///
    /// # Errors
    /// Returns an error if a variable is invalid, or if two variables contradict each other.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let host = variable("RDS_HOST");
        if host.as_deref().is_some_and(|host| !is_host(host)) {
            // The value is not shown: an address entered here may contain a password.
            return Err(
                "RDS_HOST is not a host name or IP address: the port goes into RDS_PORT, the user into RDS_USER".into(),
            );
        }
        if host.is_none() && variable("RDS_SECRET_ARN").is_none() {
            return Ok(None);
        }
        let port =
            variable("RDS_PORT").map(|port| port.parse().map_err(|_| format!("RDS_PORT {port:?} is not a port")));
        let rds = Self {
            host,
            port: port.transpose()?,
            user: variable("RDS_USER"),
            database: variable("RDS_DATABASE"),
            auth_method: auth_method(&variable)?,
            ca_file: variable("RDS_CA_FILE"),
            ssl_mode: variable("RDS_SSL_MODE")
                .map(|mode| mode.parse())
                .transpose()
                .map_err(|e| format!("RDS_SSL_MODE: {e}"))?,
        };
        if rds.auth_method == AuthMethod::Token && rds.ssl_mode.is_some_and(|mode| mode != TlsMode::VerifyIdentity) {
            return Err(format!(
                "RDS_IAM_AUTH sends its token in clear text: only RDS_SSL_MODE={} keeps it safe",
                TlsMode::VerifyIdentity
            ));
        }
        rds.address()?;
        Ok(Some(rds))
    }

    /// Returns true if [`Rds::open`] requires a region and credentials of AWS.
    pub fn needs_aws(&self) -> bool {
        !matches!(self.auth_method, AuthMethod::Password(_))
    }

    /// Returns the address. Without `RDS_PASSWORD` it contains no password, and placeholders for a host and a user that are
    /// only in the secret.
    ///
    /// # Errors
    /// Returns an error if the host or another part is not valid in an address.
    pub fn address(&self) -> Result<WarehouseUrl, String> {
        let password = if let AuthMethod::Password(password) = &self.auth_method { password } else { "" };
        let database = self.database.as_deref().unwrap_or("fazendas");
        let mut url = WarehouseUrl::from_parts(self.host(), self.port(), self.user(), password, database)?;
        let verified = self.ca_file.is_some() || self.auth_method == AuthMethod::Token;
        // Also on this machine, where nothing is verified by default.
        let ssl_mode = self.ssl_mode.or(verified.then_some(TlsMode::VerifyIdentity)).map(TlsMode::name);
        if let WarehouseUrl::MySql(url) = &mut url {
            let options = [("ssl-mode", ssl_mode), ("ssl-ca", self.ca_file.as_deref())];
            for (name, value) in options.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(url)
    }

    fn known(&self) -> EnvOverrides {
        let (host, port, database) = (self.host.is_some(), self.port.is_some(), self.database.is_some());
        EnvOverrides { user: self.user.as_deref().unwrap_or(DEFAULT_USER).to_owned(), host, port, database }
    }

    fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("host-in-secret")
    }

    fn user(&self) -> &str {
        let default = if matches!(self.auth_method, AuthMethod::Secret(_)) { "user-in-secret" } else { DEFAULT_USER };
        self.user.as_deref().unwrap_or(default)
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(3306)
    }

    /// Returns the table; connects on first use. `access.credentials` is ignored and replaced.
    ///
    /// # Errors
    /// Returns [`Reason::BadAddress`] if the address is invalid, or if a token must be signed and no region is
    /// configured.
    pub fn open(&self, aws: &SdkConfig, table: TableName, access: AccessOptions) -> Result<MySql, Error> {
        let bad = |message: String| Error::new(Reason::BadAddress, self.host(), message);
        let credentials: Option<Arc<dyn CredentialProvider>> = match &self.auth_method {
            AuthMethod::Password(_) => None,
            AuthMethod::Secret(arn) => Some(Arc::new(Secret::new(aws, arn, self.known()))),
            AuthMethod::Token => {
                Some(Arc::new(IamToken::try_new(aws, self.host(), self.port(), self.user()).map_err(bad)?))
            }
        };
        if let Some(path) = &self.ca_file {
            check(path).map_err(|e| bad(format!("RDS_CA_FILE {path}: {e}")))?;
        }
        let WarehouseUrl::MySql(url) = self.address().map_err(bad)? else {
            return Err(bad("the variables RDS_… name no MySQL server".into()));
        };
        MySql::open(&url, table, AccessOptions { credentials, ..access })
    }
}

/// Returns true for a host name or IP address; the URL parser would silently truncate other text.
fn is_host(text: &str) -> bool {
    let number = text.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
    number || text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// Returns an error if a file contains no certificates, so that this is found before the first session.
fn check(path: &str) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|e| e.to_string())?;
    let mark = b"-----BEGIN CERTIFICATE-----";
    let found = text.windows(mark.len()).any(|window| window == mark);
    found.then_some(()).ok_or_else(|| "is not a certificate in PEM format".into())
}

fn auth_method(variable: &impl Fn(&str) -> Option<String>) -> Result<AuthMethod, String> {
    let token = match variable("RDS_IAM_AUTH").map(|value| value.to_ascii_lowercase()).as_deref() {
        Some("true" | "1") => true,
        None | Some("false" | "0") => false,
        Some(other) => return Err(format!("RDS_IAM_AUTH {other:?} is neither true nor false")),
    };
    match (variable("RDS_PASSWORD"), variable("RDS_SECRET_ARN"), token) {
        (_, None, false) => Ok(AuthMethod::Password(variable("RDS_PASSWORD").unwrap_or_default())),
        (None, Some(arn), false) => Ok(AuthMethod::Secret(arn)),
        (None, None, true) => Ok(AuthMethod::Token),
        _ => {
            Err("only one of RDS_PASSWORD, RDS_SECRET_ARN and RDS_IAM_AUTH=true can be meant: unset the others".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Rds>, String> {
        Rds::from_variables(|name| Some((*variables.iter().find(|(known, _)| *known == name)?.1).to_owned()))
    }

    fn url(variables: &[(&str, &str)]) -> String {
        let WarehouseUrl::MySql(url) = read(variables).unwrap().unwrap().address().unwrap() else { panic!() };
        url.into()
    }

    #[test]
    fn the_legacy_lambdas_variables_make_an_address() {
        assert_eq!(read(&[("RDS_PORT", "1"), ("RDS_HOST", "")]).unwrap(), None);
        assert_eq!(url(&[("RDS_HOST", "db")]), "mysql://root@db:3306/fazendas");
        let all = [("RDS_HOST", "db"), ("RDS_PORT", "3307"), ("RDS_USER", "a@b"), ("RDS_PASSWORD", "p/w")];
        assert_eq!(url(&all), "mysql://a%40b:p%2Fw@db:3307/fazendas");
    }

    #[test]
    fn a_secret_may_name_the_server() {
        let secret = ("RDS_SECRET_ARN", "arn:x");
        assert_eq!(url(&[secret]), "mysql://user-in-secret@host-in-secret:3306/fazendas");
        assert_eq!(url(&[secret, ("RDS_USER", "ana")]), "mysql://ana@host-in-secret:3306/fazendas");
        assert!(read(&[("RDS_IAM_AUTH", "true")]).unwrap().is_none());
    }

    #[test]
    fn tls_is_verified_where_there_is_a_bundle_or_a_token() {
        let bundle = [("RDS_HOST", "db"), ("RDS_CA_FILE", "/var/task/rds ca.pem")];
        assert_eq!(
            url(&bundle),
            "mysql://root@db:3306/fazendas?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fvar%2Ftask%2Frds+ca.pem"
        );
        let token = [("RDS_HOST", "db"), ("RDS_IAM_AUTH", "true")];
        assert_eq!(url(&token), "mysql://root@db:3306/fazendas?ssl-mode=VERIFY_IDENTITY");
        let own = [("RDS_HOST", "db"), ("RDS_CA_FILE", "/ca.pem"), ("RDS_SSL_MODE", "VERIFY_CA")];
        assert_eq!(url(&own), "mysql://root@db:3306/fazendas?ssl-mode=VERIFY_CA&ssl-ca=%2Fca.pem");
        let short = [("RDS_HOST", "db"), ("RDS_SSL_MODE", "verify-full")];
        assert_eq!(url(&short), "mysql://root@db:3306/fazendas?ssl-mode=VERIFY_IDENTITY");
        assert!(read(&[("RDS_HOST", "db"), ("RDS_SSL_MODE", "perhaps")]).unwrap_err().contains("RDS_SSL_MODE"));
        let in_clear = [("RDS_HOST", "db"), ("RDS_IAM_AUTH", "true"), ("RDS_SSL_MODE", "REQUIRED")];
        assert!(read(&in_clear).unwrap_err().contains("clear text"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let (secret, password) = (("RDS_SECRET_ARN", "arn:x"), ("RDS_PASSWORD", "segredo"));
        for variables in [[secret, password], [secret, ("RDS_IAM_AUTH", "TRUE")], [password, ("RDS_IAM_AUTH", "1")]] {
            let e = read(&[&variables[..], &[("RDS_HOST", "db")]].concat()).unwrap_err();
            assert!(e.starts_with("only one of") && !e.contains("segredo"), "{e}");
        }
        for (name, value) in
            [("RDS_PORT", "http"), ("RDS_IAM_AUTH", "perhaps"), ("RDS_HOST", "a b"), ("RDS_HOST", "db:3307")]
        {
            assert!(read(&[(name, value), ("RDS_HOST", "db")]).unwrap_err().contains(name));
        }
        let address = read(&[("RDS_HOST", "mysql://ana:segredo@db/x")]).unwrap_err();
        assert!(address.contains("RDS_HOST") && !address.contains("segredo"), "{address}");
        assert!(!format!("{:?}", read(&[("RDS_HOST", "db"), password]).unwrap()).contains("segredo"));
    }
}
