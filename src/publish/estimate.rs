//! What a run will take, said before it starts: messages, requests, time and money. Owns that arithmetic; asking is the command
//! line's.

use std::fmt;
use std::path::Path;

use super::{Schedule, Source};
use crate::history;
use crate::outcome::{count, duration};
use crate::topic::Terms;

/// Readings a day of a hundred pens (`herd`'s own share of pens that deliver).
const DELIVERING: f64 = 0.91;
/// Bytes of a file that are looked at for the length of its lines.
const LOOKED_AT: usize = 256 * 1024;
/// Bytes of a generated reading (measured, NDJSON).
const READING_BYTES: f64 = 272.0;
/// A run of more messages, or of a longer time in seconds, is a large one: it is asked about.
const LARGE: (f64, f64) = (1e6, 3_600.0);

/// What a run will take; nothing where it cannot be known beforehand.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Messages to be published.
    messages: Option<f64>,
    /// Bytes of a message, on the mean.
    bytes: f64,
    /// How long the schedule takes, seconds.
    scheduled: Option<f64>,
    terms: Terms,
}

impl Estimate {
    /// Of publishing a source to a topic by a schedule, those passed over not counted.
    pub fn of(source: &Source, schedule: &Schedule, terms: Terms, skip: u64) -> Self {
        let (there, bytes) = size(source);
        let room = schedule.messages().map(|room| room as f64);
        let there = there.map(|there| (there - skip as f64).max(0.0));
        let messages = match (there, room) {
            (Some(there), Some(room)) => Some(there.min(room)),
            (there, room) => there.or(room),
        };
        let days = match source {
            Source::Herd { herd, .. } => Some(f64::from(herd.days())),
            Source::Files { .. } => None,
        };
        Self { messages, bytes, scheduled: schedule.seconds(messages, days), terms }
    }

    /// About how many messages of files a schedule leaves out, because it ends before they do; those passed over not counted.
    pub fn left_out(source: &Source, schedule: &Schedule, skip: u64) -> Option<u64> {
        let room = schedule.messages().filter(|_| !source.is_generated())?;
        Some(messages(source)?.saturating_sub(skip).saturating_sub(room)).filter(|&left| left > 0)
    }

    /// Whether somebody is to be asked first.
    pub fn is_large(&self) -> bool {
        self.messages.is_some_and(|messages| messages > LARGE.0) || self.seconds().is_some_and(|time| time > LARGE.1)
    }

    /// How long it takes at least, seconds: the schedule's time, or the quota's where that is longer.
    fn seconds(&self) -> Option<f64> {
        let by_quota =
            self.messages.filter(|_| !self.terms.keeps_order).map(|messages| messages / f64::from(self.terms.quota));
        match (self.scheduled, by_quota) {
            (Some(scheduled), Some(by_quota)) => Some(scheduled.max(by_quota)),
            (scheduled, by_quota) => scheduled.or(by_quota),
        }
    }

    fn requests(&self) -> Option<f64> {
        let Terms { per_call, chunk_bytes, .. } = self.terms;
        self.messages.map(|messages| (messages / per_call).max(messages * self.bytes / chunk_bytes).ceil())
    }

    fn dollars(&self) -> Option<f64> {
        let Terms { per_million, per_gigabyte, .. } = self.terms;
        Some(self.requests()? / 1e6 * per_million + self.messages? * self.bytes / 1e9 * per_gigabyte)
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(messages), Some(requests), Some(dollars)) = (self.messages, self.requests(), self.dollars()) else {
            f.write_str("how many messages there are is not known beforehand")?;
            return write!(
                f,
                "; {} takes {}/s unless that was raised for this account",
                self.terms.granted_to, self.terms.quota
            );
        };
        let rounded = |number: f64| count(number as u64); // neither negative nor over 2⁶⁴
        write!(f, "about {} messages in {} requests", rounded(messages), rounded(requests))?;
        write!(f, ", some ${dollars:.2} at list price")?;
        if let Some(seconds) = self.seconds() {
            write!(f, "; at least {}", duration(seconds))?;
        }
        write!(f, " ({} takes {}/s unless that was raised for this account)", self.terms.granted_to, self.terms.quota)
    }
}

/// About how many messages a source has, where that can be said without reading it.
pub(super) fn messages(source: &Source) -> Option<u64> {
    size(source).0.map(|messages| messages as u64) // neither negative nor over 2⁶⁴
}

