//! Verification of messages that openssl signed (`tests/sns/make`).

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

/// Status and body, or the reason for a missing response.
type Reply = Result<(u16, &'static str), &'static str>;

/// Returns the same response for every URL, and counts requests.
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
async fn messages_signed_by_sns_are_accepted_in_both_versions() {
    for text in [ONE, TWO, SUBJECT, SUBSCRIPTION, UNSUBSCRIPTION] {
        assert_eq!(verified(&envelope(text)).await, Ok(()), "{text}");
    }
}

#[tokio::test]
async fn any_change_to_a_signed_field_is_rejected() {
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
async fn missing_and_invalid_fields_are_reported() {
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
        let mut changed = envelope(TWO);
        change(&mut changed);
        assert_eq!(verified(&changed).await, Err(Error::Invalid(reason.into())));
    }
}

#[tokio::test]
async fn a_certificate_from_another_host_is_never_fetched() {
    let get = fixed(Ok((200, CERTIFICATE)));
    let mut lured = envelope(TWO);
    lured.signing_cert_url = Some("https://sns.s3-us-west-2.amazonaws.com/mine.pem".into());
    let refused = Verifier::new(get.clone()).verify(&lured, now()).await;
    let reason = "its SigningCertURL is not trusted: its host is not sns.<region>.amazonaws.com";
    assert_eq!(refused, Err(Error::Invalid(reason.into())));
    assert_eq!(get.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn every_failure_to_obtain_a_certificate_is_transient() {
    let cases: [Reply; 7] = [
        Err("no route"),
        Ok((503, "")),
        Ok((301, "")),
        Ok((403, "")),
        Ok((404, "")),
        Ok((200, "")),
        Ok((200, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
    ];
    for answer in cases {
        let refused = Verifier::new(fixed(answer)).verify(&envelope(TWO), now()).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{answer:?}: {refused:?}");
    }
    for wrong in ["2023-12-31T23:59:59", "2124-01-01T00:00:01"] {
        let refused = Verifier::new(fixed(Ok((200, CERTIFICATE)))).verify(&envelope(TWO), at(wrong)).await;
        assert!(matches!(&refused, Err(Error::Unavailable(why)) if why.contains("check the clock")), "{refused:?}");
    }
}

#[tokio::test]
async fn a_certificate_is_fetched_once_and_the_cache_is_bounded() {
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

#[tokio::test]
async fn a_certificate_that_cannot_be_obtained_is_not_requested_for_each_message() {
    for answer in [Ok((404, "")), Err("no route")] {
        let get = fixed(answer);
        let verifier = Verifier::new(get.clone());
        let message = envelope(TWO);
        for _ in 0..3 {
            let all = futures::future::join_all((0..20).map(|_| verifier.verify(&message, now()))).await;
            assert!(all.iter().all(|one| matches!(one, Err(Error::Unavailable(_)))), "{all:?}");
        }
        assert_eq!(get.requests.load(Ordering::SeqCst), 1);
        let mut other = message.clone();
        other.signing_cert_url = Some("https://sns.us-east-1.amazonaws.com/other.pem".into());
        assert!(verifier.verify(&other, now()).await.is_err());
        assert_eq!(get.requests.load(Ordering::SeqCst), 2, "a failure belongs to its address");
    }
}

/// Never answers.
#[derive(Debug)]
struct Silent(AtomicUsize);

#[async_trait]
impl Fetch for Silent {
    async fn get(&self, _: &Url) -> Result<FetchResponse, String> {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[tokio::test]
async fn invented_certificate_addresses_cause_few_fetches_and_an_immediate_response() {
    let get = Arc::new(Silent(AtomicUsize::new(0)));
    let verifier = Verifier::new(get.clone());
    let messages: Vec<Envelope> = (0..500)
        .map(|n| {
            let mut message = envelope(TWO);
            message.signing_cert_url = Some(format!("https://sns.us-east-1.amazonaws.com/{n}.pem"));
            message
        })
        .collect();
    let all = messages.iter().map(|message| {
        let verified = verifier.verify(message, now());
        tokio::time::timeout(std::time::Duration::from_millis(300), verified)
    });
    let answered = futures::future::join_all(all).await.into_iter().flatten().count();
    assert_eq!(answered, 500 - 32, "the others are rejected at once, to be retried");
    assert_eq!(get.0.load(Ordering::SeqCst), 4);
}
