//! `ruminate publish`: history files, or a history made on the way, to the topic.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::anyhow;
use chrono::Utc;

use super::Context;
use super::flags::TopicFlags;
use super::generate::HerdFlags;
use crate::herd::{Faults, Format, Part};
use crate::publish::{self, OnInvalid, Rate, Settings, Source};
use crate::report::Printed;
use crate::topic::arn::{Address, Arn};

/// Publishes history files in bulk, at a rate and with latencies, as a backfill or as a load test
///
/// Messages that are no valid reading are counted and named, and not sent. What the topic refuses for good, or for too
/// long, becomes a dead letter.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// History files, NDJSON or CSV; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "generate", conflicts_with = "generate")]
    files: Vec<PathBuf>,
    /// Publish a history made on the way, such as farms=2,lots=100,days=30,start=2026-01-01,seed=1,duplicate=0.01
    ///
    /// Keys: farms, lots, days, start, seed and part as for `ruminate generate`, and kinds of faults with their rates
    /// (duplicate, malformed, late, missing, zero, negative, text, correction). All may be left out but one.
    #[arg(long, value_name = "SPEC")]
    generate: Option<Spec>,
    /// The form of the files [default: by their ending, .csv or else NDJSON]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Messages a second (500/s, or 500), minute (30000/m) or hour [default: as fast as the topic takes them]
    #[arg(long, value_name = "N/s")]
    rate: Option<Rate>,
    /// Batches in flight at once [default: 16; 1 on a FIFO topic, which keeps a farm's order; 3 with --topic local]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: Option<u32>,
    /// Write messages that could not be published here, one JSON object a line; must be new or empty, or with --skip is
    /// written on
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,
    /// Pass over the first N messages: how a run that stopped goes on
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// Send messages that are no valid reading too: load for the quarantine
    #[arg(long)]
    send_invalid: bool,
    #[command(flatten)]
    topic: TopicFlags,
}

impl Args {
    fn source(&self) -> anyhow::Result<Source> {
        match &self.generate {
            None => Ok(Source::Files { paths: self.files.clone(), format: self.format }),
            Some(Spec(flags)) => {
                let herd = flags.herd(Utc::now().date_naive())?;
                Ok(Source::Herd { herd, part: flags.part, faults: flags.faults })
            }
        }
    }

    fn settings(&self, address: &Address) -> Settings {
        let by_itself = match address {
            Address::Sns(arn) if arn.is_fifo() => 1,
            Address::Sns(_) => 16,
            Address::Local => 3,
        };
        Settings {
            rate: self.rate,
            concurrency: self.concurrency.map_or(by_itself, |n| n as usize),
            skip: self.skip,
            on_invalid: if self.send_invalid { OnInvalid::Send } else { OnInvalid::Withhold },
            dead_letters: self.dead_letters.clone(),
            ..Settings::default()
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Printed> {
    let source = args.source()?;
    source.check()?;
    let address = args.topic.address()?;
    if let Address::Sns(arn) = &address {
        warn(arn, &args);
    }
    let topic = args.topic.open(&address).await?;
    let outcome = publish::run(source, topic, args.settings(&address), &context.progress, &context.stop).await?;
    Ok(Printed::of(&outcome))
}

/// Says beforehand what will get in the way.
fn warn(arn: &Arn, args: &Args) {
    let quota = arn.quota();
    if let Some(rate) = args.rate.filter(|rate| rate.per_second() > f64::from(quota)) {
        let minutes = 1e6 / f64::from(quota) / 60.0;
        let of = if arn.is_fifo() { "a FIFO topic's message group".to_owned() } else { arn.region().to_owned() };
        tracing::warn!(
            "--rate {rate} is over the quota of {of}, {quota} messages/s (a million in {minutes:.1} min), unless it was \
             raised for this account: expect throttling"
        );
    }
    if arn.is_fifo() && args.concurrency.is_some_and(|n| n > 1) {
        tracing::warn!("with more than one batch in flight a farm's messages may change their order on a FIFO topic");
    }
}

/// A history in one argument.
#[derive(Debug, Clone, PartialEq)]
struct Spec(HerdFlags);

impl FromStr for Spec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut flags = HerdFlags {
            farms: 1,
            lots: 100,
            days: 30,
            start: None,
            seed: 1,
            part: Part::WHOLE,
            faults: Faults::none(),
        };
        let mut faults = Vec::new();
        let mut seen = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| anyhow!("{pair} is not KEY=VALUE"))?;
            let (key, value) = (key.trim(), value.trim());
            anyhow::ensure!(!seen.contains(&key), "{key} is given twice");
            seen.push(key);
            match key {
                "farms" => flags.farms = parsed(key, value)?,
                "lots" => flags.lots = parsed(key, value)?,
                "days" => flags.days = parsed(key, value)?,
                "start" => flags.start = Some(parsed(key, value)?),
                "seed" => flags.seed = parsed(key, value)?,
                "part" => flags.part = value.parse()?,
                _ => faults.push(pair),
            }
        }
        anyhow::ensure!(!seen.is_empty(), "is empty: give farms=N, lots=N, days=N, start=DATE, seed=N or faults");
        flags.faults = Faults::parse(&faults.join(","))?;
        Ok(Self(flags))
    }
}

fn parsed<T: FromStr>(key: &str, value: &str) -> anyhow::Result<T> {
    let what = if key == "start" { "a date, such as 2026-01-01" } else { "a whole number that is not too large" };
    value.parse().map_err(|_| anyhow!("{key}={value}: give {what}"))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn a_spec_says_what_differs_from_the_defaults_of_generate() {
        let Spec(flags) = "farms=2, lots=10,days=3,start=2026-01-01,seed=7,part=2/3,late=0.1,zero=0.2".parse().unwrap();
        assert_eq!((flags.farms, flags.lots, flags.days, flags.seed), (2, 10, 3, 7));
        assert_eq!(flags.start, NaiveDate::from_ymd_opt(2026, 1, 1));
        assert_eq!((flags.part, flags.faults.to_string()), (Part::try_new(2, 3).unwrap(), "late=0.1,zero=0.2".into()));
        let today = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
        let Spec(flags) = "lots=5".parse().unwrap();
        let herd = flags.herd(today).unwrap();
        assert_eq!((herd.farms(), herd.lots(), herd.days(), herd.seed()), (1, 5, 30, 1));
        assert_eq!(herd.start().to_string(), "2026-03-01");
        assert_eq!(herd.date(29).to_string(), "2026-03-30");
    }

    #[test]
    fn a_spec_and_the_flags_of_generate_have_the_same_defaults() {
        #[derive(Debug, clap::Parser)]
        struct Flags {
            #[command(flatten)]
            flags: HerdFlags,
        }
        let Flags { flags } = clap::Parser::parse_from(["generate"]);
        assert_eq!("farms=1".parse::<Spec>().unwrap(), Spec(flags));
    }

    #[test]
    fn a_spec_that_cannot_be_meant_is_refused() {
        let said = |text: &str| text.parse::<Spec>().unwrap_err().to_string();
        assert!(said("farms").contains("not KEY=VALUE"));
        assert!(said("farms=x").contains("whole number"));
        assert!(said("start=yesterday").contains("2026-01-01"));
        assert!(said("farms=1,farms=2").contains("twice"));
        assert!(said("lost=0.1").contains("unknown"));
        assert!(said("").contains("empty"));
    }
}
