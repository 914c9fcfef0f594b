//! A topic in SNS: `PublishBatch`, with an answer for every entry.
//!
//! Retries are this toolkit's own, by kind of error; the SDK's are off so that there is one place for them.

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::operation::publish_batch::PublishBatchOutput;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::arn::Arn;
use super::{Error, LONGEST_ID, Limits, Message, NO_ANSWER, Refusal, Topic, is_throttling};
use crate::error::Kind;

/// Entries a batch and bytes of all of them together, attributes counted in (API reference of `PublishBatch`).
const LIMITS: Limits = Limits { entries: 10, bytes: 262_144 };

/// A topic and the client that reaches it in its own region.
#[derive(Debug, Clone)]
pub struct Sns {
    client: Client,
    arn: Arn,
}

impl Sns {
    /// The topic of that ARN; its region wins over the configured one.
    pub fn new(config: &SdkConfig, arn: Arn) -> Self {
        let config = aws_sdk_sns::config::Builder::from(config)
            .region(Region::new(arn.region().to_owned()))
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config), arn }
    }

    fn entry(&self, at: usize, message: &Message) -> Result<PublishBatchRequestEntry, Error> {
        let odd = |what: &str| {
            self.error(Kind::Permanent, "InvalidParameter", format!("a message has {what}, which SNS does not take"))
        };
        let body = std::str::from_utf8(&message.body).map_err(|_| odd("bytes that are not UTF-8"))?;
        let mut entry = PublishBatchRequestEntry::builder().id(at.to_string()).message(body);
        for (name, value) in message.attributes() {
            let value = MessageAttributeValue::builder().data_type(super::STRING).string_value(value).build();
            entry = entry.message_attributes(name, value.map_err(|e| odd(&e.to_string()))?);
        }
        if self.arn.is_fifo() {
            let dedup: String = message.dedup.chars().take(LONGEST_ID).collect();
            entry = entry.message_group_id(message.group()).message_deduplication_id(dedup);
        }
        entry.build().map_err(|e| odd(&e.to_string()))
    }

    fn error(&self, kind: Kind, code: &str, message: String) -> Error {
        Error { kind, code: code.to_owned(), topic: self.arn.to_string(), message }
    }

    /// Turns the SDK's error into ours: its kind, and one line that says what to do.
    fn failure<E>(&self, e: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = e.code().unwrap_or_default();
        let said = e.message().map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
        let status = e.raw_response().map(|response| response.status().as_u16());
        let (kind, message) = match (code, status) {
            _ if is_throttling(code) => (Kind::Transient, format!("throttled: publish more slowly ({said})")),
            ("NotFound" | "NotFoundException" | "ResourceNotFoundException", _) => {
                (Kind::Permanent, "no such topic: check --topic, its region and account".into())
            }
            ("ExpiredToken" | "ExpiredTokenException", _) => {
                (Kind::Permanent, format!("the credentials have expired: log in again ({said})"))
            }
            _ if is_denied(code) => {
                (Kind::Permanent, format!("refused: allow sns:Publish on this topic to this account ({said})"))
            }
            (_, Some(401 | 403)) => (Kind::Permanent, format!("refused: check the AWS credentials ({said})")),
            ("InvalidParameter" | "InvalidParameterException", _) => {
                (Kind::Permanent, format!("refused: check --topic, its region and account ({said})"))
            }
            (_, Some(408 | 429 | 500..=599)) => (Kind::Transient, format!("the service failed for now ({said})")),
            _ if status.is_some() && !said.is_empty() => (Kind::Permanent, said),
            _ => without_answer(e),
        };
        self.error(kind, if code.is_empty() { NO_ANSWER } else { code }, message.replace('\n', " "))
    }
}

/// A failure without an answer from the service: no credentials, no connection, no end.
fn without_answer<E: std::error::Error + 'static>(e: &SdkError<E, HttpResponse>) -> (Kind, String) {
    let said = innermost(e);
    match e {
        SdkError::TimeoutError(_) => (Kind::Transient, format!("timed out: {said}")),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            (Kind::Transient, format!("cannot connect: check the network and AWS_ENDPOINT_URL: {said}"))
        }
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => (
            Kind::Permanent,
            format!("no usable credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: {said}"),
        ),
        SdkError::ResponseError(_) => {
            (Kind::Transient, format!("the answer makes no sense, is this an SNS endpoint? {said}"))
        }
        _ => (Kind::Permanent, said),
    }
}

/// The cause at the end of the chain, such as `Connection refused`; what lies before it only says that something failed.
fn innermost(e: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(e), |e| e.source());
    let last = causes.last().map(ToString::to_string).unwrap_or_default();
    last.lines().next().unwrap_or_default().trim_end_matches(" Attempted:").to_owned()
}

/// The account is known and may not do this; distinct from a login that is refused.
fn is_denied(code: &str) -> bool {
    matches!(code, "AuthorizationError" | "AuthorizationErrorException" | "AccessDenied" | "AccessDeniedException")
}

/// Puts the answers of a call in the order of its entries; an entry that no answer names is to be sent again.
fn answers(entries: usize, output: &PublishBatchOutput) -> Vec<Result<(), Refusal>> {
    let unnamed = Refusal {
        kind: Kind::Transient,
        code: NO_ANSWER.into(),
        message: "the service said nothing about this entry".into(),
    };
    let mut answers = vec![Err(unnamed); entries];
    let place = |id: Option<&str>| id.and_then(|id| id.parse::<usize>().ok()).filter(|&at| at < entries);
    for at in output.successful().iter().filter_map(|entry| place(entry.id())) {
        answers[at] = Ok(());
    }
    for failed in output.failed() {
        let Some(at) = place(Some(failed.id())) else { continue };
        let for_good = failed.sender_fault() && !is_throttling(failed.code());
        answers[at] = Err(Refusal {
            kind: if for_good { Kind::Permanent } else { Kind::Transient },
            code: failed.code().to_owned(),
            message: failed.message().unwrap_or("no reason given").to_owned(),
        });
    }
    answers
}

