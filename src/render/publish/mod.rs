//! Text of the outcome of `publish`.

use std::borrow::Cow;
use std::fmt;

use super::{LabelledRows, count, counted, duration, input_line, millis, one_line, rate, rows};
use crate::outcome::{CommandOutcome as _, Exit};
use crate::publish::{Count, Lag, Outcome, Percentiles};
use crate::topic::Delivery;
use pipeline::lake::ConditionalWrites;

mod condition;
mod lag;

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, max } = self;
        let [p50, p90, p99, max] = [p50, p90, p99, max].map(|ms| millis(*ms));
        write!(f, "p50 {p50}, p90 {p90}, p99 {p99}, max {max}")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        let read = counted(self.counts[Count::Read], "message", "messages");
        let (took, rate) = (duration(self.times.seconds), rate(self.times.rate_per_second));
        writeln!(f, "publish: {read} in {took} ({rate}) to {}{at}", self.topic)?;
        let mut lines = self.count_lines();
        if self.counts[Count::Published] > 0 {
            let Percentiles { p50, p90, p99, max } = self.times.latency_ms;
            let [p50, p90, p99, p999, max] = [p50, p90, p99, self.times.latency_p999_ms, max].map(millis);
            let latency = format!("p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, max {max}");
            lines.push(("latency".into(), latency));
            lines.push(("service time".into(), self.times.service_ms.to_string()));
        }
        if let Some(lag) = &self.lag {
            lines.push(("delivery lag".into(), lag.to_string()));
            if lag.missing > 0 {
                lines.push(("not delivered".into(), count(lag.missing)));
            }
            if let Some(truth) = &lag.truth {
                lines.push(("ground truth".into(), truth.to_string()));
            }
        }
        lines.extend(input_line(&self.inputs).map(|(title, dialects)| (title.into(), dialects)));
        for (code, times) in &self.errors {
            lines.push(("error".into(), format!("{} × {code}", count(*times))));
        }
        write!(f, "{}", LabelledRows(&lines))?;
        for verdict in &self.conditions {
            let message = if verdict.passed { "PASS" } else { "FAIL" };
            writeln!(f, "  {message}  {verdict}")?;
        }
        write!(f, "{}", self.problems)?;
        if let Some(local) = self.local.as_ref().filter(|local| local.counts[Delivery::Quarantined] > 0) {
            writeln!(f, "  quarantined messages are stored in {}", local.quarantine)?;
        }
        if let Some(warning) = self.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        self.write_next_steps(f)?;
        match self.exit_meaning() {
            Some(meaning) => writeln!(f, "exit code 1: {meaning}"),
            None => Ok(()),
        }
    }
}

impl Outcome {
    /// Returns the counts as lines; below those of the messages published, what the intake of a local topic did with them.
    fn count_lines(&self) -> Vec<(Cow<'static, str>, String)> {
        let rare = [Count::Retries, Count::Dropped, Count::Unsent, Count::FilesRejected, Count::Skipped];
        let counts = rows(&self.counts, &[Count::Read], &rare);
        let mut lines: Vec<_> = counts.into_iter().map(|(title, n)| (title.into(), n)).collect();
        if let Some(left_over) = self.left_over() {
            let at = lines.len() - usize::from(self.counts[Count::Skipped] > 0);
            lines.insert(at, ("not reached".into(), left_over));
        }
        if let Some(local) = &self.local {
            let delivered = rows(&local.counts, &[], &[Delivery::Unverifiable, Delivery::Refused]);
            let delivered = delivered.into_iter().map(|(title, n)| (format!("  {title}").into(), n));
            lines.splice(1..1, delivered);
        }
        lines
    }

    /// Returns the number of messages that were not reached, as text. `None` if there are none.
    pub(super) fn left_over(&self) -> Option<String> {
        match (&self.rest.not_counted, self.rest.known()) {
            (None, 0) => None,
            (None, n) => Some(count(n)),
            (Some(why), 0) => Some(why.clone()),
            (Some(why), n) => Some(format!("at least {}: {why}", count(n))),
        }
    }

    /// Returns why the exit code is 1; `None` if it is another one.
    fn exit_meaning(&self) -> Option<String> {
        if self.exit() != Exit::Findings {
            return None;
        }
        let rejected = self.counts[Count::FilesRejected];
        if rejected > 0 {
            return Some(counted(rejected, "input file was rejected", "input files were rejected"));
        }
        if !self.conditions.is_empty() {
            let failed = self.conditions.iter().filter(|verdict| !verdict.passed).count();
            let all = counted(self.conditions.len() as u64, "condition", "conditions");
            return Some(format!("{} of {all} of --fail-if failed", count(failed as u64)));
        }
        let missing = self.counts[Count::Failed] + self.counts[Count::Invalid] + self.counts[Count::Dropped];
        let refused = self.local.as_ref().map_or(0, |local| local.counts.findings());
        let lost = self.lag.as_ref().map_or(0, Lag::never_arrived);
        let mut reasons: Vec<String> = [
            (missing, ["message was not published", "messages were not published"]),
            (refused, ["message was quarantined or in conflict", "messages were quarantined or in conflict"]),
            (lost, ["reading was not delivered", "readings were not delivered"]),
        ]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, [one, many])| counted(n, one, many))
        .collect();
        if self.lag.as_ref().is_some_and(|lag| !lag.is_complete()) {
            reasons.push("the delivery check is incomplete".to_owned());
        }
        Some(reasons.join("; "))
    }

    /// Writes the suggested next steps, if any.
    fn write_next_steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(behind) = self.fell_behind() {
            writeln!(f, "finished {} behind schedule: raise --concurrency or lower the rate", duration(behind))?;
        }
        if self.pacing.starved_seconds > 0.01 * self.times.seconds && self.pacing.starved_seconds > 0.1 {
            let starved = duration(self.pacing.starved_seconds);
            writeln!(f, "the schedule was delayed by {starved} because the source was too slow")?;
        }
        if self.counts[Count::Failed] + self.counts[Count::Dropped] > 0 {
            match &self.dead_letters {
                Some(file) => {
                    writeln!(f, "dead letters: {file}; after fixing the cause, republish them with")?;
                    writeln!(f, "  ruminate publish {file}")?;
                }
                None => writeln!(f, "failed and dropped messages were not saved: use --dead-letters FILE")?,
            }
        }
        if let Some(why) = &self.end.stopped {
            writeln!(f, "stopped early: {}", one_line(why))?;
        } else if self.pacing.schedule_ended {
            writeln!(f, "the schedule ended after {}, before the input did", self.sent())?;
        }
        if let Some(how) = self.to_the_end() {
            writeln!(f, "{how}")?;
        }
        match (self.resume_flag(), &self.end.stopped) {
            (Some(how), Some(_)) => writeln!(f, "to resume, run the same command with {how}"),
            (Some(how), None) => writeln!(f, "to continue where the schedule ended, run the same command with {how}"),
            (None, _) => Ok(()),
        }
    }

    /// Returns the option that extends the schedule to the end of the input. `None` if the schedule did not end first.
    pub(super) fn to_the_end(&self) -> Option<String> {
        let rate = self.pacing.last_rate.filter(|_| self.pacing.schedule_ended)?;
        let intended = match self.end.stopped {
            Some(_) => "; if this end is intended, add --stop-at-schedule-end",
            None => "",
        };
        Some(format!(
            "to publish the whole input, add a last stage without a time, such as hold:{rate}/s, or use --rate {rate}/s instead \
             of --stages{intended}"
        ))
    }
}
