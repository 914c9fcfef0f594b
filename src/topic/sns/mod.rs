//! SNS topic: `PublishBatch`, with a result per entry.
//!
//! Batches are sent without the SDK, whose overhead exceeds all other costs of publishing; single requests use the SDK.
//! Retries are implemented in this crate, by kind of error. The SDK's own retries are disabled.
//!
//! | file | owns |
//! | --- | --- |
//! | `batch_client.rs` | the HTTP client for batches, and its buffers |
//! | `form.rs` | encoding of a batch |
//! | `response.rs` | parsing of its response |
//! | `error.rs` | mapping of errors |
//! | `arn.rs` | the ARN: region, FIFO, quota |
//! | `terms.rs` | prices |

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::error::ProvideErrorMetadata;
use hyper::StatusCode;

use super::{BatchLimits, EntryError, Error, Message, NO_RESPONSE, Topic};
use pipeline::aws::Network;
use pipeline::error::Kind;

pub(super) mod arn;
mod batch_client;
mod error;
mod form;
mod response;
pub(super) mod terms;

pub use arn::SnsArn;

use batch_client::BatchClient;
use error::is_denied;
pub use response::read as read_answers;

/// Limits of one batch, in entries and in bytes including attributes (API reference of `PublishBatch`).
const LIMITS: BatchLimits = BatchLimits { entries: 10, bytes: 262_144 };

/// Name of the service in settings, such as its endpoint.
pub(super) const SERVICE: &str = "SNS";

/// A topic and the ways that lead to it in its own region.
#[derive(Debug, Clone)]
pub struct Sns {
    client: Client,
    arn: SnsArn,
    batch_client: Arc<BatchClient>,
    endpoint: Option<String>,
}

impl Sns {
    /// Creates a client of the topic with that ARN. The ARN's region takes precedence over the configured one.
    pub fn new(config: &SdkConfig, network: &Network, arn: SnsArn) -> Self {
        let batch_client = Arc::new(BatchClient::new(config, network));
        let endpoint = pipeline::aws::endpoint(config, SERVICE);
        let config = aws_sdk_sns::config::Builder::from(config)
            .region(Region::new(arn.region().to_owned()))
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config), arn, batch_client, endpoint }
    }
}

#[async_trait]
impl Topic for Sns {
    fn address(&self) -> String {
        self.arn.to_string()
    }

    fn endpoint(&self) -> Option<String> {
        self.endpoint.clone()
    }

    fn limits(&self) -> BatchLimits {
        LIMITS
    }

    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error> {
        if batch.iter().any(|message| std::str::from_utf8(&message.body).is_err()) {
            let message = "a message has bytes that are not UTF-8, which SNS does not accept";
            return Err(self.error(Kind::Permanent, "InvalidParameter", message));
        }
        let write = |form: &mut _| form::batch(form, self.arn.as_str(), self.arn.is_fifo(), batch);
        let answer = self.batch_client.send(self, write).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(&answer));
        }
        let body = String::from_utf8_lossy(&answer.body);
        response::read(batch.len(), &body)
            .ok_or_else(|| self.error(Kind::Transient, NO_RESPONSE, &error::no_sense(answer.status.as_str())))
    }

    /// Reads the topic's attributes. An account that may publish but not read them is accepted with a warning.
    async fn check(&self) -> Result<(), Error> {
        match self.client.get_topic_attributes().topic_arn(self.arn.as_str()).send().await {
            Ok(_) => Ok(()),
            Err(e) if is_denied(e.code().unwrap_or_default()) => {
                tracing::warn!(
                    "cannot check topic {} before publishing: allow sns:GetTopicAttributes; publishing continues",
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
        Sns::new(&config.build(), &Network::default(), arn)
    }

    #[test]
    fn the_region_is_that_of_the_topic() {
        assert_eq!(sns("a").client.config().region().map(ToString::to_string).as_deref(), Some("sa-east-1"));
    }
}
