//! Items that an audit did not check, with the reasons. They are reported even if there are none.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::outcome::{Counter as _, duration};
use crate::reader::Skip;
use crate::reconcile::Counter;

/// Item that was not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotChecked {
    /// Description of the item.
    pub what: Cow<'static, str>,
    /// Number of items.
    pub count: u64,
    /// Reason why they were not checked; flags between backticks.
    pub why: Cow<'static, str>,
    /// Suggested action; flags between backticks.
    pub todo: Cow<'static, str>,
}

impl Outcome {
    /// Returns everything that can be left unchecked, with its count.
    pub fn unchecked(&self) -> Vec<NotChecked> {
        let of = |what: &'static str, count, why: &'static str, todo: &'static str| NotChecked {
            what: what.into(),
            count,
            why: why.into(),
            todo: todo.into(),
        };
        let mut unchecked = vec![of(
            "Archived objects",
            self[Counter::Archived],
            "They are in an archive tier and cannot be read until they are restored.",
            "Restore them and audit again.",
        )];
        unchecked.extend(self.skips.iter().map(|(skip, n)| {
            let (what, why, todo) = skipped(skip);
            of(what, n, why, todo)
        }));
        unchecked.extend([
            of(
                "Unreadable or invalid objects",
                self[Counter::Unreadable] + self[Counter::Rejected],
                "They cannot be read or are not valid records, so their values could not be compared. Each is a finding.",
                "Fix them as described in their findings.",
            ),
            of(
                "Objects not opened",
                self[Counter::Present],
                "`--quick` asks only whether both sides have an id: no value of these was compared.",
                "Audit without `--quick`.",
            ),
            of(
                "Rows not compared",
                self[Counter::NotCompared],
                "Their object is there, but it is archived, too new, unreadable or invalid.",
                "Fix the object first.",
            ),
        ]);
        unchecked.extend(self.listing.as_ref().map(|listing| NotChecked {
            what: "Objects listed from an inventory".into(),
            count: listing.objects,
            why: format!(
                "The inventory was {} old ({}): what was written or deleted since in days before {} was not seen.",
                duration(listing.age_seconds.max(0) as f64),
                listing.created.format("%F %T UTC"),
                listing.tail_from
            )
            .into(),
            todo: "Audit without `--listing`, or with a newer inventory.".into(),
        }));
        unchecked
    }

    /// Returns statements that an audit of two stores cannot prove, or that this audit's options excluded, one sentence
    /// each.
    pub fn not_proved(&self) -> Vec<String> {
        let mut not = Vec::new();
        if self.parts > 1 {
            not.push(format!(
                "The {} parts were audited one by one: the rows are those of {} moments, not of one.",
                self.parts, self.snapshots
            ));
        } else if self.snapshots > 1 {
            not.push(format!(
                "The warehouse's snapshot was lost: its rows are those of {} moments, not of one.",
                self.snapshots
            ));
        }
        if let Some(why) = self.stopped.as_ref().or(self.halted.as_ref()) {
            not.push(format!("The audit did not come to its end ({why}): what it had not reached was not compared."));
        }
        let options = &self.options;
        if !options.farms.is_empty() || options.from.is_some() || options.to.is_some() {
            not.push("Farms and days outside of the window were not looked at.".to_owned());
        }
        not.push(match &self.truth {
            Some(_) => "What no truth file tells of and neither side has cannot be found missing.".to_owned(),
            None => "What neither side has cannot be found missing; whole days that a farm lacks between others are listed as gaps, and `--truth` proves a history that `generate` made.".to_owned(),
        });
        not.push("A value that is wrong in the same way on both sides agrees.".to_owned());
        not.push("Fields that an object has beside the thirteen columns were not compared: the warehouse has no place for them.".to_owned());
        not
    }
}

/// Returns the description, reason and action for skipped objects. A reason that is not in the table uses its own
/// description.
fn skipped(skip: Skip) -> (&'static str, &'static str, &'static str) {
    let words = SKIPPED.iter().find(|(of, ..)| *of == skip).map(|(_, what, why, todo)| (*what, *why, *todo));
    words.unwrap_or((skip.spec().title, skip.spec().help, "Look at the reason of each."))
}

const SKIPPED: [(Skip, &str, &str, &str); 4] = [
    (
        Skip::Unrecognized,
        "Unrecognized names",
        "Their names are not of this lake, so they were not opened.",
        "Check who put them there.",
    ),
    (
        Skip::AfterCutoff,
        "After the cutoff",
        "They were written after the audit began; their rows may still be on the way.",
        "The next audit judges them.",
    ),
    (
        Skip::FutureDated,
        "Dated in the future",
        "Their time is later than the lake's clock, so nothing tells whether they were written before the audit started.",
        "Give the files today's time (touch), or copy the S3 objects onto themselves, then audit again.",
    ),
    (
        Skip::NotInPart,
        "Not in a part",
        "`--parts only` fetches no object, and no part proves these.",
        "Run `ruminate compact`, or audit without `--parts only`.",
    ),
];
