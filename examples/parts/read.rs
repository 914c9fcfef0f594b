//! Reading alone: the objects of a replay, parsed and counted.

use std::sync::Arc;

use anyhow::{bail, ensure};
use futures::{StreamExt as _, pin_mut};
use pipeline::lake::dir::Dir;
use pipeline::lake::s3::S3;
use pipeline::lake::{Lake, LakeUrl, Span, ThrottleStats, scan_partitions};
use pipeline::retry::{RetryPolicy, TimeoutProfile};
use ruminate::parts::{Parts, PartsMode};
use ruminate::reader::{Cutoff, ObjectContent, ReadEvent, ReadSettings, Reader};

use crate::{Measured, Watch};

#[derive(Debug, clap::Args)]
pub struct Read {
    /// The lake
    #[arg(long)]
    lake: LakeUrl,
    /// Concurrent reads
    #[arg(long, default_value_t = 256)]
    concurrency: usize,
    /// Expected number of records
    #[arg(long)]
    expect: u64,
    /// Use the SDK's client instead of the direct one
    #[arg(long)]
    sdk: bool,
    /// Only listings: objects with ids in their names are not opened
    #[arg(long, conflicts_with = "from_parts")]
    names: bool,
    /// Only from the Parquet parts of `ruminate compact`
    #[arg(long)]
    from_parts: bool,
}

impl Read {
    pub async fn run(self) -> anyhow::Result<Measured> {
        let watch = Watch::start();
        let lake: Arc<dyn Lake> = if let Some((bucket, prefix)) = self.lake.bucket_and_prefix() {
            let config = pipeline::aws::config(TimeoutProfile::Bulk).await?;
            let s3 = S3::new(&config, bucket, prefix, RetryPolicy::default());
            Arc::new(if self.sdk { s3 } else { s3.direct(&config, &config.network) })
        } else if let Some(path) = self.lake.local_dir() {
            Arc::new(Dir::new(path))
        } else {
            bail!("{} is neither in S3 nor a directory, and others are not measured", self.lake)
        };
        let cutoff = Cutoff::at(lake.clock().await?);
        let requested = Arc::clone(&lake);
        let partitions = scan_partitions(&*lake, &Span::default()).await?.partitions;
        let reader = Reader::new(lake, ReadSettings { concurrency: self.concurrency, cutoff });
        let reader = if self.names { reader.ids_only() } else { reader };
        let mode = if self.from_parts { PartsMode::Only } else { PartsMode::Never };
        let reader = reader.with_parts(Parts::open(&*requested, mode).await?);
        let found = reader.read(partitions);
        pin_mut!(found);
        let (mut records, mut others, mut first) = (0, 0, String::new());
        while let Some(step) = found.next().await {
            let ReadEvent::Object(found) = step? else { continue };
            match found.item {
                ObjectContent::Record(_) | ObjectContent::Unopened => records += 1,
                other => {
                    others += 1;
                    first = format!("{}: {other:?}", found.meta.key);
                }
            }
        }
        let ThrottleStats { slow_downs, retries, min_concurrency } = requested.throttle_stats();
        let detail = format!("{retries} retries, {slow_downs} to slow down, minimum concurrency {min_concurrency:?}");
        ensure!(
            records == self.expect && others == 0,
            "{records} records and {others} others, not {}: {first}",
            self.expect
        );
        Ok(watch.stop("read", records, detail))
    }
}
