//! Text of a pattern of findings.

use std::fmt;

use crate::reconcile::{Pattern, PatternKind};
use crate::render::count;

impl Pattern {
    /// Returns how many of the findings have the pattern, and what they have in common.
    pub(crate) fn description(&self) -> String {
        let all = count(self.total);
        let some = if self.findings == self.total {
            format!("all {all}")
        } else {
            format!("{} of {all}", count(self.findings))
        };
        match &self.shape {
            PatternKind::OneFarm { farm } => format!("{some} are in {farm}"),
            PatternKind::OneDay { day } => format!("{some} are from {day}"),
            PatternKind::Since { day } => format!("{some} are from {day} or later"),
            PatternKind::Until { day } => format!("{some} are from {day} or earlier"),
            PatternKind::Between { from, to } => format!("{some} are from {from} to {to}"),
            PatternKind::LateArrival => format!("{some} were processed within ten minutes before the audit"),
        }
    }

    /// Returns the fraction of the compared ids that have the property too; for one day, also how many of the findings are
    /// of the one farm.
    pub(crate) fn comparison(&self) -> String {
        let rate = self.base_rate();
        let comparison = match &self.shape {
            PatternKind::OneFarm { .. } => format!("a farm with {rate} of the compared ids"),
            PatternKind::OneDay { .. } => format!("a day with {rate} of the compared ids"),
            PatternKind::Since { .. } | PatternKind::Until { .. } | PatternKind::Between { .. } => {
                format!("days with {rate} of the compared ids")
            }
            PatternKind::LateArrival => format!("as were {rate} of the compared ids"),
        };
        match self.also_one_farm {
            Some(both) if both == self.findings => format!("{comparison}; all of these findings are in that farm"),
            Some(both) => format!("{comparison}; {} of these findings are in that farm", count(both)),
            None => comparison,
        }
    }

    /// Returns the percentage of the compared ids in the same place; never rounded down to 0.
    #[allow(clippy::cast_precision_loss, reason = "a share to one decimal")]
    fn base_rate(&self) -> String {
        let all = (self.compared + self.compared_elsewhere).max(1);
        format!("{:.1} %", (self.compared as f64 / all as f64 * 100.0).max(0.1))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.counter_name().replace('_', " "))?;
        if let Some(cause) = &self.cause {
            write!(f, " ({cause})")?;
        }
        write!(f, ": {}, {}", self.description(), self.comparison())
    }
}
