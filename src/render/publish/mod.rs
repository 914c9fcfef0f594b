//! What `publish` did.

use std::fmt;

use serde::Serialize;

use super::{Lines, count, duration};
use crate::outcome::{Exit, Problems};
use pipeline::lake::ConditionalWrites;

pub mod hdr;
mod lag;
mod verdict;

pub use lag::{Expected, Lag, Missing};
pub use verdict::Verdict;

/// Latencies, milliseconds; all zero where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Percentiles {
    /// Half were at most this long.
    pub p50: f64,
    /// Nine of ten were.
    pub p90: f64,
    /// Ninety-nine of a hundred were.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, max } = self;
        write!(f, "p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, max {max:.1} ms")
    }
}

/// A stretch of a run: a second, or more of a long run, so that a run of any length has some hundreds of them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Interval {
    /// When it began, seconds since the run did.
    pub begin: f64,
    /// How long it was, seconds.
    pub seconds: f64,
    /// Messages that were due in it; without a schedule, those that were sent.
    pub offered: u64,
    /// Messages that the topic took in it.
    pub published: u64,
    /// Messages given up in it.
    pub failed: u64,
    /// Messages that were due in it and not sent, because the sender was behind.
    pub dropped: u64,
    /// Messages sent again in it.
    pub retries: u64,
    /// Batches in flight, at most.
    pub in_flight: u32,
    /// Latency of those published in it, from when they were due.
    pub latency_ms: Percentiles,
    /// Service time of those published in it.
    pub service_ms: Percentiles,
}

/// A point of a curve of percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Share of messages, per cent: 99.9.
    pub percentile: f64,
    /// So many milliseconds at most.
    pub ms: f64,
    /// Messages up to there.
    pub count: u64,
}

/// Counts of a run: every message read is published, failed, invalid, dropped or, where it stopped early, unsent; and every
/// message of the input was passed over, read or, where the run ended before it, not reached.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// The topic.
    pub topic: String,
    /// The command that repeats it, without secrets; empty where there is none to repeat.
    pub command: String,
    /// Support of the lake's store for conditional writes; `None` if the topic is not `local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<ConditionalWrites>,
    /// Messages of the whole input, those passed over counted in; none where it was not read to its end.
    pub input: Option<u64>,
    /// Messages read, those passed over not counted.
    pub read: u64,
    /// Messages that the topic has.
    pub published: u64,
    /// Messages that could not be published: dead letters.
    pub failed: u64,
    /// Messages that were not sent: no valid reading, or too large.
    pub invalid: u64,
    /// Messages that were not sent because the sender was too far behind its schedule.
    pub dropped: u64,
    /// Messages that were under way when it stopped early and are to be sent again.
    pub unsent: u64,
    /// Messages of the input that the run ended before; none where they could not all be counted.
    pub not_reached: Option<u64>,
    /// Why they could not all be counted.
    pub not_counted: Option<String>,
    /// Those of them that were counted.
    #[serde(skip)]
    pub known_not_reached: u64,
    /// Whether the stages of the schedule ended before the input did.
    pub schedule_ended: bool,
    /// The rate at which they ended.
    #[serde(skip)]
    pub last_rate: Option<f64>,
    /// Messages passed over, because an earlier run had settled them.
    pub skipped: u64,
    /// Whether it went on where an earlier run stopped.
    pub resumed: bool,
    /// Messages sent again, each as often as it was.
    pub retries: u64,
    /// Time of the run, from the first message read to the last answer.
    pub seconds: f64,
    /// Messages published a second.
    pub rate_per_second: f64,
    /// When messages were due, as it was asked for.
    pub schedule: String,
    /// Messages a second that were asked for, where it was one rate.
    pub rate: Option<f64>,
    /// How late the last batch was sent, against its schedule.
    pub behind_seconds: Option<f64>,
    /// How late a batch was sent at most.
    pub most_behind_seconds: f64,
    /// How far the schedule was put back because there was nothing to send.
    pub starved_seconds: f64,
    /// From when a message was due (its first call, without a rate) to the answer.
    pub latency_ms: Percentiles,
    /// Nine hundred and ninety-nine of a thousand took at most this long.
    pub latency_p999_ms: f64,
    /// From the call that got a message through to the answer.
    pub service_ms: Percentiles,
    /// Nine hundred and ninety-nine of a thousand calls took at most this long.
    pub service_p999_ms: f64,
    /// The run stretch by stretch.
    pub intervals: Vec<Interval>,
    /// Latency by percentile, from the least to the greatest.
    pub latency_curve: Vec<Point>,
    /// Service time by percentile.
    pub service_curve: Vec<Point>,
    /// Mean and standard deviation of the latency.
    pub latency_shape: hdr::Shape,
    /// Mean and standard deviation of the service time.
    pub service_shape: hdr::Shape,
    /// Failures and refusals by the topic's code, those that another try mended counted in.
    pub errors: std::collections::BTreeMap<String, u64>,
    /// From publish to row, where the warehouse was watched.
    pub lag: Option<Lag>,
    /// What it was asked to keep to, and whether it did.
    pub verdicts: Vec<Verdict>,
    /// Where dead letters were written.
    pub dead_letters: Option<String>,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// The journal, with which `--resume` goes on.
    pub journal: Option<String>,
    /// With this for `--skip` the same command goes on where it stopped.
    pub resume_skip: Option<u64>,
    /// Whether the source itself could not be read on: it has to be mended, and then is no longer the one of the journal.
    #[serde(skip)]
    pub source_failed: bool,
    /// Problems, each with its file and line.
    pub problems: Problems,
    /// The failure that no other message will escape.
    #[serde(skip)]
    pub hopeless: Option<String>,
}

