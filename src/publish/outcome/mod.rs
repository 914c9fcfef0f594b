//! Result of a run: its counters, measurements, schedule and end.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::history::{InputReport, InputReports};
use crate::outcome::{Counts, Exit, Problems, Role, counted, counters};
use crate::topic::Deliveries;
use pipeline::lake::ConditionalWrites;

mod condition;
mod lag;
mod latencies;
mod percentiles;
mod times;

pub use condition::ConditionResult;
pub use lag::{Lag, MissingReading, TruthDelivery};
pub(super) use latencies::Latencies;
pub use percentiles::{HistogramStats, PercentilePoint, Percentiles};
pub use times::{Carry, Interval, Times};

counters! {
    /// Counters of a run. Every message read is published, failed, invalid, dropped or, if the run stopped early,
    /// unsent. Every message of the input is skipped, read or, if the run ended before it, not reached.
    pub enum Count {
        Read: "read", "read", Input, "Messages read, those skipped not counted.";
        Published: "published", "published", Part, "Messages that the topic has.";
        Failed: "failed", "failed", Finding, "Messages that could not be published: dead letters.";
        Invalid: "invalid", "invalid (not sent)", Finding, "Messages that were not sent: no valid reading, or too large.";
        Retries: "retries", "retries", Detail, "Messages sent again, each as often as it was.";
        Dropped: "dropped", "dropped (behind schedule)", Finding, "Messages that were not sent because too far behind schedule.";
        Unsent: "unsent", "unsent", Part, "Messages that were under way when it stopped early and are to be sent again.";
        FilesRejected: "files_rejected", "files rejected", DetailFinding, "Input files that were rejected as a whole; nothing of them was published.";
        Skipped: "skipped", "skipped", Skipped, "Messages skipped, because an earlier run had completed them.";
    }
}

/// Messages of the input that were not reached before the run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// How many; `None` if they could not all be counted.
    pub not_reached: Option<u64>,
    /// Why they could not all be counted; `None` if they were.
    pub not_counted: Option<String>,
    /// How many were counted; `None` if all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_reached_at_least: Option<u64>,
}

impl Rest {
    /// Creates it from the number counted, which is complete if `not_counted` is `None`.
    pub(crate) fn new(counted: u64, not_counted: Option<String>) -> Self {
        let is_all = not_counted.is_none();
        Self { not_reached: is_all.then_some(counted), not_counted, not_reached_at_least: (!is_all).then_some(counted) }
    }

    /// Returns how many were counted.
    pub fn known(&self) -> u64 {
        self.not_reached.or(self.not_reached_at_least).unwrap_or_default()
    }

    fn merge(&mut self, other: Self) {
        let counted = self.known() + other.known();
        *self = Self::new(counted, self.not_counted.take().or(other.not_counted));
    }
}

/// The schedule, and how closely the run followed it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pacing {
    /// The schedule as requested.
    pub schedule: String,
    /// Requested messages per second; `None` if the rate is not constant.
    pub rate: Option<f64>,
    /// Whether the stages of the schedule ended before the input did.
    pub schedule_ended: bool,
    /// The rate at which the stages ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rate: Option<f64>,
    /// How late the last batch was sent, in seconds; `None` without a schedule.
    pub behind_seconds: Option<f64>,
    /// Maximum delay of a batch behind its schedule, in seconds.
    pub max_behind_seconds: f64,
    /// How far the schedule was delayed because there was nothing to send, in seconds.
    pub starved_seconds: f64,
}

/// How the run ended, and how it can be resumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Why it stopped early; `None` if it completed.
    pub stopped: Option<String>,
    /// Path of the journal that `--resume` uses.
    pub journal: Option<String>,
    /// Value for `--skip` with which the same command continues where this run stopped.
    pub resume_skip: Option<u64>,
    /// Whether the source could not be read further. A repaired source no longer matches the journal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub source_failed: bool,
}

/// Result of a publish run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The topic.
    pub topic: String,
    /// The endpoint of the service if it is not that of AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The command that repeats it, without secrets; empty if there is none to repeat.
    pub command: String,
    /// Support of the lake's store for conditional writes; `None` if the topic is not `local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<ConditionalWrites>,
    /// What the intake did with the published messages; `None` if the topic is not `local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<Deliveries>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<DateTime<Utc>>,
    /// Messages of the complete input, including those skipped; `None` if it was not read to its end.
    pub input: Option<u64>,
    /// The input files.
    #[serde(flatten)]
    pub inputs: InputReports,
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts<Count>,
    /// Messages of the input that were not reached.
    #[serde(flatten)]
    pub rest: Rest,
    /// Whether it resumed an earlier run.
    pub resumed: bool,
    /// The schedule.
    #[serde(flatten)]
    pub pacing: Pacing,
    /// The measurements.
    #[serde(flatten)]
    pub times: Times,
    /// Failures and rejections by the topic's error code, including those that a retry resolved.
    pub errors: BTreeMap<String, u64>,
    /// Lag from publish to row; `None` if the warehouse was not watched.
    pub lag: Option<Lag>,
    /// The conditions of `--fail-if`, and whether the run passed them.
    pub conditions: Vec<ConditionResult>,
    /// Path of the dead-letter file.
    pub dead_letters: Option<String>,
    /// The end of the run.
    #[serde(flatten)]
    pub end: End,
    /// Problems, each with its file and line.
    pub problems: Problems,
}

