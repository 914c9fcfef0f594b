//! Categories of objects on the page: counts, labels and part of the breakdown.
//!
//! Every counter of the outcome is a category, except the sum and [`Counter::Verified`], which is in the head of the page. A
//! counter that is not listed here uses the description from its table.

use crate::outcome::{Counter as _, Role, Spec};
use crate::reader::Skip;
use crate::render::html::breakdown::{Breakdown, CategoryRow};
use crate::render::html::findings::KindLabels;
use crate::render::html::{numbers, skips};
use crate::replay::{Counter, Outcome};

use ObjectCategory::{Own, Skip as Left};

/// Result of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectCategory {
    /// Counter of the replay.
    Own(Counter),
    /// Skipped by the reader.
    Skip(Skip),
}

/// First categories of the page, in order; others follow in the order of their declaration.
const ORDER: [ObjectCategory; 15] = [
    Own(Counter::Inserted),
    Own(Counter::Identical),
    Own(Counter::Overwritten),
    Own(Counter::Conflicting),
    Own(Counter::Rejected),
    Own(Counter::Archived),
    Own(Counter::Unreadable),
    Own(Counter::NotLoaded),
    Own(Counter::NotFound),
    Own(Counter::Mismatched),
    Left(Skip::Unrecognized),
    Left(Skip::AfterCutoff),
    Left(Skip::FutureDated),
    Own(Counter::ProcessedLater),
    Own(Counter::DataRange),
];

impl ObjectCategory {
    /// Returns all categories, in the order of the page.
    pub(super) fn all() -> Vec<Self> {
        let own = Counter::ALL.iter().map(|counter| Own(*counter));
        let declared = own.chain(Skip::ALL.iter().map(|skip| Left(*skip)));
        let shown = |category: &Self| category.spec().role != Role::Input && *category != Own(Counter::Verified);
        let others = declared.filter(|category| shown(category) && !ORDER.contains(category));
        ORDER.into_iter().chain(others).collect()
    }

    /// Returns the categories of records that are not in the warehouse with the lake's values.
    pub(super) fn missing() -> Vec<Self> {
        Self::all().into_iter().filter(|category| category.is_missing()).collect()
    }

    fn is_missing(self) -> bool {
        match self {
            Own(Counter::NotLoaded) => true,
            Own(counter) => counter.spec().role.is_finding(),
            Left(skip) => skip.hides_a_record(),
        }
    }

    fn spec(self) -> Spec {
        match self {
            Own(counter) => counter.spec(),
            Left(skip) => skip.spec(),
        }
    }

    /// Returns its name, as in problems and anchors.
    pub(super) fn name(self) -> &'static str {
        self.spec().short_name()
    }

    /// Returns the number of its objects.
    pub(super) fn of(self, outcome: &Outcome) -> u64 {
        match self {
            Own(Counter::Conflicting) => outcome.counts.kept(),
            Own(counter) => outcome.counts[counter],
            Left(skip) => outcome.counts[skip],
        }
    }

    /// Returns its part in the breakdown. `None` for a missing key, which was not listed, and for a row read back with
    /// other values, which is also in another part.
    fn part(self) -> Option<(&'static str, &'static str)> {
        let role = self.spec().role;
        if !role.is_part() && self != Own(Counter::Overwritten) {
            return None;
        }
        let name = match self {
            Own(Counter::NotLoaded) => "not loaded",
            Own(Counter::ProcessedLater) => "after the requested time",
            Own(Counter::DataRange) => "outside the data range",
            Left(skip) => skips::part(skip).0,
            Own(_) => self.spec().title,
        };
        let class = match role {
            Role::Part | Role::Detail => "same",
            _ if self.is_missing() => "drift",
            _ => "skipped",
        };
        Some((name, class))
    }

    /// Returns its labels.
    pub(super) fn words(self) -> KindLabels {
        let counter = match self {
            Own(counter) => counter,
            Left(skip) => return skips::words(skip),
        };
        let (title, [one, many], meaning, todo) = words(counter).unwrap_or_else(|| {
            let objects = match self.spec().role {
                _ if self.is_missing() => ["object was not recovered", "objects were not recovered"],
                Role::Part => ["object was recovered", "objects were recovered"],
                Role::Detail => ["object is counted here", "objects are counted here"],
                _ => ["object was skipped", "objects were skipped"],
            };
            let todo = if self.spec().role == Role::Detail { "Nothing." } else { "See the reason for each." };
            (self.spec().title, objects, self.spec().help, todo)
        });
        KindLabels { title, one, many, meaning, todo }
    }

    /// Returns its labels for an outcome: a run that was merged from shards needs other actions than a single one.
    pub(super) fn words_in(self, outcome: &Outcome) -> KindLabels {
        let words = self.words();
        match self {
            Own(counter) if outcome.shards.is_some() => KindLabels { todo: merged_todo(counter, words.todo), ..words },
            _ => words,
        }
    }
}

