//! Planned changes of a repair: the first of each action, in an order that does not depend on that of the findings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::reconcile::{Action, Drift, IntactSide};

/// Maximum number of planned changes per action; the drift file contains all.
const OF_AN_ACTION: usize = 1_000;

/// Planned change of a repair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// Action, which determines the side that is written.
    pub action: Action,
    /// Id of the record.
    pub id: Option<String>,
    /// Key of the object. `None` if it does not exist yet.
    pub key: Option<String>,
    /// Values that change: name → [old, new]. Empty for a new row or object.
    pub fields: BTreeMap<String, [Value; 2]>,
    /// Only side whose values match the id of version 8. `None` if both or neither do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intact: Option<IntactSide>,
}

impl PlannedChange {
    /// Returns the change for a finding.
    pub(in crate::reconcile) fn of(action: Action, finding: Drift) -> Self {
        let Drift { id, key, fields, intact, .. } = finding;
        let old_and_new = |(name, [lake, warehouse]): (String, [Value; 2])| match action {
            Action::Update => Some((name, [warehouse, lake])),
            Action::ReplaceObject => Some((name, [lake, warehouse])),
            Action::Insert | Action::WriteObject => None,
        };
        Self { action, id, key, fields: fields.into_iter().filter_map(old_and_new).collect(), intact }
    }

    /// Returns the place in the order of an action's changes.
    fn order(&self) -> (Option<&str>, Option<&str>) {
        (self.id.as_deref(), self.key.as_deref())
    }
}

/// Planned changes of a repair, at most a thousand of each action.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlannedChanges(Vec<PlannedChange>);

impl PlannedChanges {
    /// Adds a change if it is one of the first of its action.
    pub(in crate::reconcile) fn take(&mut self, change: PlannedChange) {
        let begin = self.0.partition_point(|other| other.action < change.action);
        let end = self.0.partition_point(|other| other.action <= change.action);
        let at = begin + self.0[begin..end].partition_point(|other| other.order() <= change.order());
        if at - begin >= OF_AN_ACTION {
            return;
        }
        if end - begin == OF_AN_ACTION {
            self.0.remove(end - 1);
        }
        self.0.insert(at, change);
    }

    /// Adds the changes of another part that are among the first of both.
    pub(super) fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|change| self.take(change));
    }

    /// Returns the changes of an action.
    pub fn of(&self, action: Action) -> impl Iterator<Item = &PlannedChange> {
        self.0.iter().filter(move |change| change.action == action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::DriftKind;
    use serde_json::json;

    fn change(action: Action, n: usize) -> PlannedChange {
        let drift = Drift::new(DriftKind::Differing, format!("{n:06}"), None);
        PlannedChange::of(action, drift.with_field("peso_medio", json!("lake"), json!("warehouse")))
    }

    #[test]
    fn the_first_changes_of_each_action_are_stored_in_any_order() {
        let all: Vec<_> =
            Action::ALL.into_iter().flat_map(|action| (0..1_500).map(move |n| change(action, n))).collect();
        let (mut one, mut other, mut parts) =
            (PlannedChanges::default(), PlannedChanges::default(), PlannedChanges::default());
        all.iter().cloned().for_each(|change| one.take(change));
        all.iter().rev().cloned().for_each(|change| other.take(change));
        all.iter().skip(700).step_by(2).cloned().for_each(|change| parts.take(change));
        let mut rest = PlannedChanges::default();
        all.iter().enumerate().filter(|(at, _)| *at < 700 || at % 2 == 1).for_each(|(_, c)| rest.take(c.clone()));
        parts.merge(rest);
        assert!(one == other && one == parts);
        for action in Action::ALL {
            let ids: Vec<_> = one.of(action).map(|change| change.id.clone().unwrap()).collect();
            assert_eq!((ids.len(), &*ids[0], &*ids[999]), (1_000, "000000", "000999"));
        }
    }

    #[test]
    fn values_are_old_and_new_for_the_side_that_is_written() {
        let fields = |action| serde_json::to_value(change(action, 1).fields).unwrap();
        assert_eq!(fields(Action::Update), json!({ "peso_medio": ["warehouse", "lake"] }));
        assert_eq!(fields(Action::ReplaceObject), json!({ "peso_medio": ["lake", "warehouse"] }));
        assert_eq!(fields(Action::Insert), json!({}));
    }
}
