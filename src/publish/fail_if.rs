//! Conditions under which a run counts as failed, such as `p99 > 500ms; failed > 0`: their syntax and evaluation.

use std::fmt;
use std::str::FromStr;

use super::{ConditionResult, Count, Outcome, Percentiles};
use crate::outcome::{count, rate};
use crate::units;

/// Conditions of `--fail-if`. The run fails if any of them holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FailIf(Vec<Condition>);

/// A metric compared with a bound.
#[derive(Debug, Clone, PartialEq)]
struct Condition {
    metric: Metric,
    compared: Comparison,
    bound: f64,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Over,
    AtLeast,
    Under,
    AtMost,
}

/// The distribution that a percentile belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LatencyKind {
    Latency,
    Service,
    Lag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantile {
    P50,
    P90,
    P99,
    P999,
    Max,
}

/// A value that can be compared with a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    /// A percentile, in milliseconds.
    Time(LatencyKind, Quantile),
    /// A number of messages.
    Messages(MessageCount),
    /// A number of messages as a percentage of those read.
    Share(MessageCount),
    /// Messages published per second.
    Rate,
    /// Published messages as a percentage of those that were due.
    Achieved,
    /// Maximum delay of a batch behind its schedule, in milliseconds.
    Behind,
    /// How far the schedule was delayed because there was nothing to send, in milliseconds.
    Starved,
}

/// A counter that can be compared with a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageCount {
    Failed,
    Dropped,
    Invalid,
    Retries,
    Unsent,
    Missing,
}

/// Names of all metrics, for error messages.
const WORDS: &str = "p50, p90, p99, p999, max, service_p50 … service_max, lag_p50, lag_p90, lag_p99, lag_max, missing, failed, \
                     dropped, invalid, retries, unsent, rate, achieved, behind or starved";

impl Metric {
    /// Returns the metric of that name, as a percentage if the bound is one. `None` if there is no such metric.
    fn named(word: &str, is_share: bool) -> Option<Self> {
        let counted = |counted| if is_share { Self::Share(counted) } else { Self::Messages(counted) };
        let (of, rest) = match word.split_once('_') {
            Some(("service", rest)) => (LatencyKind::Service, rest),
            Some(("lag", rest)) => (LatencyKind::Lag, rest),
            Some(_) => return None,
            None => (LatencyKind::Latency, word),
        };
        let share = match rest {
            "p50" => Some(Quantile::P50),
            "p90" => Some(Quantile::P90),
            "p99" => Some(Quantile::P99),
            "p999" | "p99.9" if of == LatencyKind::Latency => Some(Quantile::P999),
            "max" => Some(Quantile::Max),
            _ => None,
        };
        if let Some(share) = share {
            return Some(Self::Time(of, share));
        }
        Some(match word {
            "failed" => counted(MessageCount::Failed),
            "dropped" => counted(MessageCount::Dropped),
            "invalid" => counted(MessageCount::Invalid),
            "retries" => counted(MessageCount::Retries),
            "unsent" => counted(MessageCount::Unsent),
            "missing" => counted(MessageCount::Missing),
            "rate" => Self::Rate,
            "achieved" => Self::Achieved,
            "behind" => Self::Behind,
            "starved" => Self::Starved,
            _ => return None,
        })
    }

