//! Verification of SNS signatures: the string to sign, and the certificate.
//!
//! As described in <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>. A valid signature
//! proves that SNS sent the message, but not which topic it comes from; the list of accepted topics covers that.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::certificate::SignatureVersion;
use super::certificate_cache::CertificateCache;
use super::error::Error;
use super::fetch::Fetch;
use super::trusted_url;
use pipeline::intake::envelope::Envelope;

/// Verifies signatures.
#[derive(Debug)]
pub(super) struct Verifier(CertificateCache);

impl Verifier {
    pub(super) fn new(get: Arc<dyn Fetch>) -> Self {
        Self(CertificateCache::new(get))
    }

    /// Checks that SNS signed the envelope.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Invalid`] if SNS did not sign it, and [`Error::Unavailable`] if it cannot be verified now: its
    /// certificate cannot be obtained, or is outside of its validity period. A network problem or a wrong local clock
    /// must not make SNS drop a message.
    pub(super) async fn verify(&self, envelope: &Envelope, now: DateTime<Utc>) -> Result<(), Error> {
        let version = match required(&envelope.signature_version, "SignatureVersion")? {
            "1" => SignatureVersion::One,
            "2" => SignatureVersion::Two,
            _ => return Err(Error::Invalid("its SignatureVersion is neither 1 nor 2".into())),
        };
        let signature = aws_smithy_types::base64::decode(required(&envelope.signature, "Signature")?)
            .map_err(|_| Error::Invalid("its Signature is not base64".into()))?;
        let text = string_to_sign(envelope)?;
        let url = trusted_url::parse_certificate_url(required(&envelope.signing_cert_url, "SigningCertURL")?)
            .map_err(|why| Error::Invalid(format!("its SigningCertURL is not trusted: {why}")))?;
        let certificate = self.0.at(&url).await?;
        if !certificate.is_good_at(now) {
            return Err(Error::Unavailable(format!("the certificate {url} is not good at {now}: check the clock")));
        }
        if certificate.signed(version, &text, &signature) {
            Ok(())
        } else {
            Err(Error::Invalid("its signature does not match".into()))
        }
    }
}

fn required<'a>(field: &'a Option<String>, name: &str) -> Result<&'a str, Error> {
    field.as_deref().ok_or_else(|| Error::Invalid(format!("it has no {name}")))
}

/// Returns the string to sign: names and values of the signed fields, one per line, sorted by name.
fn string_to_sign(envelope: &Envelope) -> Result<String, Error> {
    let id = required(&envelope.message_id, "MessageId")?;
    let time = required(&envelope.timestamp, "Timestamp")?;
    let mut fields = vec![("Message", envelope.message.as_str()), ("MessageId", id)];
    if envelope.kind == "Notification" {
        fields.extend(envelope.subject.as_deref().map(|subject| ("Subject", subject)));
        fields.push(("Timestamp", time));
    } else {
        fields.push(("SubscribeURL", required(&envelope.subscribe_url, "SubscribeURL")?));
        fields.extend([("Timestamp", time), ("Token", required(&envelope.token, "Token")?)]);
    }
    fields.extend([("TopicArn", envelope.topic_arn.as_str()), ("Type", &envelope.kind)]);
    Ok(fields.into_iter().fold(String::new(), |text, (name, value)| text + name + "\n" + value + "\n"))
}

/// Checks that SNS signed an envelope, with the certificate that `get` returns.
///
/// # Errors
///
/// Returns the reason if it is not accepted.
pub async fn verify_signature(get: Arc<dyn Fetch>, envelope: &Envelope, now: DateTime<Utc>) -> Result<(), String> {
    Verifier::new(get).verify(envelope, now).await.map_err(|e| e.to_string())
}
