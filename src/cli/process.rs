//! `ruminate process`: the Lambda's intake here, on one event file or behind an HTTP endpoint.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};

use super::Context;
use super::flags::{LakeFlags, RulesFlags, WarehouseFlags, WriteFlags, variable};
use crate::endpoint::fetch::HttpsFetcher;
use crate::endpoint::{CONCURRENCY, Endpoint, Settings, Signatures};
use crate::process;
use crate::render::Rendered;
use crate::topic::arn::Arn;
use pipeline::intake::Intake;
use pipeline::intake::event::Event;

/// The largest event file, in bytes: ten times what Lambda hands over.
const MAX_EVENT_BYTES: u64 = 60 * 1024 * 1024;

/// Takes messages in as the Lambda does: from an SNS or SQS event file, or from an HTTP endpoint that SNS is subscribed to
///
/// Exit code 1 where a message was quarantined or failed, or a row holds other values. An endpoint that is stopped by
/// Ctrl-C, SIGTERM or --max-messages finishes what is in flight and has done its job.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The event file, as Lambda receives it; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "listen")]
    event: Option<PathBuf>,
    /// Listens there for SNS's HTTP deliveries, such as 127.0.0.1:8080; port 0 is any free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    writes: WriteFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    rules: RulesFlags,
    #[command(flatten)]
    endpoint: EndpointFlags,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --listen")]
struct EndpointFlags {
    /// Takes only messages of this topic; may be repeated [default: SNS_TOPIC_ARN, else any topic]
    #[arg(long = "topic", value_name = "ARN")]
    topics: Vec<String>,
    /// Stops after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_messages: Option<u64>,
    /// Requests answered at once; the others wait for their turn
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY)]
    concurrency: usize,
    /// Believes anybody: no signature is verified, raw message delivery is taken, and any address confirms a subscription
    ///
    /// For tests on the own machine; whoever reaches the endpoint can write into both stores.
    #[arg(long)]
    insecure_skip_signature: bool,
}

impl EndpointFlags {
    fn settings(self) -> anyhow::Result<Settings> {
        let mut topics = self.topics;
        if topics.is_empty() {
            topics.extend(variable("SNS_TOPIC_ARN"));
        }
        let read =
            |text: &String| text.parse::<Arn>().map(|arn| arn.to_string()).map_err(|e| anyhow!("--topic {text}: {e}"));
        let topics = topics.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let signatures = if self.insecure_skip_signature { Signatures::Skip } else { Signatures::Verify };
        Ok(Settings { topics, signatures, max_messages: self.max_messages, concurrency: self.concurrency })
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let Args { event, listen, lake, writes, warehouse, rules, endpoint } = args;
    let open = async || -> anyhow::Result<Intake> {
        let warehouse = warehouse.open().await?;
        Ok(Intake::open(lake.open_to_write(writes).await?, warehouse, rules.rules()).await?)
    };
    let outcome = match (event, listen) {
        // A file's default for the other does not stand in the way of the one that was typed.
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
        (None, None) => bail!("nothing to process: give --event FILE or --listen ADDR"),
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
    let (signatures, topics) = (settings.signatures, settings.topics.join(", "));
    let endpoint = Endpoint::bind(address, settings, Arc::new(HttpsFetcher::new())).await?;
    tracing::info!("listening on http://{}", endpoint.address());
    if signatures == Signatures::Skip {
        tracing::warn!("signatures are not verified: whoever reaches this endpoint is believed");
    }
    if topics.is_empty() {
        tracing::warn!("messages of every topic of every AWS account are taken: name yours with --topic ARN");
    } else {
        tracing::info!("taking messages of {topics}");
    }
    Ok(endpoint)
}
