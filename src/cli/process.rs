//! `ruminate process`: runs the Lambda's intake locally, on an event file or behind an HTTP endpoint.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};

use super::Context;
use super::flags::{LakeFlags, RulesFlags, WarehouseFlags, variable};
use super::ingest::{NewLakeFlags, open_lake_to_write};
use super::write_flags::WriteFlags;
use crate::endpoint::fetch::HttpsFetcher;
use crate::endpoint::{CONCURRENCY, Endpoint, Settings, Signatures, Topics};
use crate::process;
use crate::render::Rendered;
use crate::topic::SnsArn;
use pipeline::aws::Network;
use pipeline::intake::Intake;
use pipeline::intake::event::Event;

/// Maximum size of an event file, in bytes: ten times the limit of Lambda.
const MAX_EVENT_BYTES: u64 = 60 * 1024 * 1024;

/// Process messages as the Lambda does
///
/// The messages come from a file with an SNS or SQS event, or from an HTTP endpoint.
///
/// Exits 1 if a message was quarantined or failed, or if an existing row conflicts. On Ctrl-C, SIGTERM or --max-messages, the
/// endpoint finishes in-flight requests and exits normally.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Event file as Lambda receives it; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "listen")]
    event: Option<PathBuf>,
    /// Listen for SNS HTTP deliveries, for example on 127.0.0.1:8080; port 0 picks a free port
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    writes: WriteFlags,
    #[command(flatten)]
    new_lake: NewLakeFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    rules: RulesFlags,
    #[command(flatten)]
    endpoint: EndpointFlags,
}

#[derive(Debug, clap::Args)]
struct EndpointFlags {
    /// Accept this topic (repeatable; with --listen required unless --any-topic) [default: $SNS_TOPIC_ARN]
    #[arg(long = "topic", value_name = "ARN")]
    topics: Vec<String>,
    /// Accept every topic of every AWS account, and confirm their subscriptions
    ///
    /// A valid signature shows that SNS sent a message, not whose topic it is from: anyone with an AWS account can then write to
    /// both stores.
    #[arg(long, conflicts_with = "topics")]
    any_topic: bool,
    /// Stop after N messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_messages: Option<u64>,
    /// Messages processed at once; others are queued
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY)]
    concurrency: usize,
    /// Maximum number of connections [default: 1024, fewer if the limit on open files is low]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,
    /// Insecure: accept unsigned messages and raw delivery, and confirm any subscription URL; only on a loopback address
    ///
    /// For local testing only: every process of this machine can write to both stores.
    #[arg(long)]
    insecure_skip_signature: bool,
}

impl EndpointFlags {
    fn settings(self) -> anyhow::Result<Settings> {
        let signatures = if self.insecure_skip_signature { Signatures::Skip } else { Signatures::Verify };
        let max_connections = self.max_connections.map(|max| max as usize);
        let (max_messages, concurrency) = (self.max_messages, self.concurrency);
        Ok(Settings { signatures, max_messages, concurrency, max_connections, ..Settings::of(self.topics()?) })
    }

    fn topics(self) -> anyhow::Result<Topics> {
        if self.any_topic {
            return Ok(Topics::Any);
        }
        let mut topics = self.topics;
        if topics.is_empty() {
            topics.extend(variable("SNS_TOPIC_ARN"));
        }
        ensure!(
            !topics.is_empty(),
            "no topic: --listen needs --topic ARN (or SNS_TOPIC_ARN), whose messages are accepted; --any-topic accepts those \
             of every AWS account"
        );
        let read = |text: &String| {
            text.parse::<SnsArn>().map(|arn| arn.to_string()).map_err(|e| anyhow!("--topic {text}: {e}"))
        };
        Ok(Topics::Only(topics.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?))
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let Args { event, listen, lake, writes, new_lake, warehouse, rules, endpoint } = args;
    let open = async || -> anyhow::Result<Intake> {
        let warehouse = warehouse.open_bulk(None).await?;
        let lake = open_lake_to_write(&lake, &writes, &*warehouse, new_lake).await?;
        Ok(Intake::open(lake, warehouse, rules.rules()).await?)
    };
    let outcome = match (event, listen) {
        // A value in the config file for the other option does not conflict with a typed one.
        (Some(path), _) => {
            let event = Event::parse(&read(&path)?).with_context(|| path.display().to_string())?;
            process::run(event, &open().await?).await?
        }
        (None, Some(address)) => {
            let settings = endpoint.settings()?;
            let intake = open().await?;
            let endpoint = bind(&address, settings).await?;
            endpoint.run(intake, &context.progress, &context.cancel).await?
        }
        (None, None) => bail!("nothing to process: pass --event FILE or --listen ADDR"),
    };
    Ok(Rendered::of(&outcome))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = || path.display().to_string();
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path).with_context(name)?),
    };
    let mut event = Vec::new();
    let size = source.take(MAX_EVENT_BYTES + 1).read_to_end(&mut event).with_context(name)?;
    ensure!(size as u64 <= MAX_EVENT_BYTES, "{}: over the limit of {MAX_EVENT_BYTES} bytes for an event", name());
    Ok(event)
}

async fn bind(address: &str, settings: Settings) -> anyhow::Result<Endpoint> {
    let (signatures, topics) = (settings.signatures, settings.topics.clone());
    let endpoint =
        Endpoint::bind(address, settings, Arc::new(HttpsFetcher::new(&Network::from_environment().await?))).await?;
    tracing::info!("listening on http://{}", endpoint.address());
    if signatures == Signatures::Skip {
        tracing::warn!("signature verification is off: any process of this machine can submit messages");
    }
    match topics {
        Topics::Any => {
            tracing::warn!("accepting messages from any topic in any AWS account: restrict with --topic ARN")
        }
        Topics::Only(topics) => tracing::info!("accepting messages from {}", topics.join(", ")),
    }
    Ok(endpoint)
}
