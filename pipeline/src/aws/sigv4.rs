//! SigV4 request signing. Credentials come from `credentials`.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use aws_credential_types::Credentials;
use chrono::{DateTime, Utc};
use ring::{digest, hmac};

use crate::hex::hex;

/// Credentials with the key that was derived from them for one day, region and service.
pub struct Signer {
    credentials: Credentials,
    day: String,
    scope: String,
    key: hmac::Key,
}

/// The signed parts of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestToSign<'a> {
    /// HTTP method: `GET` or `POST`.
    pub method: &'a str,
    /// Host, with the port if it is not the scheme's default.
    pub host: &'a str,
    /// Percent-encoded path.
    pub path: &'a str,
    /// Percent-encoded query with at most one parameter.
    pub query: &'a str,
    /// Request body.
    pub body: &'a [u8],
}

/// Headers that sign a request.
pub struct SignatureHeaders {
    /// `x-amz-date`.
    pub date: String,
    /// `x-amz-content-sha256`.
    pub body: String,
    /// `authorization`.
    pub authorization: String,
}

impl Signer {
    /// Creates a signer for the day of an instant.
    pub fn new(credentials: Credentials, region: &str, service: &str, at: DateTime<Utc>) -> Self {
        let day = at.format("%Y%m%d").to_string();
        let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", credentials.secret_access_key()).as_bytes());
        let key = [day.as_str(), region, service, "aws4_request"]
            .into_iter()
            .fold(first, |key, part| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()));
        let scope = format!("{day}/{region}/{service}/aws4_request");
        Self { credentials, day, scope, key }
    }

    /// Returns true if the signing key is valid on the day of `at`.
    pub fn is_for(&self, at: DateTime<Utc>) -> bool {
        self.day == at.format("%Y%m%d").to_string()
    }

    /// Returns the session token of temporary credentials; `None` for permanent credentials.
    pub fn token(&self) -> Option<&str> {
        self.credentials.session_token()
    }

    /// Signs a request.
    pub fn sign(&self, request: &RequestToSign<'_>, at: DateTime<Utc>) -> SignatureHeaders {
        let RequestToSign { method, host, path, query, body } = request;
        let date = at.format("%Y%m%dT%H%M%SZ").to_string();
        let body = hex(digest::digest(&digest::SHA256, body).as_ref());
        let (mut token, mut names) = (String::new(), "host;x-amz-content-sha256;x-amz-date");
        if let Some(text) = self.token() {
            token = format!("x-amz-security-token:{text}\n");
            names = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
        }
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{body}\nx-amz-date:{date}\n{token}\n{names}\n{body}"
        );
        let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{canonical}", self.scope);
        let signature = hex(hmac::sign(&self.key, text.as_bytes()).as_ref());
        let mut authorization = String::with_capacity(256);
        write!(
            authorization,
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature={signature}",
            self.credentials.access_key_id(),
            self.scope
        )
        .expect("a String takes any text");
        SignatureHeaders { date, body, authorization }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_sigv4::http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode,
    };
    use aws_sigv4::sign::v4;

    use super::*;

    pub(crate) const HOST: &str = "127.0.0.1:9000";

    /// Asserts that a request is signed exactly as the SDK's signer does.
    pub(crate) fn as_the_sdk_does(service: &'static str, request: &RequestToSign<'_>, token: Option<String>) {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPx", token, None, "test");
        let ours = Signer::new(credentials.clone(), "sa-east-1", service, at).sign(request, at).authorization;
        assert_eq!(ours, theirs(&credentials, service, request, at), "{request:?}");
    }

    fn theirs(credentials: &Credentials, service: &str, request: &RequestToSign<'_>, at: DateTime<Utc>) -> String {
        let RequestToSign { method, host, path, query, body } = request;
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("sa-east-1")
            .name(service)
            .time(at.into())
            .settings(settings)
            .build()
            .unwrap();
        let uri = format!("http://{host}{path}{}{query}", if query.is_empty() { "" } else { "?" });
        let headers = [("host", *host)].into_iter();
        let request = SignableRequest::new(method, uri, headers, SignableBody::Bytes(body)).unwrap();
        let (instructions, _) = aws_sigv4::http_request::sign(request, &params.into()).unwrap().into_parts();
        let (headers, _) = instructions.into_parts();
        headers.iter().find(|header| header.name() == "authorization").unwrap().value().to_owned()
    }

    #[test]
    fn a_post_is_signed_with_its_body() {
        for body in ["", "Action=PublishBatch&Message=%7B%7D"] {
            for token in [None, Some("a/token+with=signs".to_owned())] {
                let request = RequestToSign { method: "POST", host: HOST, path: "/", query: "", body: body.as_bytes() };
                as_the_sdk_does("sns", &request, token);
            }
        }
    }

    #[test]
    fn the_key_is_valid_for_one_day() {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let signer = Signer::new(Credentials::new("a", "b", None, None, "test"), "us-east-1", "s3", at);
        assert!(signer.is_for(at) && !signer.is_for(at + chrono::TimeDelta::days(1)));
    }
}
