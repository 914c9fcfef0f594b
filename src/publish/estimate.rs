//! Estimate of a run before it starts: messages, requests, time and cost. The command line asks for confirmation.

use std::fmt;

use super::{LINGER, Schedule, Source};
use crate::outcome::{count, counted, duration};
use crate::topic::Terms;

/// Share of pens that deliver a reading per day in a generated herd (average of `herd`).
const DELIVERING: f64 = 0.91;
/// Size of a generated reading in bytes (measured, NDJSON).
const READING_BYTES: f64 = 272.0;
/// Limits above which a run counts as large and needs confirmation: messages, and seconds.
const LARGE: (f64, f64) = (1e6, 3_600.0);

/// Estimated size, duration and cost of a run. A value is `None` if it cannot be known in advance.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Messages to publish.
    messages: Option<f64>,
    /// Mean size of a message, in bytes.
    bytes: f64,
    /// Duration of the schedule, in seconds.
    scheduled: Option<f64>,
    terms: Terms,
    /// Whether the service has a price and a quota, unlike one on this machine.
    is_billed: bool,
}

impl Estimate {
    /// Estimates the run that publishes `source` by `schedule`, without the first `skip` messages.
    pub fn of(source: &Source, schedule: &Schedule, terms: Terms, skip: u64) -> Self {
        let (there, bytes) = size(source);
        let scheduled = schedule.messages().map(|scheduled| scheduled as f64);
        let there = there.map(|there| (there - skip as f64).max(0.0));
        let messages = match (there, scheduled) {
            (Some(there), Some(scheduled)) => Some(there.min(scheduled)),
            (there, scheduled) => there.or(scheduled),
        };
        let days = match source {
            Source::Herd { herd, .. } => Some(f64::from(herd.days())),
            Source::Files(_) => None,
        };
        Self { messages, bytes, scheduled: schedule.seconds(messages, days), terms, is_billed: true }
    }

    /// Returns the estimate for a service on this machine, which has no price and no quota.
    #[must_use]
    pub fn unbilled(self) -> Self {
        Self { is_billed: false, ..self }
    }

    /// Returns the approximate number of messages of the source that the schedule ends before, without the first `skip`.
    /// `None` if there are none or the number is unknown.
    pub fn left_out(source: &Source, schedule: &Schedule, skip: u64) -> Option<u64> {
        let scheduled = schedule.messages()?;
        Some(messages(source)?.saturating_sub(skip).saturating_sub(scheduled)).filter(|&left| left > 0)
    }

    /// Returns true if the run is large enough to need confirmation.
    pub fn is_large(&self) -> bool {
        self.messages.is_some_and(|messages| messages > LARGE.0) || self.seconds().is_some_and(|time| time > LARGE.1)
    }

    /// Returns the minimum duration in seconds: that of the schedule, or of the topic's quota if longer.
    fn seconds(&self) -> Option<f64> {
        let has_quota = self.is_billed && !self.terms.keeps_order;
        let quota = self.terms.quota.filter(|_| has_quota);
        let by_quota = self.messages.zip(quota).map(|(messages, quota)| messages / f64::from(quota));
        match (self.scheduled, by_quota) {
            (Some(scheduled), Some(by_quota)) => Some(scheduled.max(by_quota)),
            (scheduled, by_quota) => scheduled.or(by_quota),
        }
    }

    /// Returns the number of requests. At a low rate a batch is sent before it is full: it has its first message, and
    /// those that are due within the linger time.
    fn requests(&self) -> Option<f64> {
        let Terms { per_call, chunk_bytes, .. } = self.terms;
        let messages = self.messages?;
        let due_together = self.scheduled.map_or(f64::MAX, |seconds| 1.0 + messages / seconds * LINGER.as_secs_f64());
        Some((messages / per_call.min(due_together)).max(messages * self.bytes / chunk_bytes).ceil())
    }

    fn dollars(&self) -> Option<f64> {
        let Terms { per_million, per_gigabyte, .. } = self.terms;
        Some(self.requests()? / 1e6 * per_million + self.messages? * self.bytes / 1e9 * per_gigabyte)
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Terms { granted_to, quota, .. } = &self.terms;
        let quota = match quota.filter(|_| self.is_billed) {
            Some(quota) => {
                format!(" (quota of {granted_to}: {}/s, unless raised for this account)", count(quota.into()))
            }
            None => String::new(),
        };
        let (Some(messages), Some(requests), Some(dollars)) = (self.messages, self.requests(), self.dollars()) else {
            return write!(f, "the number of messages is not known in advance{quota}");
        };
        // Neither is negative or above 2⁶⁴.
        let (messages, requests) = (messages as u64, requests as u64);
        let requests = counted(requests, "request", "requests");
        write!(f, "about {} in {requests}", counted(messages, "message", "messages"))?;
        match dollars {
            _ if !self.is_billed => {}
            dollars if dollars < 0.01 => f.write_str(", under $0.01 at list price")?,
            dollars => write!(f, ", about ${dollars:.2} at list price")?,
        }
        if let Some(seconds) = self.seconds() {
            write!(f, "; at least {}", duration(seconds))?;
        }
        f.write_str(&quota)
    }
}