    /// Parses a bound in the metric's unit.
    ///
    /// # Errors
    ///
    /// Returns an error if the bound is not a valid value of that unit.
    fn bound(self, text: &str) -> Result<f64, String> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        let (read, wanted) = match self {
            Self::Time(..) | Self::Behind | Self::Starved => {
                return units::duration(text).map(|time| time.as_secs_f64() * 1e3);
            }
            Self::Messages(_) => (number(text), "a number of messages, or a percentage such as 0.1%"),
            Self::Share(_) | Self::Achieved => (text.strip_suffix('%').and_then(number), "a percentage, such as 99%"),
            Self::Rate => (text.strip_suffix("/s").and_then(number), "a rate per second, such as 500/s"),
        };
        read.ok_or_else(|| format!("{text} is not {wanted}"))
    }

    /// Returns the measured value and its text; `None` if it was not measured.
    fn measured(self, outcome: &Outcome) -> Option<(f64, String)> {
        let millis = |ms: f64| (ms, if ms < 1e3 { format!("{ms:.1} ms") } else { format!("{:.3} s", ms / 1e3) });
        let percent = |share: f64| (share, format!("{share:.2} %"));
        Some(match self {
            Self::Time(LatencyKind::Latency, Quantile::P999) => millis(outcome.times.latency_p999_ms),
            Self::Time(of, share) => {
                let Percentiles { p50, p90, p99, max } = match of {
                    LatencyKind::Latency => outcome.times.latency_ms,
                    LatencyKind::Service => outcome.times.service_ms,
                    LatencyKind::Lag => outcome.lag.as_ref()?.lag_ms,
                };
                millis(match share {
                    Quantile::P50 => p50,
                    Quantile::P90 => p90,
                    Quantile::P99 | Quantile::P999 => p99,
                    Quantile::Max => max,
                })
            }
            Self::Messages(counted) => {
                let number = counted.number(outcome)?;
                (number as f64, count(number))
            }
            Self::Share(counted) => {
                let of = if counted == MessageCount::Missing {
                    outcome.lag.as_ref()?.watched
                } else {
                    outcome.counts[Count::Read]
                };
                percent(100.0 * counted.number(outcome)? as f64 / (of as f64).max(1.0))
            }
            Self::Rate => (outcome.times.rate_per_second, rate(outcome.times.rate_per_second)),
            Self::Achieved => {
                let offered = outcome.times.intervals.iter().map(|one| one.offered).sum::<u64>() as f64;
                percent(if offered > 0.0 { 100.0 * outcome.counts[Count::Published] as f64 / offered } else { 100.0 })
            }
            Self::Behind => millis(outcome.pacing.max_behind_seconds * 1e3),
            Self::Starved => millis(outcome.pacing.starved_seconds * 1e3),
        })
    }

    fn needs_watch(self) -> bool {
        matches!(
            self,
            Self::Time(LatencyKind::Lag, _)
                | Self::Messages(MessageCount::Missing)
                | Self::Share(MessageCount::Missing)
        )
    }
}

impl MessageCount {
    fn number(self, outcome: &Outcome) -> Option<u64> {
        Some(match self {
            Self::Failed => outcome.counts[Count::Failed],
            Self::Dropped => outcome.counts[Count::Dropped],
            Self::Invalid => outcome.counts[Count::Invalid],
            Self::Retries => outcome.counts[Count::Retries],
            Self::Unsent => outcome.counts[Count::Unsent],
            Self::Missing => outcome.lag.as_ref().filter(|lag| lag.is_complete())?.never_arrived(),
        })
    }
}

impl FailIf {
    /// Returns the first condition that requires watching the warehouse, if any.
    pub fn needs_watch(&self) -> Option<&str> {
        self.0.iter().find(|one| one.metric.needs_watch()).map(|one| one.text.as_str())
    }

    /// Returns a warning if messages failed or were dropped, and no condition is about them.
    pub(super) fn uncovered(&self, outcome: &Outcome) -> Option<String> {
        let is_covered = |counted| {
            let metrics = [Metric::Messages(counted), Metric::Share(counted)];
            self.0.is_empty() || self.0.iter().any(|one| metrics.contains(&one.metric))
        };
        let lost =
            [(MessageCount::Failed, Count::Failed, "failed"), (MessageCount::Dropped, Count::Dropped, "dropped")];
        let lost = lost.into_iter().filter(|(metric, counter, _)| outcome.counts[*counter] > 0 && !is_covered(*metric));
        let named: Vec<String> =
            lost.map(|(_, counter, name)| format!("{} {name}", count(outcome.counts[counter]))).collect();
        let why = "no condition of --fail-if covers them, so they do not affect the exit code";
        (!named.is_empty()).then(|| format!("{} messages: {why}", named.join(" and ")))
    }

