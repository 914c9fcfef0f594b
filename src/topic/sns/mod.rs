//! A topic in SNS: `PublishBatch`, with an answer for every entry.
//!
//! Batches go without the SDK, which costs more than all else of publishing together; what is asked once is the SDK's.
//! Retries are this toolkit's own, by kind of error; the SDK's are off so that there is one place for them.
//!
//! | file | owns |
//! | --- | --- |
//! | `way.rs` | where batches go, and their buffers |
//! | `form.rs` | how a batch is written |
//! | `answer.rs` | how its answer is read |
//! | `failure.rs` | what a refusal means |
//! | `terms.rs` | prices |

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::error::ProvideErrorMetadata;
use hyper::StatusCode;

use super::arn::Arn;
use super::{BatchLimits, EntryError, Error, Message, NO_ANSWER, Topic};
use pipeline::error::Kind;

mod batch_client;
mod error;
mod form;
mod response;
pub(super) mod terms;

use batch_client::BatchClient;
use error::is_denied;

/// Entries a batch and bytes of all of them together, attributes counted in (API reference of `PublishBatch`).
const LIMITS: BatchLimits = BatchLimits { entries: 10, bytes: 262_144 };

/// A topic and the ways that lead to it in its own region.
#[derive(Debug, Clone)]
pub struct Sns {
    client: Client,
    arn: Arn,
    way: Arc<BatchClient>,
}

impl Sns {
    /// The topic of that ARN; its region wins over the configured one.
    pub fn new(config: &SdkConfig, arn: Arn) -> Self {
        let client = Arc::new(BatchClient::new(config));
        let config = aws_sdk_sns::config::Builder::from(config)
            .region(Region::new(arn.region().to_owned()))
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config), arn, way: client }
    }
}

#[async_trait]
impl Topic for Sns {
    fn address(&self) -> String {
        self.arn.to_string()
    }

    fn limits(&self) -> BatchLimits {
        LIMITS
    }

    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error> {
        if batch.iter().any(|message| std::str::from_utf8(&message.body).is_err()) {
            let said = "a message has bytes that are not UTF-8, which SNS does not take";
            return Err(self.error(Kind::Permanent, "InvalidParameter", said));
        }
        let write = |form: &mut _| form::batch(form, self.arn.as_str(), self.arn.is_fifo(), batch);
        let answer = self.way.send(self, write).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(&answer));
        }
        let said = String::from_utf8_lossy(&answer.body);
        response::read(batch.len(), &said)
            .ok_or_else(|| self.error(Kind::Transient, NO_ANSWER, &error::no_sense(answer.status.as_str())))
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
pub(super) mod tests {
    use super::*;

    pub(crate) fn sns(name: &str) -> Sns {
        let arn = format!("arn:aws:sns:sa-east-1:123456789012:{name}").parse().unwrap();
        let config = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest());
        Sns::new(&config.build(), arn)
    }

    #[test]
    fn the_region_is_the_topics_own() {
        assert_eq!(sns("a").client.config().region().map(ToString::to_string).as_deref(), Some("sa-east-1"));
    }
}
