//! Reasons why a repair left findings unchanged, by kind.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::reconcile::DriftKind;

/// Number of findings that were left unchanged, by kind and reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Reasons(BTreeMap<(DriftKind, String), u64>);

/// Kind with a reason, and the number of its findings: one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason<'a> {
    /// Number of findings.
    pub count: u64,
    /// Kind of finding.
    pub kind: DriftKind,
    /// Why they were left unchanged.
    pub why: &'a str,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.count, self.kind.name(), self.why)
    }
}

impl Reasons {
    /// Adds findings of a kind that are left unchanged.
    pub fn add(&mut self, kind: DriftKind, why: impl Into<String>, count: u64) {
        *self.0.entry((kind, why.into())).or_default() += count;
    }

    /// Removes up to `count` findings of a kind that are not left unchanged after all; returns their number.
    pub fn remove(&mut self, kind: DriftKind, why: &str, count: u64) -> u64 {
        let entry = (kind, why.to_owned());
        let Some(left) = self.0.get_mut(&entry) else { return 0 };
        let removed = count.min(*left);
        *left -= removed;
        if *left == 0 {
            self.0.remove(&entry);
        }
        removed
    }

    /// Adds the findings of another part.
    pub(super) fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|((kind, why), count)| self.add(kind, why, count));
    }

    /// Returns all reasons, in the order of kinds.
    pub fn iter(&self) -> impl Iterator<Item = Reason<'_>> {
        self.0.iter().map(|((kind, why), count)| Reason { count: *count, kind: *kind, why })
    }

    /// Returns the number of findings that were left unchanged.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl From<Reasons> for Vec<String> {
    fn from(reasons: Reasons) -> Self {
        reasons.iter().map(|reason| reason.to_string()).collect()
    }
}

impl TryFrom<Vec<String>> for Reasons {
    type Error = String;

    fn try_from(lines: Vec<String>) -> Result<Self, String> {
        let mut reasons = Self::default();
        for line in lines {
            let read = line.split_once(' ').and_then(|(count, rest)| {
                let (kind, why) = rest.split_once(": ")?;
                let kind = DriftKind::ALL.into_iter().find(|one| one.name() == kind)?;
                Some((kind, why, count.parse().ok()?))
            });
            let (kind, why, count) = read.ok_or_else(|| format!("{line:?} is not a reason"))?;
            reasons.add(kind, why, count);
        }
        Ok(reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_add_up_by_kind_and_come_back_from_their_json() {
        let mut reasons = Reasons::default();
        reasons.add(DriftKind::Rejected, "move it: by hand", 2);
        reasons.add(DriftKind::Misfiled, "move it", 1);
        let json = r#"["1 misfiled: move it","2 rejected: move it: by hand"]"#;
        assert_eq!(serde_json::to_string(&reasons).unwrap(), json);
        let back: Reasons = serde_json::from_str(json).unwrap();
        assert_eq!(back, reasons);
        reasons.merge(back);
        assert_eq!((reasons.total(), reasons.iter().map(|one| one.count).max()), (6, Some(4)));
        assert_eq!(reasons.remove(DriftKind::Misfiled, "move it", 1), 1);
        assert_eq!(reasons.remove(DriftKind::Misfiled, "move it", 5), 1, "no more than there are");
        assert_eq!((reasons.remove(DriftKind::Misfiled, "move it", 1), reasons.total()), (0, 4));
        assert!(reasons.iter().all(|one| one.kind == DriftKind::Rejected));
        for broken in [r#"["misfiled: move it"]"#, r#"["1 melted: why"]"#] {
            assert!(serde_json::from_str::<Reasons>(broken).is_err(), "{broken}");
        }
    }
}
