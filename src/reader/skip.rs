//! Reasons to skip an object, in one table from which outcomes derive counters, explanations and exit codes.
//!
//! A new reason is one line here, and the place in the reader that reports it. Replay and reconcile count it, name it in their
//! text, JSON and HTML, and report its objects by its role.

use crate::outcome::{Counter as _, counters};

counters! {
    /// Reason why a readable object was not read.
    pub enum Skip {
        Unrecognized: "skipped_unrecognized", "unrecognized names", SkippedFinding, "its name does not follow the lake's naming";
        FolderMarker: "skipped_folder_markers", "folder markers", Skipped,
            "an empty object that marks a folder, or a file that an operating system puts into folders (`.DS_Store`)";
        AfterCutoff: "skipped_after_cutoff", "after the cutoff", Skipped, "written after the cutoff";
        FutureDated: "skipped_future_dated", "dated in the future", SkippedFinding,
            "its time is in the future, so it was skipped: the clock that set it was wrong; set the file's time to now (`touch`), or copy the S3 object onto itself, then run this again";
        NotInPart: "skipped_not_in_part", "not in a part", SkippedFinding,
            "no part matches it, and `--parts only` fetches no object: run `ruminate compact`, or omit `--parts only`";
    }
}

impl Skip {
    /// Returns the explanation for a skipped object.
    pub fn reason(self) -> &'static str {
        self.spec().help
    }

    /// Returns true if the object may be one of this lake.
    pub fn may_be_of_this_lake(self) -> bool {
        !matches!(self, Self::Unrecognized | Self::FolderMarker)
    }

    /// Returns true if a record may be missing because of it: an object of this lake must be checked.
    pub fn hides_a_record(self) -> bool {
        self.spec().role.is_finding() && self.may_be_of_this_lake()
    }
}
