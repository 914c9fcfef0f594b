//! IAM database authentication: a signed connect request in place of the password.
//!
//! The token is a presigned `GET https://<host>:<port>/?Action=connect&DBUser=<user>` of service `rds-db`, without its
//! scheme. It is valid for 15 minutes, and only for opening a session («IAM database authentication», RDS User Guide).

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use url::Url;

use crate::aws::no_credentials::why_unusable;
use crate::warehouse::credentials::Credentials;
use crate::warehouse::{CredentialProvider, Error, Reason};

/// Validity of a token.
const GOOD: Duration = Duration::from_secs(15 * 60);

/// Signs tokens for one user of one server.
pub(super) struct IamToken {
    credentials: SharedCredentialsProvider,
    region: String,
    server: String,
    user: String,
}

impl fmt::Debug for IamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("server", &self.server).field("user", &self.user).finish_non_exhaustive()
    }
}

impl IamToken {
    /// Returns an error if no region or no credentials are configured.
    pub fn try_new(aws: &SdkConfig, host: &str, port: u16, user: &str) -> Result<Self, String> {
        let region = aws.region().ok_or("RDS_IAM_AUTH needs the server's region: set AWS_REGION")?.to_string();
        let credentials = aws.credentials_provider().ok_or("RDS_IAM_AUTH needs credentials of AWS")?;
        Ok(Self { credentials, region, server: format!("{host}:{port}"), user: user.to_owned() })
    }

    fn sign(&self, credentials: AwsCredentials, at: SystemTime) -> Result<String, String> {
        let mut url = Url::parse(&format!("https://{}/", self.server)).map_err(|e| e.to_string())?;
        url.query_pairs_mut().append_pair("Action", "connect").append_pair("DBUser", &self.user);
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(GOOD);
        settings.signature_location = SignatureLocation::QueryParams;
        let identity = credentials.into();
        let signing = v4::SigningParams::builder().identity(&identity).region(&self.region).name("rds-db").time(at);
        let signing = signing.settings(settings).build().map_err(|e| e.to_string())?.into();
        let request = SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::Bytes(&[]));
        let signed = sign(request.map_err(|e| e.to_string())?, &signing).map_err(|e| e.to_string())?;
        let (instructions, _) = signed.into_parts();
        for (name, value) in instructions.params() {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(url.as_str().trim_start_matches("https://").to_owned())
    }
}

#[async_trait]
impl CredentialProvider for IamToken {
    async fn credentials(&self, _: bool) -> Result<Credentials, Error> {
        let failure = |reason, message| Error::new(reason, &self.server, message);
        let credentials = self.credentials.provide_credentials().await;
        let credentials = credentials.map_err(|e| {
            failure(Reason::Denied, format!("no credentials of AWS to sign a token with: {}", why_unusable(&e)))
        })?;
        let password = self.sign(credentials, SystemTime::now());
        let password = password.map_err(|e| failure(Reason::Other, format!("the token cannot be signed: {e}")))?;
        Ok(Credentials { user: self.user.clone(), password, host: None, port: None, database: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected tokens are those of botocore 1.44.5 (`generate_db_auth_token`) for the same credentials and time.
    #[test]
    fn tokens_are_those_that_awss_own_library_makes() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_341_600); // 2026-11-22T10:00:00Z
        for (user, session, token) in [
            (
                "ruminate",
                None,
                "db.example.sa-east-1.rds.amazonaws.com:3306/?Action=connect&DBUser=ruminate&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Fsa-east-1%2Frds-db%2Faws4_request&X-Amz-Date=20261122T100000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=e96401adaa3db8f41b64f7536594a76bfc112058997cf397b000d5b9a3a399e4",
            ),
            (
                "rumi+nate",
                Some("tok/en+="),
                "db.example.sa-east-1.rds.amazonaws.com:3306/?Action=connect&DBUser=rumi%2Bnate&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Fsa-east-1%2Frds-db%2Faws4_request&X-Amz-Date=20261122T100000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=tok%2Fen%2B%3D&X-Amz-Signature=ee7b8880faccb761d69d4c14647e9b3a10a440f093a3cb0df78d75e458d7a7e4",
            ),
        ] {
            let credentials = AwsCredentials::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                session.map(str::to_owned),
                None,
                "test",
            );
            let signer = IamToken {
                credentials: SharedCredentialsProvider::new(credentials.clone()),
                region: "sa-east-1".into(),
                server: "db.example.sa-east-1.rds.amazonaws.com:3306".into(),
                user: user.into(),
            };
            let parts = |token: &str| {
                let mut parts: Vec<String> = token.split(['?', '&']).map(str::to_owned).collect();
                parts.sort();
                parts
            };
            assert_eq!(parts(&signer.sign(credentials, at).unwrap()), parts(token));
        }
    }
}
