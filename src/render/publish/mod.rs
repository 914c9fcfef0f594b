//! Text of a run of `publish`.

use std::fmt;

use super::{LabelledRows, count, duration, rows};
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
        let (read, took) = (count(self.counts[Count::Read]), duration(self.times.seconds));
        writeln!(f, "publish: {read} messages in {took} ({:.0}/s) to {}", self.times.rate_per_second, self.topic)?;
        let mut lines = rows(&self.counts, &[Count::Read], &[Count::Dropped, Count::Unsent, Count::Skipped]);
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
            lines.push(("of a call", self.times.service_ms.to_string()));
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
        write!(f, "{}", LabelledRows(&lines))?;
        for verdict in &self.verdicts {
            let message = if verdict.passed { "passed" } else { "FAILED" };
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
    /// How many messages were not reached, in words, where there are any.
    pub(super) fn left_over(&self) -> Option<String> {
        match (&self.rest.not_counted, self.rest.known()) {
            (None, 0) => None,
            (None, n) => Some(count(n)),
            (Some(why), 0) => Some(why.clone()),
            (Some(why), n) => Some(format!("at least {}: {why}", count(n))),
        }
    }

    /// What to do next, where there is something to do.
    fn write_next_steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(behind) = self.fell_behind() {
            writeln!(f, "ended {} behind its schedule: raise --concurrency, or ask for less", duration(behind))?;
        }
        if self.pacing.starved_seconds > 0.01 * self.times.seconds && self.pacing.starved_seconds > 0.1 {
            let starved = duration(self.pacing.starved_seconds);
            writeln!(
                f,
                "the schedule was put back by {starved}, because the source had nothing to send: it is too slow for it"
            )?;
        }
        if self.counts[Count::Failed] + self.counts[Count::Dropped] > 0 {
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
        if let Some(why) = &self.end.stopped {
            writeln!(f, "stopped early: {why}")?;
        } else if self.pacing.schedule_ended {
            writeln!(f, "the schedule ended after {}, before the input did", self.sent())?;
        }
        if let (true, Some(how)) = (self.end.stopped.is_some(), self.to_the_end()) {
            writeln!(f, "{how}")?;
        }
        match self.resume_flag() {
            Some(how) => writeln!(f, "to go on, run the same command with {how}"),
            None => Ok(()),
        }
    }

    /// How a schedule is asked for that ends with the input, where this one ended before.
    pub(super) fn to_the_end(&self) -> Option<String> {
        let rate = self.pacing.last_rate.filter(|_| self.pacing.schedule_ended)?;
        Some(format!(
            "to publish the whole input, give a last stage without a time, such as hold:{rate}/s, or --rate {rate}/s in \
             place of --stages; where this end is meant, --stop-at-schedule-end says so"
        ))
    }
}
