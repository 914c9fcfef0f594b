//! Flags for a topic, and functions that open it. The types of topics are those of [`TopicAddress`].

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::flags::{LakeFlags, RulesFlags, WarehouseFlags, lake_help, variable};
use super::ingest::{NewLakeFlags, open_lake_to_write};
use super::write_flags::WriteFlags;
use crate::topic::local::Local;
use crate::topic::sns::Sns;
use crate::topic::{Topic, TopicAddress};
use pipeline::intake::Intake;
use pipeline::lake::LakeUrl;
use pipeline::retry::TimeoutProfile;

/// Returns the help of `--topic`, with what a command adds.
pub(super) fn topic_help(more: &str) -> String {
    format!("{}{more} [default: $SNS_TOPIC_ARN]", TopicAddress::FORMS)
}

/// Flags for a topic.
#[derive(Debug, Clone, Args)]
pub(super) struct TopicFlags {
    #[arg(long, value_name = "ARN", help = topic_help(" to run the intake in-process"))]
    pub topic: Option<TopicAddress>,
    #[arg(long, value_name = "URL", help = lake_help(", for --topic local"))]
    pub lake: Option<LakeUrl>,
    #[command(flatten)]
    pub warehouse: WarehouseFlags,
    #[command(flatten)]
    pub rules: RulesFlags,
    #[command(flatten)]
    pub writes: WriteFlags,
    #[command(flatten)]
    pub new_lake: NewLakeFlags,
}

impl TopicFlags {
    /// Returns the address of the topic.
    pub(super) fn address(&self) -> anyhow::Result<TopicAddress> {
        if let Some(address) = &self.topic {
            return Ok(address.clone());
        }
        let arn = variable("SNS_TOPIC_ARN").ok_or_else(|| {
            anyhow!("no topic configured: pass --topic ARN or --topic local, or set RUMINATE_TOPIC or SNS_TOPIC_ARN")
        })?;
        arn.parse().map_err(|e: String| anyhow!(e)).context("SNS_TOPIC_ARN")
    }

    /// Opens the topic.
    pub(super) async fn open(&self, address: &TopicAddress) -> anyhow::Result<Arc<dyn Topic>> {
        match open_service(address).await? {
            Some(topic) => Ok(topic),
            None => {
                let lake = self.lake.clone().ok_or_else(|| {
                    anyhow!("--topic local delivers to a lake and a warehouse: pass --lake URL and --warehouse URL")
                })?;
                let warehouse = self.warehouse.open_bulk(None).await.context("--topic local")?;
                let lake = LakeFlags::of(lake);
                let lake = open_lake_to_write(&lake, &self.writes, &*warehouse, self.new_lake).await?;
                Ok(Arc::new(Local::new(Intake::open(lake, warehouse, self.rules.rules()).await?)))
            }
        }
    }
}

/// Opens a topic that is a service. `None` if it is in-process.
pub(super) async fn open_service(address: &TopicAddress) -> anyhow::Result<Option<Arc<dyn Topic>>> {
    Ok(match address {
        TopicAddress::Sns(arn) => {
            let aws = pipeline::aws::config(TimeoutProfile::Bulk).await?;
            Some(Arc::new(Sns::new(&aws, &aws.network, arn.clone())))
        }
        TopicAddress::Local => None,
    })
}
