//! Text of a condition: the measured value and its limit.

use std::fmt;

use crate::publish::ConditionResult;

/// Splits a condition into the metric and the limit above which the run fails: `p99` and `> 500ms`.
fn parts(condition: &str) -> (&str, &str) {
    let at = condition.find(['>', '<']).unwrap_or(condition.len());
    let (metric, bound) = condition.split_at(at);
    (metric.trim(), bound.trim())
}

/// Example: `p99 21.7 ms (fails if > 500ms)`.
impl fmt::Display for ConditionResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (metric, bound) = parts(&self.condition);
        write!(f, "{metric} {} (fails if {bound})", self.measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_shows_the_measured_value_and_then_the_bound() {
        let message = |text: &str, measured: &str| {
            ConditionResult { condition: text.into(), passed: true, measured: measured.into() }.to_string()
        };
        assert_eq!(message("p99 > 500ms", "21.7 ms"), "p99 21.7 ms (fails if > 500ms)");
        assert_eq!(message("achieved<=99%", "99.90 %"), "achieved 99.90 % (fails if <=99%)");
    }
}
