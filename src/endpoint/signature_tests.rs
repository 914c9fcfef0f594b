//! Signatures against messages that openssl signed (`tests/sns/make`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use url::Url;

use super::error::Error;
use super::fetch::{Fetch, FetchResponse};
use super::signature::Verifier;
use pipeline::intake::envelope::Envelope;

const CERTIFICATE: &str = include_str!("../../tests/sns/certificate.pem");
const ONE: &str = include_str!("../../tests/sns/notification-1.json");
const TWO: &str = include_str!("../../tests/sns/notification-2.json");
const SUBJECT: &str = include_str!("../../tests/sns/notification-2-subject.json");
const SUBSCRIPTION: &str = include_str!("../../tests/sns/subscription.json");
const UNSUBSCRIPTION: &str = include_str!("../../tests/sns/unsubscription.json");

/// Status and body, or why no answer came.
type Reply = Result<(u16, &'static str), &'static str>;

/// Answers every address alike and counts.
#[derive(Debug)]
struct Fixed {
    answer: Reply,
    requests: AtomicUsize,
}

#[async_trait]
impl Fetch for Fixed {
    async fn get(&self, _: &Url) -> Result<FetchResponse, String> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.answer.map(|(status, body)| FetchResponse { status, body: body.into() }).map_err(str::to_owned)
    }
}

fn fixed(answer: Reply) -> Arc<Fixed> {
    Arc::new(Fixed { answer, requests: AtomicUsize::new(0) })
}

fn at(text: &str) -> DateTime<Utc> {
    pipeline::record::timestamp::parse(text).unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-11-22T10:00:01")
}

fn envelope(text: &str) -> Envelope {
    Envelope::parse(text.as_bytes()).unwrap()
}

async fn verified(envelope: &Envelope) -> Result<(), Error> {
    Verifier::new(fixed(Ok((200, CERTIFICATE)))).verify(envelope, now()).await
}

#[tokio::test]
async fn what_sns_signed_is_believed_in_both_versions() {
    for text in [ONE, TWO, SUBJECT, SUBSCRIPTION, UNSUBSCRIPTION] {
        assert_eq!(verified(&envelope(text)).await, Ok(()), "{text}");
    }
}

#[tokio::test]
async fn any_change_to_what_is_signed_is_refused() {
    type Change = fn(&mut Envelope);
    let changes: [(&str, Change); 7] = [
        ("message", |e| e.message = e.message.replace("234.941", "334.941")),
        ("message id", |e| e.message_id = Some("another".into())),
        ("topic", |e| e.topic_arn.push('x')),
        ("timestamp", |e| e.timestamp = Some("2026-11-22T10:00:00.001Z".into())),
        ("subject", |e| e.subject = Some("another".into())),
        ("version", |e| {
            e.signature_version = Some(if e.signature_version.as_deref() == Some("1") { "2" } else { "1" }.into())
        }),
        ("signature", |e| e.signature = e.signature.take().map(|s| s.replacen(&s[..1].to_owned(), "x", 1))),
    ];
    for text in [ONE, TWO, SUBJECT] {
        for (what, change) in &changes {
            let mut changed = envelope(text);
            change(&mut changed);
            let refused = verified(&changed).await;
            assert_eq!(refused, Err(Error::Invalid("its signature does not match".into())), "{what}");
        }
    }
    let mut lured = envelope(SUBSCRIPTION);
    lured.subscribe_url = Some("https://sns.us-east-1.amazonaws.com/?Action=Other".into());
    assert!(matches!(verified(&lured).await, Err(Error::Invalid(_))));
    let mut disguised = envelope(SUBSCRIPTION);
    disguised.kind = "Notification".into();
    assert!(matches!(verified(&disguised).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn what_is_missing_or_odd_is_named() {
    type Change = fn(&mut Envelope);
    let cases: [(Change, &str); 7] = [
        (|e| e.signature = None, "it has no Signature"),
        (|e| e.signature = Some("EXAMPLE-not-base64".into()), "its Signature is not base64"),
        (|e| e.signature_version = None, "it has no SignatureVersion"),
        (|e| e.signature_version = Some("3".into()), "its SignatureVersion is neither 1 nor 2"),
        (|e| e.message_id = None, "it has no MessageId"),
        (|e| e.timestamp = None, "it has no Timestamp"),
        (|e| e.signing_cert_url = None, "it has no SigningCertURL"),
    ];
    for (change, reason) in cases {
        let mut odd = envelope(TWO);
        change(&mut odd);
        assert_eq!(verified(&odd).await, Err(Error::Invalid(reason.into())));
    }
}

#[tokio::test]
async fn a_certificate_from_elsewhere_is_never_fetched() {
    let get = fixed(Ok((200, CERTIFICATE)));
    let mut lured = envelope(TWO);
    lured.signing_cert_url = Some("https://sns.s3-us-west-2.amazonaws.com/mine.pem".into());
    let refused = Verifier::new(get.clone()).verify(&lured, now()).await;
    let reason = "its SigningCertURL is not believed: its host is not sns.<region>.amazonaws.com";
    assert_eq!(refused, Err(Error::Invalid(reason.into())));
    assert_eq!(get.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_may_pass_is_told_from_what_may_not() {
    let cases: [(Reply, bool); 5] = [
        (Err("no route"), true),
        (Ok((503, "")), true),
        (Ok((301, "")), true),
        (Ok((404, "")), false),
        (Ok((200, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), false),
    ];
    for (answer, passes) in cases {
        let refused = Verifier::new(fixed(answer)).verify(&envelope(TWO), now()).await;
        assert_eq!(matches!(refused, Err(Error::Unavailable(_))), passes, "{answer:?}: {refused:?}");
        assert!(refused.is_err());
    }
    for wrong in ["2023-12-31T23:59:59", "2124-01-01T00:00:01"] {
        let refused = Verifier::new(fixed(Ok((200, CERTIFICATE)))).verify(&envelope(TWO), at(wrong)).await;
        assert!(matches!(&refused, Err(Error::Unavailable(why)) if why.contains("check the clock")), "{refused:?}");
    }
}

#[tokio::test]
async fn a_certificate_is_fetched_once_however_many_ask_and_only_few_are_kept() {
    let get = fixed(Ok((200, CERTIFICATE)));
    let verifier = Verifier::new(get.clone());
    let message = envelope(TWO);
    let all = futures::future::join_all((0..20).map(|_| verifier.verify(&message, now()))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(get.requests.load(Ordering::SeqCst), 1);
    for n in 0..16 {
        let mut other = message.clone();
        other.signing_cert_url = Some(format!("https://sns.us-east-1.amazonaws.com/{n}.pem"));
        assert_eq!(verifier.verify(&other, now()).await, Ok(()));
    }
    assert_eq!(verifier.verify(&message, now()).await, Ok(()));
    assert_eq!(get.requests.load(Ordering::SeqCst), 18);
}