    /// Evaluates each condition. A condition without a measurement counts as not passed.
    pub fn evaluate(&self, outcome: &Outcome) -> Vec<ConditionResult> {
        let judge = |one: &Condition| {
            let nothing = outcome.counts[Count::Published] == 0 && matches!(one.metric, Metric::Time(..));
            let (passed, measured) = match one.metric.measured(outcome).filter(|_| !nothing) {
                Some((value, message)) => (!one.compared.holds(value, one.bound), message),
                None => (false, "nothing was measured".to_owned()),
            };
            ConditionResult { condition: one.text.clone(), passed, measured }
        };
        self.0.iter().map(judge).collect()
    }
}

impl Comparison {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Over => value > bound,
            Self::AtLeast => value >= bound,
            Self::Under => value < bound,
            Self::AtMost => value <= bound,
        }
    }
}

impl FromStr for FailIf {
    type Err = String;

    /// Parses conditions separated by semicolons: a metric, one of `>`, `>=`, `<`, `<=`, and a bound.
    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split(';').map(str::trim).filter(|word| !word.is_empty());
        let conditions: Vec<_> = words.map(str::parse).collect::<Result<_, String>>()?;
        if conditions.is_empty() {
            return Err("is empty: give conditions such as 'p99 > 500ms; failed > 0'".into());
        }
        Ok(Self(conditions))
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let signs = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            (">", Comparison::Over),
            ("<", Comparison::Under),
        ];
        let parts = signs.iter().find_map(|(sign, compared)| Some((text.split_once(sign)?, *compared)));
        let Some(((word, bound), compared)) = parts else {
            return Err(format!("{text}: give METRIC > BOUND, such as p99 > 500ms or failed > 0"));
        };
        let (word, bound) = (word.trim(), bound.trim());
        let metric = Metric::named(word, bound.ends_with('%'));
        let metric = metric.ok_or_else(|| format!("{text}: {word} is not a metric: use {WORDS}"))?;
        let bound = metric.bound(bound).map_err(|e| format!("{text}: {e}"))?;
        Ok(Self { metric, compared, bound, text: text.to_owned() })
    }
}

