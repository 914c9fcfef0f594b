//! `ruminate doctor`: checks that everything is ready.

use anyhow::{Context as _, anyhow};
use chrono::Utc;

use super::flags::{LakeRequestFlags, WarehouseFlags, lake_help, open_lake, variable};
use super::topic::{open_service, topic_help};
use super::write_flags::EncryptionFlags;
use crate::doctor;
use crate::doctor::{CheckStatus, Outcome};
use crate::render::Rendered;
use crate::topic::TopicAddress;
use pipeline::lake::LakeUrl;

/// Check access to the lake, the warehouse and the topic
///
/// Each failure has a fix. Changes neither store.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, value_name = "URL", help = lake_help(""))]
    lake: Option<LakeUrl>,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[arg(long, value_name = "ARN", help = topic_help(""))]
    topic: Option<TopicAddress>,
    /// Do not test conditional writes, which writes and removes an object next to the lake
    ///
    /// AWS S3 and directories are never tested: they honour conditional writes.
    #[arg(long)]
    read_only: bool,
    #[command(flatten)]
    encryption: EncryptionFlags,
}

pub(super) async fn run(args: Args) -> anyhow::Result<Rendered> {
    let mut outcome = Outcome::default();
    match &args.lake {
        Some(url) => {
            let lake = open_lake(url, LakeRequestFlags::for_checks(), args.encryption.options()?).await?;
            doctor::lake(&*lake, Utc::now, args.read_only, &mut outcome).await;
        }
        None => {
            outcome.add("lake access", CheckStatus::Skipped, "no lake configured: pass --lake or set RUMINATE_LAKE")
        }
    }
    if args.warehouse.is_named() {
        match args.warehouse.open().await {
            Ok(warehouse) => doctor::warehouse(&*warehouse, Utc::now, &mut outcome).await,
            Err(e) => outcome.add("warehouse access", CheckStatus::Failed, format!("{e:#}")),
        }
    } else {
        outcome.add(
            "warehouse access",
            CheckStatus::Skipped,
            "no warehouse configured: pass --warehouse or set RUMINATE_WAREHOUSE",
        );
    }
    match topic(args.topic)? {
        Some(address) => match open_service(&address).await? {
            Some(topic) => doctor::topic(&*topic, &mut outcome).await,
            None => outcome.add("topic", CheckStatus::Ok, "local: the intake runs in the publishing process"),
        },
        None => outcome.add("topic", CheckStatus::Skipped, "no topic configured: pass --topic or set RUMINATE_TOPIC"),
    }
    Ok(Rendered::of(&outcome))
}

/// Returns the topic from the flag, or from the variable of the legacy Lambda.
fn topic(flag: Option<TopicAddress>) -> anyhow::Result<Option<TopicAddress>> {
    match (flag, variable("SNS_TOPIC_ARN")) {
        (None, Some(arn)) => arn.parse().map(Some).map_err(|e: String| anyhow!(e)).context("SNS_TOPIC_ARN"),
        (flag, _) => Ok(flag),
    }
}
