//! Reads user and password from a secret of Secrets Manager, and caches them until the server rejects them. The secret
//! also provides the server if the variables do not.

use std::fmt;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use chrono::Utc;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::aws::clock_skew;
use crate::aws::no_credentials::why_unusable;
use crate::aws::unreachable::explain;
use crate::error::chain;
use crate::warehouse::credentials::Credentials;
use crate::warehouse::{CredentialProvider, Error, Reason};

/// Values of the variables; the secret provides the rest.
#[derive(Debug, Clone)]
pub(super) struct EnvOverrides {
    /// User if the secret contains none.
    pub user: String,
    pub host: bool,
    pub port: bool,
    pub database: bool,
}

/// Secret of an ARN: the JSON object created by RDS (`username`, `password`, and optionally `host`, `port`, `dbname`),
/// or only the password.
pub(super) struct Secret {
    client: Client,
    arn: String,
    cached: EnvOverrides,
    read: Mutex<Option<Credentials>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("arn", &self.arn).finish_non_exhaustive()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SecretFields {
    username: Option<String>,
    password: Option<String>,
    host: Option<String>,
    port: Option<Port>,
    dbname: Option<String>,
}

/// Port, which may be stored as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl Secret {
    /// Returns the secret of that ARN or name.
    pub fn new(aws: &SdkConfig, arn: &str, cached: EnvOverrides) -> Self {
        Self { client: Client::new(aws), arn: arn.to_owned(), cached, read: Mutex::default() }
    }

    async fn fetch(&self) -> Result<Credentials, Error> {
        let answer = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let answer = answer.map_err(|e| {
            let date = e.raw_response().and_then(|response| response.headers().get("date"));
            let status = e.raw_response().map_or(0, |response| response.status().as_u16());
            let details = match (clock_skew::of_response(status, date, Utc::now()), e.code(), e.message()) {
                (Some(skew), ..) => clock_skew::explain(skew),
                (None, Some(code), message) => format!("{code}: {}", message.unwrap_or_default()),
                _ if chain(&e).any(|e| e.is::<CredentialsError>()) => why_unusable(&e),
                _ => explain(&e),
            };
            match e.code() {
                Some("ThrottlingException" | "InternalServiceError") | None => {
                    self.failure(Reason::Unreachable, format!("the secret cannot be read now: {details}"))
                }
                _ => self.failure(Reason::Denied, format!("the secret cannot be read: check RDS_SECRET_ARN, and that secretsmanager:GetSecretValue is allowed: {details}")),
            }
        })?;
        let text = answer.secret_string().unwrap_or_default();
        parts(text, &self.cached).map_err(|what| self.failure(Reason::Denied, what))
    }

    fn failure(&self, reason: Reason, message: impl Into<String>) -> Error {
        Error::new(reason, &self.arn, message)
    }
}

fn parts(text: &str, known: &EnvOverrides) -> Result<Credentials, &'static str> {
    let parts = if text.trim_start().starts_with('{') {
        serde_json::from_str(text)
            .map_err(|_| "the secret is not a JSON object of texts: username, password, host, port")?
    } else {
        SecretFields { password: Some(text.to_owned()), ..SecretFields::default() }
    };
    let message = |text: Option<String>| text.filter(|text| !text.is_empty());
    let password = message(parts.password).ok_or("the secret has no password")?;
    let user = message(parts.username).unwrap_or_else(|| known.user.clone());
    let host = message(parts.host).filter(|_| !known.host);
    if host.is_none() && !known.host {
        return Err("the secret has no host: set RDS_HOST");
    }
    let port = parts.port.filter(|_| !known.port).map(|port| match port {
        Port::Number(port) => Ok(port),
        Port::Text(text) => text.trim().parse().map_err(|_| "the secret's port is not a number"),
    });
    let database = message(parts.dbname).filter(|_| !known.database);
    Ok(Credentials { user, password, host, port: port.transpose()?, database })
}

#[async_trait]
impl CredentialProvider for Secret {
    async fn credentials(&self, refused: bool) -> Result<Credentials, Error> {
        let mut read = self.read.lock().await;
        match &*read {
            Some(known) if !refused => Ok(known.clone()),
            _ => Ok(read.insert(self.fetch().await?).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, known: bool) -> Result<Credentials, &'static str> {
        parts(text, &EnvOverrides { user: "root".into(), host: known, port: known, database: known })
    }

    #[test]
    fn a_secret_is_the_object_that_rds_makes_or_a_bare_password() {
        let of = |text| read(text, true).map(|c| (c.user, c.password)).ok();
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(of(r#"{"username":"ana","password":"s","engine":"mysql","port":3306}"#), pair("ana", "s"));
        assert_eq!(of(r#" {"password":"s","more":[1]}"#), pair("root", "s"));
        assert_eq!(of("s{gredo"), pair("root", "s{gredo"));
        for other in ["", "{}", r#"{"username":"ana"}"#, r#"{"password":""}"#, r#"{"password":7}"#, "{broken"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn the_secret_names_the_server_only_where_the_variables_do_not() {
        let text = r#"{"username":"ana","password":"s","host":"db","port":"3307","dbname":"fazendas"}"#;
        let filled = read(text, false).unwrap();
        let (host, database) = (filled.host.as_deref(), filled.database.as_deref());
        assert_eq!((host, filled.port, database), (Some("db"), Some(3307), Some("fazendas")));
        let kept = read(text, true).unwrap();
        assert_eq!((kept.host, kept.port, kept.database), (None, None, None));
        assert!(read(r#"{"password":"s"}"#, false).unwrap_err().contains("RDS_HOST"));
        assert!(read(r#"{"password":"s","host":"db","port":"x"}"#, false).is_err());
    }
}
