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
            PatternKind::OneFarm { farm } => format!("{some} are of {farm}"),
            PatternKind::OneDay { day } => format!("{some} are of {day}"),
            PatternKind::Since { day } => format!("{some} are of {day} or later"),
            PatternKind::Until { day } => format!("{some} are of {day} or earlier"),
            PatternKind::Between { from, to } => format!("{some} are of {from} to {to}"),
            PatternKind::LateArrival => format!("{some} came within ten minutes before the audit"),
        }
    }

    /// Returns the percentage of the compared ids in the same place; never rounded down to 0.
    #[allow(clippy::cast_precision_loss, reason = "a share to one decimal")]
    pub(crate) fn base_rate(&self) -> String {
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
        write!(f, ": {}, as are {} of all ids compared", self.description(), self.base_rate())
    }
}