/// Messages of a source and their mean length; an estimate, but where it is known.
fn size(source: &Source) -> (Option<f64>, f64) {
    match source {
        Source::Herd { herd, part, .. } => {
            let pens = herd.part(*part).count_left() as f64 * f64::from(herd.lots());
            (Some((pens * DELIVERING).round()), READING_BYTES)
        }
        Source::Files { paths, format } => {
            let mut all = (0.0, 0.0);
            for path in paths {
                let Some((messages, bytes)) = file_size(path, *format) else { return (None, READING_BYTES) };
                all = (all.0 + messages, all.1 + bytes);
            }
            (Some(all.0), if all.0 > 0.0 { all.1 / all.0 } else { READING_BYTES })
        }
    }
}

/// Messages and bytes of a file, from the lines at its beginning; none where it cannot be read twice, or is compressed.
fn file_size(path: &Path, format: Option<crate::herd::LineFormat>) -> Option<(f64, f64)> {
    let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let (mut messages, mut bytes) = (0_u32, 0);
    let begin = std::fs::File::open(path).ok()?;
    let mut head = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(begin, LOOKED_AT as u64), &mut head).ok()?;
    if head.starts_with(&[0x1f, 0x8b]) || head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return None;
    }
    for line in head.split_inclusive(|&b| b == b'\n') {
        messages += 1;
        bytes += line.len();
    }
    if messages == 0 {
        return Some((0.0, 0.0));
    }
    let header = u32::from(format.unwrap_or_else(|| history::format_of(path)) == crate::herd::LineFormat::Csv);
    let lines = f64::from(messages) * meta.len() as f64 / (bytes as f64).max(1.0);
    Some(((lines - f64::from(header)).max(0.0).round(), meta.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herd::{Faults, Herd, Part};
    use crate::topic::address::TopicAddress;

    fn arn(region: &str, name: &str) -> Terms {
        format!("arn:aws:sns:{region}:123456789012:{name}").parse::<TopicAddress>().unwrap().terms().unwrap()
    }

    fn herd(lots: u32, days: u32) -> Source {
        let start = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let herd = Herd::try_new(1, lots, days, start, 1).unwrap();
        Source::Herd { herd, part: Part::WHOLE, faults: Faults::none() }
    }

    #[test]
    fn a_large_run_says_what_the_quota_means_and_what_it_costs() {
        let large = Estimate::of(&herd(10_000, 300), &Schedule::None, arn("sa-east-1", "a"), 0);
        assert!(large.is_large());
        assert_eq!(
            large.to_string(),
            "about 2,730,000 messages in 273,000 requests, some $0.14 at list price; at least 2 h 31 min (sa-east-1 takes \
             300/s unless that was raised for this account)"
        );
        let small = Estimate::of(&herd(100, 30), &Schedule::None, arn("us-east-1", "a"), 730);
        assert!(!small.is_large() && small.to_string().starts_with("about 2,000 messages in 200 requests"), "{small}");
        let slow = Schedule::Rate("1/s".parse().unwrap());
        let slow = Estimate::of(&herd(100, 60), &slow, arn("us-east-1", "a"), 0);
        assert!(slow.is_large() && slow.to_string().contains("at least 91 min 0 s"), "{slow}");
        let week = Schedule::Speed("86400x".parse().unwrap());
        let week = Estimate::of(&herd(1, 7), &week, arn("us-east-1", "a"), 0);
        assert!(week.to_string().contains("at least 6.00 s"), "{week}");
    }

    #[test]
    fn files_are_measured_by_their_first_lines() {
        let home = tempfile::tempdir().unwrap();
        let line = format!("{{\"x\":\"{}\"}}\n", "y".repeat(90));
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(home.path().join(name), bytes).unwrap();
            Source::Files { paths: vec![home.path().join(name)], format: None }
        };
        let of = |source: &Source| Estimate::of(source, &Schedule::None, arn("us-east-1", "a.fifo"), 0);
        let lines = of(&write("a.json", line.repeat(10_000).as_bytes()));
        assert!(lines.to_string().starts_with("about 10,000 messages in 1,000 requests"), "{lines}");
        assert!(lines.to_string().ends_with("(a message group takes 300/s unless that was raised for this account)"));
        let rows = of(&write("a.csv", "a,b\n1,2\n3,4".as_bytes()));
        assert!(rows.to_string().starts_with("about 2 messages in 1 requests"), "{rows}");
        let packed = of(&write("a.json.gz", &[0x1f, 0x8b, 8, 0]));
        assert!(!packed.is_large() && packed.to_string().contains("not known beforehand"), "{packed}");
        let piped = of(&Source::Files { paths: vec!["-".into()], format: None });
        assert!(piped.to_string().contains("not known beforehand"), "{piped}");
    }
}
