//! Items that an audit did not check, with the reasons. They are reported even if there are none.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::outcome::{Counter as _, duration};
use crate::reader::Skip;
use crate::reconcile::Counter;
use pipeline::record::Column;

/// Item that was not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotChecked {
    /// Description of the item.
    pub item: Cow<'static, str>,
    /// Number of items.
    pub count: u64,
    /// Reason why they were not checked; flags between backticks.
    pub reason: Cow<'static, str>,
    /// Suggested action; flags between backticks.
    pub action: Cow<'static, str>,
}

impl Outcome {
    /// Returns everything that was possibly not checked, with its count.
    pub fn not_checked(&self) -> Vec<NotChecked> {
        let of = |item: &'static str, count, reason: &'static str, action: &'static str| NotChecked {
            item: item.into(),
            count,
            reason: reason.into(),
            action: action.into(),
        };
        let mut items = vec![of(
            "Archived objects",
            self[Counter::Archived],
            "They are in an archive tier and cannot be read until they are restored.",
            "Restore them and audit again.",
        )];
        items.extend(self.skips.iter().map(|(skip, n)| {
            let (item, reason, action) = skipped(skip);
            of(item, n, reason, action)
        }));
        items.extend([
            of(
                "Unreadable or invalid objects",
                self[Counter::Unreadable] + self[Counter::Rejected],
                "They cannot be read or are not valid records, so their values could not be compared. Each is a finding.",
                "Fix them as described in their findings.",
            ),
            of(
                "Ids of objects that a repair has changed",
                self[Counter::FromWarehouse],
                "Their values are those of the warehouse, so their ids of version 8 prove nothing about them.",
                "Nothing, if the repair was intended: the undo file has the values before.",
            ),
            of(
                "Objects not opened",
                self[Counter::Present],
                "`--quick` only checks whether both sides have an id: values were not compared, and ids were not checked against the content.",
                "Audit without `--quick`.",
            ),
            of(
                "Rows not compared",
                self[Counter::NotCompared],
                "Their object exists, but it is archived, too new, unreadable or invalid.",
                "Fix the object first.",
            ),
        ]);
        items.extend(self.listing.as_ref().map(|listing| {
            NotChecked {
                item: "Objects listed from an inventory".into(),
                count: listing.objects,
                reason: format!(
                    "The inventory was {} old ({}): later changes in days before {} were not detected.",
                    duration(listing.age_seconds.max(0) as f64),
                    listing.created.format("%F %T UTC"),
                    listing.tail_from
                )
                .into(),
                action: "Audit without `--listing`, or with a newer inventory.".into(),
            }
        }));
        items
    }

    /// Returns statements that an audit of two stores cannot prove, or that this audit's options excluded, one sentence
    /// each.
    pub fn limitations(&self) -> Vec<String> {
        let mut not = Vec::new();
        if self.parts > 1 {
            not.push(format!(
                "The {} parts were audited separately: their rows are from {} snapshots, not one.",
                self.parts, self.snapshots
            ));
        } else if self.snapshots > 1 && !self.run.shards.is_empty() {
            not.push(format!(
                "Shards lost their warehouse snapshot: rows of one shard are from several snapshots ({} were lost).",
                self.snapshots - 1
            ));
        } else if self.snapshots > 1 {
            not.push(format!(
                "The warehouse snapshot was lost: its rows are from {} snapshots, not one.",
                self.snapshots
            ));
        }
        if let Some(why) = self.stopped.as_ref().or(self.halted.as_ref()) {
            not.push(format!("The audit stopped early ({why}): the rest was not compared."));
        }
        let options = &self.options;
        if !options.farms.is_empty() || options.from.is_some() || options.to.is_some() {
            not.push("Farms and days outside of the window were not audited.".to_owned());
        }
        not.push(match &self.truth {
            Some(_) => "Readings that are in no truth file and missing on both sides cannot be detected.".to_owned(),
            None => "Readings that are missing on both sides cannot be detected. Days on which a farm has no reading, between others, are listed as gaps; `--truth` verifies a history of `ruminate generate`.".to_owned(),
        });
        if self.quick {
            not.push("Ids were not checked against the content of objects that `--quick` did not open.".to_owned());
        }
        not.push("Ids of other versions than 8 prove nothing about the content of their objects.".to_owned());
        not.push("A value that is wrong in the same way on both sides is not detected.".to_owned());
        not.push(format!(
            "Fields of an object other than the {} columns were not compared, because the warehouse does not store them.",
            Column::COUNT
        ));
        not
    }
}

/// Returns the description, reason and action for skipped objects. A reason that is not in the table uses its own
/// description.
fn skipped(skip: Skip) -> (&'static str, &'static str, &'static str) {
    let words = SKIPPED.iter().find(|(of, ..)| *of == skip).map(|(_, item, reason, action)| (*item, *reason, *action));
    words.unwrap_or((skip.spec().title, skip.spec().help, "See the reason for each."))
}

const SKIPPED: [(Skip, &str, &str, &str); 4] = [
    (
        Skip::Unrecognized,
        "Unrecognized names",
        "Their names do not follow the lake's naming, so they were not opened.",
        "Check who put them there.",
    ),
    (
        Skip::AfterCutoff,
        "After the cutoff",
        "They were written after the cutoff; their rows may still be in transit.",
        "The next audit compares them.",
    ),
    (
        Skip::FutureDated,
        "Dated in the future",
        "Their time is later than the lake's clock, so it is unknown whether they were written before the cutoff.",
        "Set the files' time to now (`touch`), or copy the S3 objects onto themselves, then audit again.",
    ),
    (
        Skip::NotInPart,
        "Not in a part",
        "`--parts only` fetches no object, and no part matches these.",
        "Run `ruminate compact`, or audit without `--parts only`.",
    ),
];