/// Returns the approximate number of messages of a source; `None` if it is unknown without reading all of it.
pub(super) fn messages(source: &Source) -> Option<u64> {
    size(source).0.map(|messages| messages as u64) // neither negative nor above 2⁶⁴
}

/// Returns the number of messages of a source and their mean size, estimated if not known.
fn size(source: &Source) -> (Option<f64>, f64) {
    match source {
        Source::Herd { herd, part, .. } => {
            let pens = herd.part(*part).count_left() as f64 * f64::from(herd.lots());
            (Some((pens * DELIVERING).round()), READING_BYTES)
        }
        Source::Files(inputs) => match inputs.size() {
            Some((0, _)) => (Some(0.0), READING_BYTES),
            Some((messages, bytes)) => (Some(messages as f64), bytes as f64 / messages as f64),
            None => (None, READING_BYTES),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herd::{Faults, Herd, Part};
    use crate::topic::TopicAddress;

    fn arn(region: &str, name: &str) -> Terms {
        format!("arn:aws:sns:{region}:123456789012:{name}").parse::<TopicAddress>().unwrap().terms().unwrap()
    }

    fn herd(lots: u32, days: u32) -> Source {
        let start = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let herd = Herd::try_new(1, lots, days, start, 1).unwrap();
        Source::Herd { herd, part: Part::WHOLE, faults: Faults::none() }
    }

    #[test]
    fn a_large_run_shows_the_effect_of_the_quota_and_the_cost() {
        let large = Estimate::of(&herd(10_000, 300), &Schedule::None, arn("sa-east-1", "a"), 0);
        assert!(large.is_large());
        assert_eq!(
            large.to_string(),
            "about 2,730,000 messages in 273,000 requests, about $0.14 at list price; at least 2 h 31 min (quota of \
             sa-east-1: 300/s, unless raised for this account)"
        );
        assert_eq!(large.unbilled().to_string(), "about 2,730,000 messages in 273,000 requests");
        let small = Estimate::of(&herd(100, 30), &Schedule::None, arn("us-east-1", "a"), 730);
        assert!(
            !small.is_large() && small.to_string().starts_with("about 2,000 messages in 200 requests, under $0.01 "),
            "{small}"
        );
        let slow = Schedule::Rate("1/s".parse().unwrap());
        let slow = Estimate::of(&herd(100, 60), &slow, arn("us-east-1", "a"), 0);
        assert!(slow.is_large() && slow.to_string().contains("at least 91 min 0 s"), "{slow}");
        assert!(slow.to_string().starts_with("about 5,460 messages in 5,353 requests"), "{slow}");
        let fast = Schedule::Rate("1000/s".parse().unwrap());
        let fast = Estimate::of(&herd(100, 60), &fast, arn("us-east-1", "a"), 0);
        assert!(fast.to_string().starts_with("about 5,460 messages in 546 requests"), "{fast}");
        let week = Schedule::Speed("86400x".parse().unwrap());
        let week = Estimate::of(&herd(1, 7), &week, arn("us-east-1", "a"), 0);
        assert!(week.to_string().contains("at least 6.00 s"), "{week}");
    }

    #[test]
    fn inspected_files_are_counted_and_a_pipe_is_unknown() {
        use crate::cancellation::CancellationToken;
        use crate::history::{InputSettings, Inputs, OnUniform};
        use crate::progress::Progress;

        let home = tempfile::tempdir().unwrap();
        let inspected = |name: &str, bytes: &[u8]| {
            let path = home.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let (settings, token) = (InputSettings::default(), CancellationToken::default());
            Inputs::inspect(vec![path], settings, OnUniform::JudgeMessages, &Progress::Silent, &token).unwrap()
        };
        let of =
            |inputs| Estimate::of(&Source::Files(inputs), &Schedule::None, arn("us-east-1", "a.fifo"), 0).to_string();
        let line = format!("{{\"x\":\"{}\"}}\n", "y".repeat(90));
        let lines = of(inspected("a.json", line.repeat(10_000).as_bytes()));
        assert!(lines.starts_with("about 10,000 messages in 1,000 requests"), "{lines}");
        assert!(lines.ends_with("(quota of a message group: 300/s, unless raised for this account)"));
        let mut compressed = Vec::new();
        crate::compression::CompressionFormat::Gzip.compress(line.repeat(20).as_bytes(), &mut compressed).unwrap();
        let compressed = of(inspected("a.json.gz", &compressed));
        assert!(compressed.starts_with("about 20 messages in 2 requests"), "{compressed}");
        let rejected = of(inspected("a.csv", b"%PDF-1.7"));
        assert!(rejected.starts_with("about 0 messages"), "{rejected}");
        let piped = of(Inputs::unchecked(vec!["-".into()], InputSettings::default()));
        assert!(piped.contains("not known in advance"), "{piped}");
    }
}
