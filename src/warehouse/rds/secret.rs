//! User and password from a secret of Secrets Manager, kept until the server refuses them.

use std::fmt;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::warehouse::login::Credentials;
use crate::warehouse::{Error, Login, Reason};

/// A secret: the JSON object that RDS makes (`username`, `password`), or the bare password.
pub(super) struct Secret {
    client: Client,
    arn: String,
    user: String,
    read: Mutex<Option<Credentials>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("arn", &self.arn).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Parts {
    username: Option<String>,
    password: Option<String>,
}

impl Secret {
    /// The secret of that ARN; `user` logs in where the secret names none.
    pub fn new(aws: &SdkConfig, arn: &str, user: &str) -> Self {
        Self { client: Client::new(aws), arn: arn.to_owned(), user: user.to_owned(), read: Mutex::default() }
    }

    async fn fetch(&self) -> Result<Credentials, Error> {
        let answer = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let answer = answer.map_err(|e| {
            let said = match (e.code(), e.message()) {
                (Some(code), message) => format!("{code}: {}", message.unwrap_or_default()),
                _ => DisplayErrorContext(&e).to_string(),
            };
            match e.code() {
                Some("ThrottlingException" | "InternalServiceError") | None => {
                    self.failure(Reason::Unreachable, format!("the secret cannot be read now: {said}"))
                }
                _ => self.failure(Reason::Denied, format!("the secret cannot be read: check RDS_SECRET_ARN, and that secretsmanager:GetSecretValue is allowed: {said}")),
            }
        })?;
        let text = answer.secret_string().unwrap_or_default();
        parts(text, &self.user).ok_or_else(|| {
            self.failure(Reason::Denied, "the secret holds no password: it has to be {\"username\":…,\"password\":…}")
        })
    }

    fn failure(&self, reason: Reason, message: impl Into<String>) -> Error {
        Error::new(reason, &self.arn, message)
    }
}

fn parts(text: &str, user: &str) -> Option<Credentials> {
    let (username, password) = if text.trim_start().starts_with('{') {
        let Parts { username, password } = serde_json::from_str(text).ok()?;
        (username, password?)
    } else {
        (None, text.to_owned())
    };
    let user = username.filter(|name| !name.is_empty()).unwrap_or_else(|| user.to_owned());
    (!password.is_empty()).then_some(Credentials { user, password })
}

#[async_trait]
impl Login for Secret {
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

    #[test]
    fn a_secret_is_the_object_that_rds_makes_or_a_bare_password() {
        let of = |text| parts(text, "root").map(|c| (c.user, c.password));
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(of(r#"{"username":"ana","password":"s","engine":"mysql","port":3306}"#), pair("ana", "s"));
        assert_eq!(of(r#" {"password":"s"}"#), pair("root", "s"));
        assert_eq!(of("s{gredo"), pair("root", "s{gredo"));
        for odd in ["", "{}", r#"{"username":"ana"}"#, r#"{"password":""}"#, r#"{"password":7}"#, "{broken"] {
            assert_eq!(of(odd), None, "{odd}");
        }
    }
}