impl Outcome {
    /// Checks that every message is accounted for.
    ///
    /// # Errors
    /// The counts do not add up: an error of this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let reached = self.skipped + self.read + self.known_not_reached;
        anyhow::ensure!(
            self.read == self.published + self.failed + self.invalid + self.dropped + self.unsent
                && (self.unsent == 0 || self.stopped.is_some())
                && (self.reached_all() || self.stopped.is_some() || self.schedule_ended)
                && self.input.is_none_or(|input| input == reached),
            "the counts do not add up, which is an error of this program: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }

    /// Whether the run came to the end of its input.
    pub(super) fn reached_all(&self) -> bool {
        self.known_not_reached == 0 && self.not_counted.is_none()
    }

    /// How many messages it had read, in words.
    pub(crate) fn sent(&self) -> String {
        messages(self.read)
    }

    /// How many messages were not reached, in words, where there are any.
    pub(super) fn left_over(&self) -> Option<String> {
        match (&self.not_counted, self.known_not_reached) {
            (None, 0) => None,
            (None, n) => Some(count(n)),
            (Some(why), 0) => Some(why.clone()),
            (Some(why), n) => Some(format!("at least {}: {why}", count(n))),
        }
    }

    /// Whether it fell so far behind its rate that the latencies tell more of this machine than of the topic.
    pub(super) fn fell_behind(&self) -> Option<f64> {
        self.behind_seconds.filter(|&behind| behind > 1.0)
    }
}

/// With conditions to keep to these alone decide between clean and found; whatever else is counted was agreed to by them.
impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() {
            Exit::Stopped
        } else if !self.verdicts.is_empty() {
            if self.verdicts.iter().all(|verdict| verdict.held) { Exit::Clean } else { Exit::Found }
        } else if self.failed + self.invalid + self.dropped > 0
            || self.lag.as_ref().is_some_and(|lag| lag.never_arrived() > 0 || !lag.is_whole())
        {
            Exit::Found
        } else {
            Exit::Clean
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, took) = (count(self.read), duration(self.seconds));
        writeln!(f, "publish: {read} messages in {took} ({:.0}/s) to {}", self.rate_per_second, self.topic)?;
        let mut lines = vec![
            ("published", count(self.published)),
            ("failed", count(self.failed)),
            ("invalid, not sent", count(self.invalid)),
            ("sent again", count(self.retries)),
        ];
        if self.dropped > 0 {
            lines.push(("dropped, too late", count(self.dropped)));
        }
        if self.unsent > 0 {
            lines.push(("unsent", count(self.unsent)));
        }
        if let Some(left_over) = self.left_over() {
            lines.push(("not reached", left_over));
        }
        if self.skipped > 0 {
            lines.push(("passed over", count(self.skipped)));
        }
        if self.published > 0 {
            let Percentiles { p50, p90, p99, max } = self.latency_ms;
            let p999 = self.latency_p999_ms;
            let latency =
                format!("p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms, max {max:.1} ms");
            lines.push(("latency", latency));
            lines.push(("of a call", self.service_ms.to_string()));
        }
        if let Some(lag) = &self.lag {
            lines.push(("to the warehouse", lag.to_string()));
            if lag.missing > 0 {
                lines.push(("not arrived", count(lag.missing)));
            }
            if let Some(truth) = &lag.truth {
                lines.push(("of the truth", truth.to_string()));
            }
        }
        for (code, times) in &self.errors {
            lines.push(("refused", format!("{} times: {code}", count(*times))));
        }
        write!(f, "{}", Lines(&lines))?;
        for verdict in &self.verdicts {
            let said = if verdict.held { "passed" } else { "FAILED" };
            writeln!(f, "  {said}  {verdict}")?;
        }
        write!(f, "{}", self.problems)?;
        if let Some(warning) = self.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        self.advise(f)
    }
}