/// Returns the suggested action for a merged run; `single` is that for a single one.
const fn merged_todo(counter: Counter, single: &'static str) -> &'static str {
    match counter {
        Counter::Conflicting => {
            "Find out who changed it. Shards keep existing rows: a single `ruminate replay --on-conflict overwrite` writes the \
                 lake's values, and an undo file; `ruminate reconcile` shows both side by side."
        }
        Counter::Archived => {
            "Restore them in S3, then replay again with a new plan: existing rows count as identical. To load only those: \
                 `ruminate reconcile --drift FILE`, then `ruminate replay --only FILE`."
        }
        Counter::Unreadable => {
            "See the reason: for access and network problems, replay again with a new plan; a damaged object needs an \
                 earlier version (a single `ruminate replay --as-of`) or the source's file."
        }
        Counter::NotLoaded => "Merge again: run the same command.",
        Counter::Mismatched => {
            "Stop other writers, look for triggers, then replay again with a new plan and `--verify`."
        }
        _ => single,
    }
}

/// Title, singular and plural, meaning, and suggested action.
type Texts = (&'static str, [&'static str; 2], &'static str, &'static str);

/// Returns the texts of counters that have specific texts.
#[allow(clippy::too_many_lines, reason = "a table")]
const fn words(counter: Counter) -> Option<Texts> {
    Some(match counter {
        Counter::Inserted => (
            "Inserted",
            ["record was inserted", "records were inserted"],
            "The row was missing and now exists.",
            "Nothing.",
        ),
        Counter::Identical => (
            "Already present",
            ["row already existed", "rows already existed"],
            "The row existed with the lake's values.",
            "Nothing.",
        ),
        Counter::Overwritten => (
            "Overwritten",
            ["row was overwritten", "rows were overwritten"],
            "The row had other values and has the lake's now, because of `--on-conflict overwrite`.",
            "See the undo file below; `ruminate undo FILE` reverts it.",
        ),
        Counter::Conflicting => (
            "Other values in the warehouse",
            ["row has other values than the lake, and was kept", "rows have other values than the lake, and were kept"],
            "The warehouse had a row with this id and other values; it was not changed.",
            "Find out who changed it. `--on-conflict overwrite` writes the lake's values, and an undo file; `ruminate reconcile` \
                 shows both side by side.",
        ),
        Counter::Rejected => (
            "Rejected",
            ["object was rejected", "objects were rejected"],
            "The object was read and is not a valid record, or a column of the table rejects one of its values.",
            "See the reasons: correct the record at its source and send it again, or widen the column and replay again.",
        ),
        Counter::Archived => (
            "In an archive tier",
            ["object is archived and was not read", "objects are archived and were not read"],
            "The object exists, but in a storage class that must be restored before it can be read.",
            "Restore them in S3, then run the same command again: existing rows count as identical. To load only \
                 those: `ruminate reconcile --drift FILE`, then `ruminate replay --only FILE`.",
        ),
        Counter::Unreadable => (
            "Unreadable",
            ["object could not be read", "objects could not be read"],
            "The object could not be fetched after all retries, or is not JSON.",
            "See the reason: for access and network problems, replay again; a damaged object needs an earlier version \
                 (`--as-of`) or the source's file.",
        ),
        Counter::NotLoaded => (
            "Read and not loaded",
            ["record was read and not loaded", "records were read and not loaded"],
            "The run stopped before these were loaded.",
            "Resume it: the same command with `--resume`.",
        ),
        Counter::NotFound => (
            "Listed but not in the lake",
            ["listed key is not in the lake", "listed keys are not in the lake"],
            "The file given with `--only` names objects that the lake does not have.",
            "Check that the file was made for this lake; an object that was deleted may be in `--as-of`.",
        ),
        Counter::Mismatched => (
            "Mismatched",
            ["row differs from the lake", "rows differ from the lake"],
            "After loading, the row did not hold what was written: something else writes to the table, or a trigger does.",
            "Stop other writers, look for triggers, then replay again with `--verify`.",
        ),
        Counter::ProcessedLater => (
            "After the requested time",
            ["record was processed after the requested time", "records were processed after the requested time"],
            "Processed after `--processed-until`.",
            "Nothing: it was requested.",
        ),
        Counter::DataRange => (
            "Outside the data range",
            ["record is outside the data range", "records are outside the data range"],
            "`data` is outside of `--data-from` and `--data-to`.",
            "Nothing: it was requested.",
        ),
        _ => return None,
    })
}

/// Returns the breakdown of all listed objects; its parts add up.
pub(super) fn breakdown(outcome: &Outcome) -> Breakdown {
    let parts = ObjectCategory::all().into_iter().filter_map(|category| {
        let (name, class) = category.part()?;
        Some((name, class, category.of(outcome)))
    });
    Breakdown::of("Listed", numbers::of(outcome.counts[Counter::Listed], "object", "objects"), parts.collect())
}

/// Returns every category with its count, including 0.
pub(super) fn counts(outcome: &Outcome) -> Vec<CategoryRow> {
    let count = |category: ObjectCategory| {
        let (n, name, words) = (category.of(outcome), category.name(), category.words_in(outcome));
        let has_section = category == Own(Counter::Overwritten) || category.is_missing();
        if has_section { CategoryRow::with_section(n, name, &words) } else { CategoryRow::of(n, name, &words) }
    };
    ObjectCategory::all().into_iter().map(count).collect()
}
