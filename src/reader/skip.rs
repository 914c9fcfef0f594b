//! Reasons to skip an object, in one table from which outcomes derive counters, explanations and exit codes.
//!
//! A new reason is one line here. How a job handles it follows from its role.

use crate::outcome::{Counter as _, counters};

counters! {
    /// Why a readable object was not read.
    pub enum Skip {
        Unrecognized: "skipped_foreign", "names of others", SkippedFinding, "not a name of this lake";
        AfterCutoff: "skipped_after_fence", "after the cutoff", Skipped, "written after the run started";
        FutureDated: "skipped_future_dated", "dated in the future", SkippedFinding,
            "its time is in the future, so it was left out: the clock that set it was wrong; give the file today's time (`touch`), or copy the S3 object onto itself, then run this again";
    }
}

impl Skip {
    /// Returns the explanation for a skipped object.
    pub fn reason(self) -> &'static str {
        self.spec().help
    }

    /// Returns true if a record may be missing because of it, so that the user must check the object.
    pub fn hides_a_record(self) -> bool {
        self.spec().role.is_finding() && self != Self::Unrecognized
    }
}
