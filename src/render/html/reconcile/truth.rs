//! Result of the truth check: expected items, and those that were found.

use serde::Serialize;

use crate::reconcile::{Outcome, TruthCounter, TruthResult};
use crate::render::html::breakdown::Breakdown;
use crate::render::html::headline::{self, Fact};
use crate::render::html::{numbers, sanitize};

/// Section of the truth check.
#[derive(Debug, Serialize)]
pub(super) struct TruthSection {
    passed: bool,
    /// Result in one sentence.
    lead: String,
    breakdowns: Vec<Breakdown>,
    facts: Vec<Fact>,
    /// Faults applied to the history, and their number.
    faults: Vec<[String; 2]>,
}

impl TruthSection {
    /// Returns the section. `None` without a truth, or if the audit did not complete.
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        outcome.truth.as_ref().map(|truth| Self {
            passed: truth.passed,
            lead: lead(truth),
            breakdowns: breakdowns(truth),
            facts: facts(truth),
            faults: truth
                .faults
                .iter()
                .map(|(fault, n)| [sanitize::shown(fault, sanitize::NAME), numbers::count(*n)])
                .collect(),
        })
    }
}

/// Returns the result of the truth check as a sentence.
pub(super) fn lead(truth: &TruthResult) -> String {
    let (found, expected) =
        (numbers::count(truth[TruthCounter::Found]), numbers::of(truth[TruthCounter::Expected], "id", "ids"));
    let mut lead = format!("Of {expected} that the history must store, {found} are in both stores");
    match (truth[TruthCounter::Missing], truth[TruthCounter::Unexpected]) {
        (0, 0) => lead.push_str(", and none is unexpected"),
        (missing, unexpected) => lead.push_str(&format!(
            "; {} missing, {} unexpected",
            numbers::of(missing, "is", "are"),
            numbers::of(unexpected, "is", "are")
        )),
    }
    if truth[TruthCounter::QuarantinedMissing] > 0 {
        let broken = numbers::of(truth[TruthCounter::QuarantinedMissing], "malformed message", "malformed messages");
        lead.push_str(&format!("; the quarantine lacks {broken}"));
    }
    lead.push('.');
    lead
}

fn breakdowns(truth: &TruthResult) -> Vec<Breakdown> {
    let lacking =
        |lacking: u64| vec![("found", "same", truth[TruthCounter::Expected] - lacking), ("missing", "drift", lacking)];
    let expected = || numbers::of(truth[TruthCounter::Expected], "id expected", "ids expected");
    let mut breakdowns = vec![
        Breakdown::of("Lake", expected(), lacking(truth[TruthCounter::MissingInLake])),
        Breakdown::of("Warehouse", expected(), lacking(truth[TruthCounter::MissingInWarehouse])),
    ];
    if truth[TruthCounter::QuarantinedExpected] > 0 {
        let parts = vec![
            ("found", "same", truth[TruthCounter::QuarantinedFound]),
            ("missing", "drift", truth[TruthCounter::QuarantinedMissing]),
            ("withheld", "skipped", truth[TruthCounter::QuarantinedWithheld]),
        ];
        let whole = numbers::of(truth[TruthCounter::QuarantinedExpected], "malformed message", "malformed messages");
        breakdowns.push(Breakdown::of("Quarantine", whole, parts));
    }
    breakdowns
}

fn facts(truth: &TruthResult) -> Vec<Fact> {
    let some = |n: u64, message: String| if n > 0 { message } else { String::new() };
    let ingest_path = match truth.ingest_path {
        Some(ingest_path) if truth.ingest_path_given => ingest_path.as_command().to_owned(),
        Some(_) => format!("{} (inferred)", truth.ingest_path_text()),
        None => String::new(),
    };
    let refused = format!(
        "{} too large for a topic; {} in a store anyway",
        numbers::of(truth[TruthCounter::Oversized], "message", "messages"),
        numbers::of(truth[TruthCounter::OversizedStored], "is", "are")
    );
    let unknown = format!(
        "{} in a store but in no truth file; narrow --from and --to to this history",
        numbers::of(truth[TruthCounter::UnexpectedUnlisted], "id is", "ids are")
    );
    headline::stated(vec![
        Fact::code("Truth", truth.files.join(", ")),
        Fact::text("Lines delivered", numbers::count(truth[TruthCounter::Lines])),
        Fact::text("Ingest path", ingest_path),
        Fact::text("Quarantine", truth.quarantine_text()),
        Fact::text("Too large", some(truth[TruthCounter::Oversized], refused)),
        Fact::text(
            "Never delivered",
            some(
                truth[TruthCounter::Undelivered],
                numbers::of(truth[TruthCounter::Undelivered], "reading", "readings"),
            ),
        ),
        Fact::text("Unknown", some(truth[TruthCounter::UnexpectedUnlisted], unknown)),
        Fact::text(
            "Other days",
            some(
                truth[TruthCounter::OutOfWindow],
                numbers::of(truth[TruthCounter::OutOfWindow], "id, not audited", "ids, not audited"),
            ),
        ),
        Fact::text(
            "Corrections",
            some(
                truth[TruthCounter::Corrections],
                numbers::of(truth[TruthCounter::Corrections], "second id, as expected", "second ids, as expected"),
            ),
        ),
    ])
}
