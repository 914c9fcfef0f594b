//! Signatures of SNS: messages that SNS signed, and certificates.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::intake::envelope::Envelope;
use ruminate::endpoint::fetch::{Fetch, FetchResponse};
use ruminate::endpoint::verify_signature;
use url::Url;

use crate::engine::{Target, check_reason, ensure};
use crate::runs::runtime;

/// Returns the same certificate for every URL.
#[derive(Debug)]
struct Fixed(Bytes);

#[async_trait]
impl Fetch for Fixed {
    async fn get(&self, _: &Url) -> Result<FetchResponse, String> {
        Ok(FetchResponse { status: 200, body: self.0.clone() })
    }
}

const MESSAGES: [&str; 5] = [
    include_str!("../sns/notification-1.json"),
    include_str!("../sns/notification-2.json"),
    include_str!("../sns/notification-2-subject.json"),
    include_str!("../sns/subscription.json"),
    include_str!("../sns/unsubscription.json"),
];
const CERTIFICATE: &str = include_str!("../sns/certificate.pem");

fn now() -> DateTime<Utc> {
    pipeline::record::timestamp::parse("2026-11-22T10:00:01").unwrap()
}

/// Returns what SNS signs of a message.
fn signed(envelope: &Envelope) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut signed = vec![envelope.kind.clone(), envelope.topic_arn.clone(), envelope.message.clone()];
    signed.extend([&envelope.message_id, &envelope.timestamp].map(text));
    let own = if envelope.kind == "Notification" {
        vec![&envelope.subject]
    } else {
        vec![&envelope.subscribe_url, &envelope.token]
    };
    signed.extend(own.into_iter().map(text));
    signed
}

#[test]
fn a_message_that_is_accepted_has_the_values_that_were_signed() {
    let (runtime, certificate) = (runtime(), Arc::new(Fixed(CERTIFICATE.into())));
    let originals: Vec<Vec<String>> =
        MESSAGES.iter().map(|text| signed(&Envelope::parse(text.as_bytes()).unwrap())).collect();
    let words = &[
        "\"Subject\":\"\",",
        "\"SignatureVersion\":\"1\",",
        "\"Type\":\"Notification\",",
        "\"SigningCertURL\":\"https://sns.us-east-1.amazonaws.com/x.pem\",",
        "\\nMessageId\\n",
        "\"Token\":",
    ];
    let name = "signatures::a_message_that_is_accepted_has_the_values_that_were_signed";
    let corpus = MESSAGES.map(|text| text.as_bytes().to_vec()).to_vec();
    Target { words, ..Target::new(name, 2_500, corpus) }.run(|bytes| {
        let Some(envelope) = Envelope::parse(bytes) else { return Ok(false) };
        match runtime.block_on(verify_signature(certificate.clone(), &envelope, now())) {
            Ok(()) => {
                let values = signed(&envelope);
                ensure(originals.contains(&values), || format!("accepted, and never signed: {values:?}"))?;
                Ok(true)
            }
            Err(why) => check_reason(&why).map(|()| false),
        }
    });
}

#[test]
fn a_certificate_is_that_of_the_signature_or_rejected() {
    let runtime = runtime();
    let envelope = Envelope::parse(MESSAGES[1].as_bytes()).unwrap();
    let seal = |bytes: Vec<u8>, rng: &mut fastrand::Rng| {
        if rng.bool() {
            return bytes;
        }
        // The content of the certificate, not of its text form.
        let text = String::from_utf8_lossy(&bytes).replace(['\n', '\r'], "");
        let base64 =
            text.trim_start_matches("-----BEGIN CERTIFICATE-----").trim_end_matches("-----END CERTIFICATE-----");
        let Ok(mut der) = aws_smithy_types::base64::decode(base64) else { return bytes };
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..der.len().max(1));
            if let Some(byte) = der.get_mut(at) {
                *byte = if rng.bool() { rng.u8(..) } else { *byte ^ (1 << rng.u8(..8)) };
            }
        }
        let text = aws_smithy_types::base64::encode(&der);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")).into_bytes()
    };
    let words = &["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "MIIC", "AAAA", "====", "\n"];
    let name = "signatures::a_certificate_is_that_of_the_signature_or_rejected";
    Target { words, seal, ..Target::new(name, 2_500, vec![CERTIFICATE.as_bytes().to_vec()]) }.run(|bytes| {
        let get = Arc::new(Fixed(Bytes::copy_from_slice(bytes)));
        match runtime.block_on(verify_signature(get, &envelope, now())) {
            Ok(()) => Ok(true),
            Err(why) => check_reason(&why).map(|()| false),
        }
    });
}