impl Outcome {
    /// Checks that every message is accounted for.
    ///
    /// # Errors
    ///
    /// Returns an error if the counts do not add up, which is a bug in this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let read = self.counts[Count::Read];
        let skipped = self.counts.total(|spec| spec.role == Role::Skipped);
        let stopped = self.end.stopped.is_some();
        anyhow::ensure!(
            read == self.counts.parts() - skipped
                && (self.counts[Count::Unsent] == 0 || stopped)
                && (self.reached_all() || stopped || self.pacing.schedule_ended)
                && self.input.is_none_or(|input| input == skipped + read + self.rest.known())
                && self.local.as_ref().is_none_or(|local| local.counts.parts() == self.counts[Count::Published]),
            "the counts do not add up; this is a bug in ruminate: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }

    /// Adds an input file, and counts it if it was rejected.
    pub(super) fn add_input(&mut self, report: InputReport) {
        if let Some(why) = &report.rejected {
            self.counts.add(Count::FilesRejected);
            self.problems.add("rejected_file", report.file.clone(), why.clone());
        }
        self.inputs.push(report);
    }

    /// Adds a run of another input to the same topic, as if it had followed this one. The lag, the conditions and the
    /// resume point apply to a single run and are cleared.
    pub fn merge(&mut self, other: Self) {
        self.input = self.input.zip(other.input).map(|(one, more)| one + more);
        self.inputs.merge(other.inputs);
        self.counts.merge(&other.counts);
        self.rest.merge(other.rest);
        self.resumed |= other.resumed;
        self.conditional_writes = match (self.conditional_writes, other.conditional_writes) {
            (Some(one), Some(other)) => Some(one.weaker(other)),
            (one, other) => one.or(other),
        };
        self.local = match (self.local.take(), other.local) {
            (Some(mut one), Some(other)) => {
                one.merge(other);
                Some(one)
            }
            (one, other) => one.or(other),
        };
        self.started = self.started.into_iter().chain(other.started).min();
        self.pacing = Pacing {
            schedule_ended: self.pacing.schedule_ended || other.pacing.schedule_ended,
            behind_seconds: other.pacing.behind_seconds.or(self.pacing.behind_seconds),
            max_behind_seconds: self.pacing.max_behind_seconds.max(other.pacing.max_behind_seconds),
            starved_seconds: self.pacing.starved_seconds + other.pacing.starved_seconds,
            ..std::mem::take(&mut self.pacing)
        };
        self.times.merge(other.times);
        for (code, n) in other.errors {
            *self.errors.entry(code).or_default() += n;
        }
        self.lag = None;
        self.conditions.clear();
        self.end = End { stopped: self.end.stopped.take().or(other.end.stopped), ..End::default() };
        self.problems.merge(other.problems);
    }

    /// Returns true if the run reached the end of its input.
    pub(crate) fn reached_all(&self) -> bool {
        self.rest.known() == 0 && self.rest.not_counted.is_none()
    }

    /// Returns the number of messages read, as text.
    pub(crate) fn sent(&self) -> String {
        counted(self.counts[Count::Read], "message", "messages")
    }

    /// Returns the delay in seconds if the run ended more than 1 s behind its schedule. The latencies then reflect this
    /// machine more than the topic.
    pub(crate) fn fell_behind(&self) -> Option<f64> {
        self.pacing.behind_seconds.filter(|&behind| behind > 1.0)
    }

    /// Returns the flag with which the same command continues where it stopped.
    pub(crate) fn resume_flag(&self) -> Option<String> {
        let skip = self.end.resume_skip?;
        Some(if self.end.journal.is_some() && !self.end.source_failed {
            "--resume".to_owned()
        } else {
            format!("--skip {skip}")
        })
    }
}

/// If conditions were given, they alone decide between clean and findings, regardless of the other counters. They describe
/// messages, so a rejected file is a finding in any case.
impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.end.stopped.is_some() {
            Exit::Stopped
        } else if self.counts[Count::FilesRejected] > 0 {
            Exit::Findings
        } else if !self.conditions.is_empty() {
            if self.conditions.iter().all(|verdict| verdict.passed) { Exit::Clean } else { Exit::Findings }
        } else if self.counts.findings() > 0
            || self.local.as_ref().is_some_and(|local| local.counts.findings() > 0)
            || self.lag.as_ref().is_some_and(|lag| lag.never_arrived() > 0 || !lag.is_complete())
        {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }
}

#[cfg(test)]
mod tests;
