//! What can become of an object: its count, its words, and its part of the account.

use crate::render::html::account::{Account, Count};
use crate::render::html::findings::Words;
use crate::render::html::numbers;
use crate::render::replay::Outcome;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Inserted,
    Identical,
    Overwritten,
    Conflicting,
    Rejected,
    Archived,
    Unreadable,
    Pending,
    NotFound,
    Unverified,
    Foreign,
    AfterFence,
    FutureDated,
    Until,
    Data,
}

impl Fate {
    /// All, in the order of the page.
    pub(super) const ALL: [Self; 15] = [
        Self::Inserted,
        Self::Identical,
        Self::Overwritten,
        Self::Conflicting,
        Self::Rejected,
        Self::Archived,
        Self::Unreadable,
        Self::Pending,
        Self::NotFound,
        Self::Unverified,
        Self::Foreign,
        Self::AfterFence,
        Self::FutureDated,
        Self::Until,
        Self::Data,
    ];
    /// Those on account of which a record is not in the warehouse as the lake has it.
    pub(super) const MISSING: [Self; 8] = [
        Self::Conflicting,
        Self::Rejected,
        Self::Archived,
        Self::Unreadable,
        Self::Pending,
        Self::NotFound,
        Self::Unverified,
        Self::FutureDated,
    ];

