//! Text of the outcome of `publish`.

use std::fmt;

use super::{LabelledRows, count, duration, input_line, one_line, rows};
use crate::publish::{Count, Outcome, Percentiles};
use pipeline::lake::ConditionalWrites;

mod condition;
mod lag;

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, max } = self;
        write!(f, "p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, max {max:.1} ms")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        let (read, took) = (count(self.counts[Count::Read]), duration(self.times.seconds));
        writeln!(f, "publish: {read} messages in {took} ({:.0}/s) to {}{at}", self.times.rate_per_second, self.topic)?;
        let mut lines = rows(
            &self.counts,
            &[Count::Read],
            &[Count::Retries, Count::Dropped, Count::Unsent, Count::FilesRejected, Count::Skipped],
        );
        if let Some(left_over) = self.left_over() {
            let at = lines.len() - usize::from(self.counts[Count::Skipped] > 0);
            lines.insert(at, ("not reached", left_over));
        }
        if self.counts[Count::Published] > 0 {
            let Percentiles { p50, p90, p99, max } = self.times.latency_ms;
            let p999 = self.times.latency_p999_ms;
            let latency =
                format!("p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms, max {max:.1} ms");
            lines.push(("latency", latency));
            lines.push(("service time", self.times.service_ms.to_string()));
        }
        if let Some(lag) = &self.lag {
            lines.push(("delivery lag", lag.to_string()));
            if lag.missing > 0 {
                lines.push(("not delivered", count(lag.missing)));
            }
            if let Some(truth) = &lag.truth {
                lines.push(("ground truth", truth.to_string()));
            }
        }
        lines.extend(input_line(&self.inputs));
        for (code, times) in &self.errors {
            lines.push(("error", format!("{} × {code}", count(*times))));
        }
        write!(f, "{}", LabelledRows(&lines))?;
        for verdict in &self.conditions {
            let message = if verdict.passed { "PASS" } else { "FAIL" };
            writeln!(f, "  {message}  {verdict}")?;
        }
        write!(f, "{}", self.problems)?;
        if let Some(warning) = self.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        self.write_next_steps(f)
    }
}

impl Outcome {
    /// Returns the number of messages that were not reached, as text. `None` if there are none.
    pub(super) fn left_over(&self) -> Option<String> {
        match (&self.rest.not_counted, self.rest.known()) {
            (None, 0) => None,
            (None, n) => Some(count(n)),
            (Some(why), 0) => Some(why.clone()),
            (Some(why), n) => Some(format!("at least {}: {why}", count(n))),
        }
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
        if let (true, Some(how)) = (self.end.stopped.is_some(), self.to_the_end()) {
            writeln!(f, "{how}")?;
        }
        match self.resume_flag() {
            Some(how) => writeln!(f, "to resume, run the same command with {how}"),
            None => Ok(()),
        }
    }

    /// Returns the option that extends the schedule to the end of the input. `None` if the schedule did not end first.
    pub(super) fn to_the_end(&self) -> Option<String> {
        let rate = self.pacing.last_rate.filter(|_| self.pacing.schedule_ended)?;
        Some(format!(
            "to publish the whole input, add a last stage without a time, such as hold:{rate}/s, or use --rate {rate}/s instead \
             of --stages; if this end is intended, add --stop-at-schedule-end"
        ))
    }
}
