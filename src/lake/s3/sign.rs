//! SigV4 for a GET without a body: the headers that sign it. Whose credentials they are is `direct`'s.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use aws_credential_types::Credentials;
use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{digest, hmac};

/// What S3 wants escaped in a query, once and no more.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// In a path the slash stays.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The SHA-256 of no body.
pub(super) const NO_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Credentials with the key that was derived from them for one day.
pub(super) struct Signer {
    credentials: Credentials,
    day: String,
    scope: String,
    key: hmac::Key,
}

/// What a signed request says of itself.
pub(super) struct Signed {
    /// `x-amz-date`.
    pub date: String,
    /// `authorization`.
    pub authorization: String,
}

impl Signer {
    /// A signer for that instant's day.
    pub(super) fn new(credentials: Credentials, region: &str, at: DateTime<Utc>) -> Self {
        let day = at.format("%Y%m%d").to_string();
        let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", credentials.secret_access_key()).as_bytes());
        let key = [day.as_str(), region, "s3", "aws4_request"]
            .into_iter()
            .fold(first, |key, part| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()));
        let scope = format!("{day}/{region}/s3/aws4_request");
        Self { credentials, day, scope, key }
    }

    /// Whether the key is that of the day.
    pub(super) fn is_for(&self, at: DateTime<Utc>) -> bool {
        self.day == at.format("%Y%m%d").to_string()
    }

    /// The token of temporary credentials.
    pub(super) fn token(&self) -> Option<&str> {
        self.credentials.session_token()
    }

    /// Signs a GET of an escaped path and query of at most one parameter.
    pub(super) fn sign(&self, host: &str, path: &str, query: &str, at: DateTime<Utc>) -> Signed {
        let date = at.format("%Y%m%dT%H%M%SZ").to_string();
        let (mut token, mut names) = (String::new(), "host;x-amz-content-sha256;x-amz-date");
        if let Some(text) = self.token() {
            token = format!("x-amz-security-token:{text}\n");
            names = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
        }
        let canonical = format!(
            "GET\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{NO_BODY}\nx-amz-date:{date}\n{token}\n{names}\n{NO_BODY}"
        );
        let mut text = format!("AWS4-HMAC-SHA256\n{date}\n{}\n", self.scope);
        hex(&mut text, digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let mut authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature=",
            self.credentials.access_key_id(),
            self.scope
        );
        hex(&mut authorization, hmac::sign(&self.key, text.as_bytes()).as_ref());
        Signed { date, authorization }
    }
}

/// A key as it stands in a path.
pub(super) fn path(base: &str, key: &str) -> String {
    let mut path = String::with_capacity(base.len() + key.len() + 24);
    path.push_str(base);
    path.extend(utf8_percent_encode(key, PATH));
    path
}

/// The query that names a version; empty for the newest.
pub(super) fn query(version: Option<&str>) -> String {
    version.map_or_else(String::new, |version| format!("versionId={}", utf8_percent_encode(version, QUERY)))
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes any text");
    }
}

#[cfg(test)]
mod tests {
    use aws_sigv4::http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode,
    };
    use aws_sigv4::sign::v4;

    use super::*;

    /// What the SDK's own signer makes of the same request.
    fn theirs(credentials: &Credentials, uri: &str, host: &str, at: DateTime<Utc>) -> String {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("sa-east-1")
            .name("s3")
            .time(at.into())
            .settings(settings)
            .build()
            .unwrap();
        let request = SignableRequest::new("GET", uri, [("host", host)].into_iter(), SignableBody::Bytes(b"")).unwrap();
        let (instructions, _) = aws_sigv4::http_request::sign(request, &params.into()).unwrap().into_parts();
        let (headers, _) = instructions.into_parts();
        headers.iter().find(|header| header.name() == "authorization").unwrap().value().to_owned()
    }

    #[test]
    fn it_signs_strange_keys_as_the_sdk_does() {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let host = "127.0.0.1:9000";
        let keys = crate::lake::conformance::STRANGE_KEYS.into_iter().chain([
            "plain",
            "a//b",
            "a/../b",
            "./a",
            "a~b-c_d.e",
            "日本/é",
            "a=b",
            "%41",
            "[x]{y}|^`",
            "tab\there",
            "a\\b",
        ]);
        for (key, token) in keys.flat_map(|key| [(key, None), (key, Some("a/token+with=signs".to_owned()))]) {
            let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPx", token, None, "test");
            let signer = Signer::new(credentials.clone(), "sa-east-1", at);
            for version in [None, Some("3/L4kqtJl+cpXroDTDmJ rmSpXd3d=")] {
                let (path, query) = (path("/bucket/", key), query(version));
                let uri = format!("http://{host}{path}{}{query}", if query.is_empty() { "" } else { "?" });
                let ours = signer.sign(host, &path, &query, at).authorization;
                assert_eq!(ours, theirs(&credentials, &uri, host, at), "{key:?} {version:?}");
            }
        }
    }

    #[test]
    fn the_key_is_for_one_day() {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let signer = Signer::new(Credentials::new("a", "b", None, None, "test"), "us-east-1", at);
        assert!(signer.is_for(at) && !signer.is_for(at + chrono::TimeDelta::days(1)));
    }
}
