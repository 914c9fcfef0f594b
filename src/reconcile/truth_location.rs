//! Where a truth file has what a finding is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a truth file has something: the line of the history, and the fault that was applied to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthLocation {
    /// The file of the line; `None` if it was delivered nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1; 0 if there is none.
    #[serde(default)]
    pub line: u64,
    /// The name of the fault, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Which of the fault's kinds, if it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl fmt::Display for TruthLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}:{}", self.line)?,
            None => f.write_str("delivered nowhere")?,
        }
        match (&self.fault, &self.kind) {
            (Some(fault), Some(kind)) => write!(f, " ({fault}: {kind})"),
            (Some(fault), None) => write!(f, " ({fault})"),
            (None, _) => Ok(()),
        }
    }
}