    /// Its name, as problems and anchors have it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Identical => "identical",
            Self::Overwritten => "overwritten",
            Self::Conflicting => "conflicting",
            Self::Rejected => "rejected",
            Self::Archived => "archived",
            Self::Unreadable => "unreadable",
            Self::Pending => "pending",
            Self::NotFound => "not_found",
            Self::Unverified => "unverified",
            Self::Foreign => "foreign",
            Self::AfterFence => "after_fence",
            Self::FutureDated => "future_dated",
            Self::Until => "until",
            Self::Data => "data",
        }
    }

    /// How many had it.
    pub(super) const fn of(self, outcome: &Outcome) -> u64 {
        match self {
            Self::Inserted => outcome.inserted,
            Self::Identical => outcome.identical,
            Self::Overwritten => outcome.overwritten,
            Self::Conflicting => outcome.conflicting.saturating_sub(outcome.overwritten),
            Self::Rejected => outcome.rejected,
            Self::Archived => outcome.archived,
            Self::Unreadable => outcome.unreadable,
            Self::Pending => outcome.skipped_pending,
            Self::NotFound => outcome.not_found,
            Self::Unverified => outcome.unverified,
            Self::Foreign => outcome.skipped_foreign,
            Self::AfterFence => outcome.skipped_after_fence,
            Self::FutureDated => outcome.skipped_future_dated,
            Self::Until => outcome.skipped_until,
            Self::Data => outcome.skipped_data,
        }
    }

    /// Its part of the account, if it is one: a key that is not there was not listed, and a row read back wrong has its
    /// other fate too.
    const fn part(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Inserted => ("inserted", "same"),
            Self::Identical => ("identical", "same"),
            Self::Overwritten => ("overwritten", "same"),
            Self::Conflicting => ("conflicting", "drift"),
            Self::Rejected => ("rejected", "drift"),
            Self::Archived => ("archived", "drift"),
            Self::Unreadable => ("unreadable", "drift"),
            Self::Pending => ("pending", "drift"),
            Self::Foreign => ("foreign", "aside"),
            Self::AfterFence => ("after the cutoff", "aside"),
            Self::FutureDated => ("dated in the future", "drift"),
            Self::Until => ("after the time asked for", "aside"),
            Self::Data => ("outside of the dates asked for", "aside"),
            Self::NotFound | Self::Unverified => return None,
        })
    }

    /// Its words.
    pub(super) const fn words(self) -> Words {
        let (title, [one, many], meaning, todo) = match self {
            Self::Inserted => (
                "Inserted",
                ["record was inserted", "records were inserted"],
                "The row was missing and is there now.",
                "Nothing.",
            ),
            Self::Identical => (
                "Already there",
                ["row was there already", "rows were there already"],
                "The row was there with the lake's values.",
                "Nothing.",
            ),
            Self::Overwritten => (
                "Overwritten",
                ["row was overwritten", "rows were overwritten"],
                "The row had other values and has the lake's now, as `--on-conflict overwrite` asks.",
                "Look at what was replaced, below; `ruminate replay --undo FILE` puts the former values back.",
            ),
            Self::Conflicting => (
                "Other values in the warehouse",
                [
                    "row has other values than the lake, and was kept",
                    "rows have other values than the lake, and were kept",
                ],
                "The warehouse had a row of this id with other values; it was left as it is.",
                "Find out who changed it. To take the lake's values: `--on-conflict overwrite`, which writes an undo file; to see \
                 it all side by side: `ruminate reconcile`.",
            ),
            Self::Rejected => (
                "Rejected",
                ["object was rejected", "objects were rejected"],
                "The object was read and holds no valid record, or a column of the table refuses one of its values.",
                "Look at each reason: correct the record at its source and send it again, or widen the column and replay again.",
            ),
            Self::Archived => (
                "In an archive tier",
                ["object is archived and was not read", "objects are archived and were not read"],
                "The object is there, but in a storage class that must be restored before it can be read.",
                "Restore them in S3, then run the same command again: rows that are there are met as identical. To load only \
                 those: `ruminate reconcile --drift FILE`, then `ruminate replay --only FILE`.",
            ),
            Self::Unreadable => (
                "Unreadable",
                ["object could not be read", "objects could not be read"],
                "The object could not be fetched after all retries, or is not JSON.",
                "Look at the reason: access and network pass, so replay again; a damaged object needs an older version of it \
                 (`--versions-at`) or the source's file.",
            ),
            Self::Pending => (
                "Read and not loaded",
                ["record was read and not loaded", "records were read and not loaded"],
                "The run stopped before these were loaded.",
                "Go on where it stopped: the same command with `--resume`.",
            ),
            Self::NotFound => (
                "Named but not in the lake",
                ["key that was asked for is not in the lake", "keys that were asked for are not in the lake"],
                "The file given with `--only` names objects that the lake does not have.",
                "Check that the file was made for this lake; an object that was deleted may be in `--versions-at`.",
            ),
            Self::Unverified => (
                "Read back wrong",
                ["row was read back wrong", "rows were read back wrong"],
                "After loading, the row did not hold what was written: something else writes to the table, or a trigger does.",
                "Stop other writers, look for triggers, then replay again with `--verify`.",
            ),
            Self::Foreign => (
                "Foreign names",
                ["object has a name that is not this lake's", "objects have names that are not this lake's"],
                "The name is not of this lake, so the object was not opened.",
                "Check the prefix, and who put them there.",
            ),
            Self::AfterFence => (
                "Too new",
                ["object came after the run began", "objects came after the run began"],
                "Written after the run began; the pipeline itself takes care of these.",
                "Nothing, if the Lambda runs; else replay again.",
            ),
            Self::FutureDated => (
                "Dated in the future",
                ["object is dated in the future", "objects are dated in the future"],
                "The object's time is later than the lake's clock, so nothing tells when it was written. It was left out.",
                "The clock that set its time was wrong. Give the file today's time (`touch`), or copy the S3 object onto \
                 itself; then replay again.",
            ),
            Self::Until => (
                "After the time asked for",
                ["record was processed after the time asked for", "records were processed after the time asked for"],
                "Processed after `--until`.",
                "Nothing: it was asked for.",
            ),
            Self::Data => (
                "Outside of the dates asked for",
                ["record is outside of the dates asked for", "records are outside of the dates asked for"],
                "`data` lies outside of `--data-from` and `--data-to`.",
                "Nothing: it was asked for.",
            ),
        };
        Words { title, one, many, meaning, todo }
    }
}

/// Every listed object, in parts that add up.
pub(super) fn account(outcome: &Outcome) -> Account {
    let parts = Fate::ALL.into_iter().filter_map(|fate| {
        let (name, class) = fate.part()?;
        Some((name, class, fate.of(outcome)))
    });
    Account::of("Listed", numbers::of(outcome.listed, "object", "objects"), parts.collect())
}

/// Every fate with its count, whether it occurred or not.
pub(super) fn counts(outcome: &Outcome) -> Vec<Count> {
    let count = |fate: Fate| {
        let (n, words) = (fate.of(outcome), fate.words());
        let has_section = fate == Fate::Overwritten || Fate::MISSING.contains(&fate);
        if has_section { Count::with_section(n, fate.name(), &words) } else { Count::of(n, fate.name(), &words) }
    };
    Fate::ALL.into_iter().map(count).collect()
}
