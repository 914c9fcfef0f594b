//! The truth of a history, where one was proved: what had to be there, and what of it is.

use serde::Serialize;

use crate::render::html::account::Account;
use crate::render::html::head::{self, Fact};
use crate::render::html::{numbers, text};
use crate::render::reconcile::Outcome;
use crate::render::reconcile::truth::Truth;

/// The section.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    holds: bool,
    /// What it comes to, in a sentence.
    lead: String,
    accounts: Vec<Account>,
    facts: Vec<Fact>,
    /// What was done to the history, and how often.
    faults: Vec<[String; 2]>,
}

impl Proof {
    /// The section; `None` where no truth was given, or the audit did not come to its end.
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        outcome.truth.as_ref().map(|truth| Self {
            holds: truth.holds,
            lead: lead(truth),
            accounts: accounts(truth),
            facts: facts(truth),
            faults: truth
                .faults
                .iter()
                .map(|(fault, n)| [text::shown(fault, text::NAME), numbers::count(*n)])
                .collect(),
        })
    }
}

/// What the truth comes to.
pub(super) fn lead(truth: &Truth) -> String {
    let (found, expected) = (numbers::count(truth.found), numbers::of(truth.expected, "id", "ids"));
    let mut lead = format!("Of {expected} that the history must have left, {found} are in both stores");
    match (truth.missing, truth.surplus) {
        (0, 0) => lead.push_str(", and nothing is there that must not be"),
        (missing, surplus) => lead.push_str(&format!(
            "; {} missing, {} surplus",
            numbers::of(missing, "is", "are"),
            numbers::of(surplus, "is", "are")
        )),
    }
    if truth.quarantined_missing > 0 {
        let broken = numbers::of(truth.quarantined_missing, "broken message", "broken messages");
        lead.push_str(&format!("; the quarantine lacks {broken}"));
    }
    lead.push('.');
    lead
}

fn accounts(truth: &Truth) -> Vec<Account> {
    let lacking = |lacking: u64| vec![("there", "same", truth.expected - lacking), ("missing", "drift", lacking)];
    let expected = || numbers::of(truth.expected, "id expected", "ids expected");
    let mut accounts = vec![
        Account::of("Lake", expected(), lacking(truth.missing_in_lake)),
        Account::of("Warehouse", expected(), lacking(truth.missing_in_warehouse)),
    ];
    if truth.quarantined_expected > 0 {
        let parts = vec![
            ("there", "same", truth.quarantined_found),
            ("missing", "drift", truth.quarantined_missing),
            ("withheld", "aside", truth.quarantined_withheld),
        ];
        let whole = numbers::of(truth.quarantined_expected, "broken message", "broken messages");
        accounts.push(Account::of("Quarantine", whole, parts));
    }
    accounts
}

fn facts(truth: &Truth) -> Vec<Fact> {
    let some = |n: u64, said: String| if n > 0 { said } else { String::new() };
    let door = match truth.door {
        Some(door) if truth.door_said => door.command().to_owned(),
        Some(_) => format!("{}, as what is there tells", truth.door_in_words()),
        None => String::new(),
    };
    let refused = format!(
        "{} a topic refuses as too large; {} in a store all the same",
        numbers::of(truth.refused, "message", "messages"),
        numbers::of(truth.refused_stored, "is", "are")
    );
    let unknown = format!(
        "{} in a store that no truth file tells of; --from and --to leave other histories out",
        numbers::of(truth.surplus_unknown, "id is", "ids are")
    );
    head::stated(vec![
        Fact::code("Truth", truth.files.join(", ")),
        Fact::said("Lines delivered", numbers::count(truth.lines)),
        Fact::said("Came in through", door),
        Fact::said("Quarantine", truth.of_quarantine()),
        Fact::said("Too large", some(truth.refused, refused)),
        Fact::said("Never delivered", some(truth.never, numbers::of(truth.never, "reading", "readings"))),
        Fact::said("Unknown", some(truth.surplus_unknown, unknown)),
        Fact::said(
            "Other days",
            some(truth.outside, numbers::of(truth.outside, "id, not audited", "ids, not audited")),
        ),
        Fact::said(
            "Corrections",
            some(
                truth.corrections,
                numbers::of(truth.corrections, "second id, as foretold", "second ids, as foretold"),
            ),
        ),
    ])
}