impl Outcome {
    /// What to do next, where there is something to do.
    fn advise(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(behind) = self.fell_behind() {
            writeln!(f, "ended {} behind its schedule: raise --concurrency, or ask for less", duration(behind))?;
        }
        if self.starved_seconds > 0.01 * self.seconds && self.starved_seconds > 0.1 {
            let starved = duration(self.starved_seconds);
            writeln!(
                f,
                "the schedule was put back by {starved}, because the source had nothing to send: it is too slow for it"
            )?;
        }
        if self.failed + self.dropped > 0 {
            match &self.dead_letters {
                Some(file) => {
                    writeln!(f, "dead letters are in {file}; once the cause is mended, send them again with")?;
                    writeln!(f, "  ruminate publish {file}")?;
                }
                None => {
                    writeln!(f, "failed and dropped messages are kept only where --dead-letters FILE names a file")?
                }
            }
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {why}")?;
        } else if self.schedule_ended {
            writeln!(f, "the schedule ended after {}, before the input did", self.sent())?;
        }
        if let (true, Some(how)) = (self.stopped.is_some(), self.to_the_end()) {
            writeln!(f, "{how}")?;
        }
        match self.to_go_on() {
            Some(how) => writeln!(f, "to go on, run the same command with {how}"),
            None => Ok(()),
        }
    }

    /// How a schedule is asked for that ends with the input, where this one ended before.
    pub(super) fn to_the_end(&self) -> Option<String> {
        let rate = self.last_rate.filter(|_| self.schedule_ended)?;
        Some(format!(
            "to publish the whole input, give a last stage without a time, such as hold:{rate}/s, or --rate {rate}/s in \
             place of --stages; where this end is meant, --stop-at-schedule-end says so"
        ))
    }

    /// The flag with which the same command goes on where it stopped.
    pub(super) fn to_go_on(&self) -> Option<String> {
        let skip = self.resume_skip?;
        Some(if self.journal.is_some() && !self.source_failed {
            "--resume".to_owned()
        } else {
            format!("--skip {skip}")
        })
    }
}

fn messages(n: u64) -> String {
    format!("{} {}", count(n), if n == 1 { "message" } else { "messages" })
}
