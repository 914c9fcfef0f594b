//! Text of `init`.

use std::fmt;

use crate::init::Outcome;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in &self.created {
            writeln!(f, "created {what}")?;
        }
        if self.created.is_empty() {
            writeln!(f, "{}: schema is up to date", self.warehouse)?;
        }
        Ok(())
    }
}