impl fmt::Display for FailIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(|one| one.text.as_str()).collect();
        f.write_str(&all.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::CommandOutcome as _;
    use crate::outcome::Exit;
    use crate::publish::{Interval, Lag, Times, TruthDelivery};

    fn outcome() -> Outcome {
        Outcome {
            counts: [(Count::Read, 1_000), (Count::Published, 990), (Count::Failed, 2), (Count::Dropped, 8)].into(),
            times: Times {
                rate_per_second: 99.0,
                latency_ms: Percentiles { p50: 10.0, p90: 50.0, p99: 450.0, max: 900.0 },
                latency_p999_ms: 800.0,
                service_ms: Percentiles { p50: 5.0, p90: 6.0, p99: 7.0, max: 8.0 },
                intervals: vec![Interval { offered: 1_000, ..Interval::default() }],
                ..Times::default()
            },
            ..Outcome::default()
        }
    }

    fn passed(text: &str, outcome: &Outcome) -> Vec<bool> {
        text.parse::<FailIf>().unwrap().evaluate(outcome).iter().map(|verdict| verdict.passed).collect()
    }

    #[test]
    fn conditions_are_evaluated_against_the_measurements() {
        let run = outcome();
        assert_eq!(passed("p99 > 500ms; p99 > 0.4s; max>=900ms; max > 900ms", &run), [true, false, false, true]);
        assert_eq!(passed("p999 > 500ms;service_p90 > 6ms; service_max < 9ms", &run), [false, true, false]);
        assert_eq!(passed("failed > 0; failed > 2; dropped > 1%; dropped > 0.5%", &run), [false, true, true, false]);
        assert_eq!(
            passed("rate < 99/s; rate < 100/s; achieved < 99%; achieved < 99.5 %", &run),
            [true, false, true, false]
        );
        assert_eq!(passed("unsent > 0; invalid > 0; retries > 0; behind > 0; starved > 1ms", &run), [true; 5]);
        let verdict = &"p99 > 0.4s".parse::<FailIf>().unwrap().evaluate(&run)[0];
        assert_eq!((verdict.condition.as_str(), verdict.measured.as_str()), ("p99 > 0.4s", "450.0 ms"));
    }

    #[test]
    fn lost_messages_that_no_condition_covers_are_a_warning() {
        let run = outcome();
        let uncovered = |text: &str| text.parse::<FailIf>().unwrap().uncovered(&run);
        let (failed, dropped) = (run.counts[Count::Failed], run.counts[Count::Dropped]);
        assert!(failed > 0 && dropped > 0);
        assert!(
            uncovered("p99 > 5s").unwrap().starts_with(&format!("{failed} failed and {dropped} dropped messages: "))
        );
        assert!(uncovered("dropped > 5%").unwrap().starts_with(&format!("{failed} failed messages: ")));
        assert_eq!(uncovered("failed > 9; dropped > 50%"), None);
        assert_eq!(FailIf::default().uncovered(&run), None);
        assert_eq!("p99 > 5s".parse::<FailIf>().unwrap().uncovered(&Outcome::default()), None);
    }

    #[test]
    fn a_condition_without_a_measurement_does_not_pass() {
        let silent = Outcome::default();
        assert_eq!(passed("p99 > 5s; lag_p99 > 5s; missing > 0", &silent), [false; 3]);
        let fail_if: FailIf = "failed > 0; lag_p99 > 5s".parse().unwrap();
        assert_eq!(fail_if.needs_watch(), Some("lag_p99 > 5s"));
        assert_eq!("failed > 0".parse::<FailIf>().unwrap().needs_watch(), None);
        let ms = Percentiles { p99: 4_000.0, ..Percentiles::default() };
        let watched =
            Outcome { lag: Some(Lag { watched: 200, missing: 1, lag_ms: ms, ..Lag::default() }), ..outcome() };
        assert_eq!(
            passed("lag_p99 > 5s; lag_p99 > 3s; missing > 0; missing > 1%", &watched),
            [true, false, false, true]
        );
        let looked_up =
            |truth| Outcome { lag: Some(Lag { missing: 1, truth: Some(truth), ..Lag::default() }), ..outcome() };
        assert_eq!(
            passed("missing > 2", &looked_up(TruthDelivery { missing: 3, ..TruthDelivery::default() })),
            [false]
        );
        assert_eq!(passed("missing > 3", &looked_up(TruthDelivery { missing: 3, ..TruthDelivery::default() })), [true]);
        let broken_off = TruthDelivery { stopped: Some("away".into()), ..TruthDelivery::default() };
        assert_eq!(passed("missing > 0", &looked_up(broken_off)), [false], "a lookup that stopped early does not pass");
    }

    #[test]
    fn conditions_alone_decide_the_exit_code_if_given() {
        let mut run = outcome();
        assert_eq!(run.exit(), Exit::Findings);
        run.conditions = "failed > 5; dropped > 1%".parse::<FailIf>().unwrap().evaluate(&run);
        assert_eq!(run.exit(), Exit::Clean);
        run.conditions = "failed > 5; dropped > 0".parse::<FailIf>().unwrap().evaluate(&run);
        assert_eq!(run.exit(), Exit::Findings);
        run.end.stopped = Some("interrupted".into());
        assert_eq!(run.exit(), Exit::Stopped);
    }

    #[test]
    fn an_invalid_condition_is_rejected_with_the_valid_names() {
        let message = |text: &str| text.parse::<FailIf>().unwrap_err();
        assert!(message("").contains("is empty"));
        assert!(message("p99").contains("give METRIC > BOUND"));
        assert!(message("p98 > 5ms").contains("p98 is not a metric: use p50, p90"));
        assert!(message("service_failed > 0").contains("is not a metric"));
        assert!(message("p99 > 500").contains("500 has no unit: write 500ms, 500s or 500m"));
        assert!(message("p99 > 5%").contains("is not a duration"));
        assert!(message("failed > 5ms").contains("number of messages"));
        assert!(message("failed > -1").contains("number of messages"));
        assert!(message("rate < fast").contains("500/s"));
        assert!(message("achieved < 99").contains("99%"));
        assert_eq!("p99>1s;;failed > 0;".parse::<FailIf>().unwrap().to_string(), "p99>1s; failed > 0");
    }
}
