//! Actions of a repair: what it writes for a finding.

use serde::{Deserialize, Serialize};

/// Action of a repair for a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// Inserts a row.
    #[serde(rename = "insert_row")]
    Insert,
    /// Updates a row.
    #[serde(rename = "update_row")]
    Update,
    /// Writes an object.
    #[serde(rename = "write_object")]
    WriteObject,
    /// Overwrites values of an object.
    #[serde(rename = "replace_object")]
    ReplaceObject,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 4] = [Self::Insert, Self::Update, Self::WriteObject, Self::ReplaceObject];

    /// Returns the name of the action, as in the drift file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert_row",
            Self::Update => "update_row",
            Self::WriteObject => "write_object",
            Self::ReplaceObject => "replace_object",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_action_is_that_of_its_json() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.name());
        }
    }
}
