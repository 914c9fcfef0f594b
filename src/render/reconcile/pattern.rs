//! Text of a pattern of findings.

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
    /// of the one farm. `all` are the patterns of the audit.
    pub(crate) fn comparison(&self, all: &[Self]) -> String {
        let rate = self.base_rate();
        let comparison = match &self.shape {
            PatternKind::OneFarm { .. } => format!("a farm with {rate} of the compared ids"),
            PatternKind::OneDay { .. } => format!("a day with {rate} of the compared ids"),
            PatternKind::Since { .. } | PatternKind::Until { .. } | PatternKind::Between { .. } => {
                format!("days with {rate} of the compared ids")
            }
            PatternKind::LateArrival => format!("as were {rate} of the compared ids"),
        };
        let farm =
            all.iter().filter(|other| (other.kind, &other.cause) == (self.kind, &self.cause)).find_map(Self::farm);
        match (self.also_one_farm, farm.unwrap_or("that farm")) {
            (Some(both), farm) if both == self.findings => {
                format!("{comparison}; all of these findings are in {farm}")
            }
            (Some(both), farm) => format!("{comparison}; {} of these findings are in {farm}", count(both)),
            (None, _) => comparison,
        }
    }

    /// Returns the farm of the pattern `one_farm`.
    fn farm(&self) -> Option<&str> {
        match &self.shape {
            PatternKind::OneFarm { farm } => Some(farm),
            _ => None,
        }
    }

    /// Returns the pattern in one line. `all` are the patterns of the audit.
    pub(crate) fn text(&self, all: &[Self]) -> String {
        let cause = self.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
        let kind = self.kind.counter_name().replace('_', " ");
        format!("{kind}{cause}: {}, {}", self.description(), self.comparison(all))
    }

    /// Returns the percentage of the compared ids in the same place; never rounded down to 0.
    #[allow(clippy::cast_precision_loss, reason = "a share to one decimal")]
    fn base_rate(&self) -> String {
        let all = (self.compared + self.compared_elsewhere).max(1);
        format!("{:.1} %", (self.compared as f64 / all as f64 * 100.0).max(0.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::DriftKind;

    #[test]
    fn findings_of_one_day_name_the_farm_that_they_are_in() {
        let of = |shape, also_one_farm| Pattern {
            kind: DriftKind::LakeOnly,
            cause: None,
            shape,
            findings: 3,
            total: 4,
            compared: 10,
            compared_elsewhere: 90,
            also_one_farm,
        };
        let farm = of(PatternKind::OneFarm { farm: "fazenda_um".into() }, None);
        let day = of(PatternKind::OneDay { day: chrono::NaiveDate::from_ymd_opt(2026, 1, 2).unwrap() }, Some(3));
        let text = day.text(&[farm, day.clone()]);
        assert!(text.ends_with("; all of these findings are in fazenda_um"), "{text}");
    }
}
