//! Location of a finding in a truth file.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Location in a truth file: the line of the history, and the fault that was applied to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthLocation {
    /// File of the line. `None` if it was not delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Number of the line, from 1; 0 if there is none.
    #[serde(default)]
    pub line: u64,
    /// Name of the fault. `None` without a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Kind of the fault, if it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl fmt::Display for TruthLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}:{}", self.line)?,
            None => f.write_str("never delivered")?,
        }
        match (&self.fault, &self.kind) {
            (Some(fault), Some(kind)) => write!(f, " ({fault}: {kind})"),
            (Some(fault), None) => write!(f, " ({fault})"),
            (None, _) => Ok(()),
        }
    }
}
