//! How fast a lake is read: every object of s3://BUCKET/PREFIX, got and parsed, by the SDK or directly.
//!
//! `AWS_ENDPOINT_URL=… read_lake BUCKET PREFIX READS sdk|direct` prints the objects, the seconds, and the process's CPU.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use ruminate::lake::s3::S3;
use ruminate::lake::{Item, Lake, ReadSettings, Reader, Span, Step, survey};
use ruminate::retry::{Patience, Retry};

/// User and system time of this process so far, in seconds; hundredths are what the kernel tells.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, bucket, prefix, reads, way] = &arguments[..] else { panic!("BUCKET PREFIX READS sdk|direct") };
    let aws = ruminate::aws::config(Patience::Bulk).await;
    let lake = S3::new(&aws, bucket.as_str(), prefix, Retry::default());
    let lake: Arc<dyn Lake> = Arc::new(if way == "direct" { lake.direct(&aws) } else { lake });
    let settings = ReadSettings { concurrency: reads.parse().unwrap(), fence: DateTime::<Utc>::MAX_UTC };
    let partitions = survey(&*lake, &Span::default()).await.unwrap().partitions;
    let (begun, cpu_before) = (Instant::now(), cpu());
    let mut steps = std::pin::pin!(Reader::new(Arc::clone(&lake), settings).read(partitions));
    let (mut records, mut others) = (0_u32, 0_u32);
    while let Some(step) = steps.next().await {
        if let Step::Found(found) = step.unwrap() {
            *(if matches!(found.item, Item::Record(_)) { &mut records } else { &mut others }) += 1;
        }
    }
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu() - cpu_before);
    let all = f64::from(records + others);
    let pressure = lake.pressure();
    println!(
        "{way} reads={reads} records={records} others={others} seconds={seconds:.2} per_second={:.0} \
         cpu_us_per_object={:.0} slow_downs={} retries={} lowest_limit={:?}",
        all / seconds,
        cpu / all * 1e6,
        pressure.slow_downs,
        pressure.retries,
        pressure.lowest_limit
    );
}
