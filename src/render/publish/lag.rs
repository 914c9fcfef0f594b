//! Text of the lag from topic to warehouse.

use std::fmt;

use super::super::count;
use crate::publish::{Lag, TruthDelivery};

impl fmt::Display for TruthDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} delivered", count(self.arrived), count(self.ids))?;
        let done: Vec<_> = self.missing_by_fault.iter().map(|(fault, n)| format!("{fault} {}", count(*n))).collect();
        if !done.is_empty() {
            write!(f, "; missing by fault: {}", done.join(", "))?;
        }
        match &self.stopped {
            Some(why) => write!(f, "; check incomplete: {why}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (arrived, watched) = (count(self.arrived), count(self.watched));
        write!(f, "{arrived} of {watched} delivered: {}, resolution {:.0} ms", self.lag_ms, self.resolution_ms)?;
        if self.not_watched > 0 {
            write!(f, "; {} not sampled", count(self.not_watched))?;
        }
        Ok(())
    }
}