#[async_trait]
impl Topic for Sns {
    fn address(&self) -> String {
        self.arn.to_string()
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), Refusal>>, Error> {
        let entries: Result<Vec<_>, Error> =
            batch.iter().enumerate().map(|(at, message)| self.entry(at, message)).collect();
        let request =
            self.client.publish_batch().topic_arn(self.arn.as_str()).set_publish_batch_request_entries(Some(entries?));
        let output = request.send().await.map_err(|e| self.failure(&e))?;
        Ok(answers(batch.len(), &output))
    }

    /// Asks for the topic's attributes. An account that may publish but not look is let through with a warning.
    async fn check(&self) -> Result<(), Error> {
        match self.client.get_topic_attributes().topic_arn(self.arn.as_str()).send().await {
            Ok(_) => Ok(()),
            Err(e) if is_denied(e.code().unwrap_or_default()) => {
                tracing::warn!(
                    "cannot look at topic {} beforehand: allow sns:GetTopicAttributes for that; publishing all the same",
                    self.arn
                );
                Ok(())
            }
            Err(e) => Err(self.failure(&e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::operation::publish_batch::PublishBatchError;
    use aws_sdk_sns::types::{BatchResultErrorEntry, PublishBatchResultEntry};
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;
    use bytes::Bytes;

    use super::*;

    fn sns(name: &str) -> Sns {
        let arn = format!("arn:aws:sns:sa-east-1:123456789012:{name}").parse().unwrap();
        let config = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest());
        Sns::new(&config.build(), arn)
    }

    fn message(farm: Option<&str>) -> Message {
        Message {
            body: Bytes::from_static(b"{}"),
            cod_cliente: farm.map(str::to_owned),
            id_lote: farm.map(|_| "7".to_owned()),
            dedup: "d".repeat(200),
        }
    }

    #[test]
    fn the_region_is_the_topics_own() {
        assert_eq!(sns("a").client.config().region().map(ToString::to_string).as_deref(), Some("sa-east-1"));
    }

    #[test]
    fn an_entry_carries_its_farm_and_on_fifo_topics_its_group_and_content_id() {
        let plain = sns("a").entry(3, &message(Some("Fazenda São João"))).unwrap();
        let farm = &plain.message_attributes().unwrap()["cod_cliente"];
        assert_eq!(plain.message_attributes().unwrap()["id_lote"].string_value(), Some("7"));
        assert_eq!((plain.id(), farm.data_type(), farm.string_value()), ("3", "String", Some("Fazenda São João")));
        assert_eq!(plain.message_group_id(), None);
        let fifo = sns("a.fifo").entry(0, &message(Some("Fazenda São João"))).unwrap();
        assert_eq!(fifo.message_group_id(), Some("fazenda_sao_joao:7"));
        assert_eq!(fifo.message_deduplication_id().map(str::len), Some(128));
        let nobody = sns("a.fifo").entry(0, &message(None)).unwrap();
        assert_eq!((nobody.message_group_id(), nobody.message_attributes()), (Some("quarentena"), None));
    }

    #[test]
    fn an_answer_of_200_can_hold_refusals_in_any_order() {
        let failed = |id: &str, code: &str, fault| {
            BatchResultErrorEntry::builder().id(id).code(code).sender_fault(fault).build().unwrap()
        };
        let output = PublishBatchOutput::builder()
            .successful(PublishBatchResultEntry::builder().id("2").build())
            .failed(failed("3", "InternalError", false))
            .failed(failed("0", "InvalidParameter", true))
            .failed(failed("4", "ThrottledException", true).clone())
            .failed(failed("99", "InternalError", false))
            .build();
        let kinds: Vec<_> =
            answers(5, &output).into_iter().map(|answer| answer.map_err(|e| (e.kind, e.code))).collect();
        let refused = |kind, code: &str| Err((kind, code.to_owned()));
        assert_eq!(kinds[0], refused(Kind::Permanent, "InvalidParameter"));
        assert_eq!(kinds[1], refused(Kind::Transient, "NoAnswer"));
        assert_eq!(kinds[2], Ok(()));
        assert_eq!(kinds[3], refused(Kind::Transient, "InternalError"));
    }

    #[test]
    fn each_failure_of_a_call_has_its_kind_and_says_what_to_do() {
        let cases = [
            ("NotFound", 404, Kind::Permanent, "no such topic: check --topic"),
            ("AuthorizationError", 403, Kind::Permanent, "allow sns:Publish"),
            ("InvalidClientTokenId", 403, Kind::Permanent, "check the AWS credentials"),
            ("ExpiredToken", 403, Kind::Permanent, "log in again"),
            ("ThrottlingException", 400, Kind::Transient, "publish more slowly"),
            ("Throttling", 400, Kind::Transient, "publish more slowly"),
            ("InternalError", 500, Kind::Transient, "failed for now"),
            ("ServiceUnavailable", 503, Kind::Transient, "failed for now"),
            ("InvalidParameter", 400, Kind::Permanent, "check --topic"),
        ];
        for (code, status, kind, words) in cases {
            let meta = ErrorMetadata::builder().code(code).message("said so").build();
            let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
            let failure = sns("a").failure(&SdkError::service_error(PublishBatchError::generic(meta), response));
            assert_eq!(failure.kind, kind, "{code}");
            assert!(failure.message.contains(words) && !failure.message.contains('\n'), "{code}: {}", failure.message);
        }
    }
}
