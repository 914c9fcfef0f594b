//! The head of the report: the verdict, what it rests on, and the account of every object and row.

use serde::Serialize;

use super::{numbers, text, words};
use crate::reconcile::Kind;
use crate::report::reconcile::Outcome;
use crate::report::{Exit, Outcome as _, duration};

/// The verdict and its evidence.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    /// `clean`, `found` or `stopped`.
    state: &'static str,
    title: String,
    lead: String,
    /// What was found, a line a kind.
    points: Vec<Point>,
    evidence: Vec<Fact>,
}

/// A number and what it is a number of.
#[derive(Debug, Serialize)]
struct Point {
    count: String,
    phrase: &'static str,
    anchor: &'static str,
}

/// One line of the evidence.
#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    value: String,
    /// Whether it is an address, to be copied.
    code: bool,
}

impl Verdict {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let state = match outcome.exit() {
            Exit::Stopped => "stopped",
            Exit::Clean => "clean",
            _ => "found",
        };
        let points = found(outcome)
            .into_iter()
            .map(|(n, phrase, anchor)| Point { count: numbers::count(n), phrase, anchor })
            .collect();
        Self { state, title: title(outcome), lead: lead(outcome), points, evidence: evidence(outcome) }
    }
}

fn title(outcome: &Outcome) -> String {
    let found = outcome.drift() + outcome.archived + outcome.skipped_foreign;
    let repaired = &outcome.repaired;
    match outcome.exit() {
        Exit::Stopped => "Stopped early".into(),
        Exit::Clean => "Lake and warehouse agree".into(),
        _ if repaired.verified > 0 && !repaired.dry_run => {
            format!("{}, {} repaired", numbers::of(found, "finding", "findings"), numbers::count(repaired.verified))
        }
        _ => numbers::of(found, "finding", "findings"),
    }
}

fn lead(outcome: &Outcome) -> String {
    let records = numbers::of(outcome.lake_records, "record", "records");
    let rows = numbers::of(outcome.warehouse_rows, "row", "rows");
    if let Some(why) = &outcome.stopped {
        let why = text::shown(why, text::VALUE);
        return format!(
            "{why}. {records} of the lake and {rows} of the warehouse had been seen; run it again for a verdict."
        );
    }
    if outcome.lake_objects + outcome.warehouse_rows == 0 {
        return "Both sides are empty here: check the addresses and the window.".into();
    }
    if outcome.lake_objects == outcome.skipped_foreign && outcome.skipped_foreign > 0 {
        return format!(
            "No object has a name of this lake, so {rows} of the warehouse met nothing: is the prefix right?"
        );
    }
    let ids = outcome.matched + outcome.differing + outcome.lake_only + outcome.warehouse_only;
    let matched = if ids == 0 {
        "none could be compared".to_owned()
    } else {
        let same = numbers::of(outcome.matched, "is", "are");
        format!("{same} the same on both sides, {} of those compared", numbers::share(outcome.matched, ids))
    };
    format!("{records} of the lake were held against {rows} of the warehouse, value by value: {matched}.")
}

/// What was found: the number, the phrase and the place on the page.
fn found(outcome: &Outcome) -> Vec<(u64, &'static str, &'static str)> {
    let mut found: Vec<_> = Kind::ALL
        .into_iter()
        .map(|kind| (outcome.of(kind), words::phrase(kind, outcome.of(kind)), kind.name()))
        .collect();
    let one = |n: u64, one, many| if n == 1 { one } else { many };
    let (archived, foreign) = (outcome.archived, outcome.skipped_foreign);
    let phrase = one(archived, "object is archived and was not read", "objects are archived and were not read");
    found.push((archived, phrase, "unchecked"));
    let phrase =
        one(foreign, "object has a name that is not this lake's", "objects have names that are not this lake's");
    found.push((foreign, phrase, "unchecked"));
    found.retain(|(n, ..)| *n > 0);
    found
}

fn evidence(outcome: &Outcome) -> Vec<Fact> {
    let fact = |name, value: String, code| Fact { name, value: text::shown(&value, text::KEY), code };
    let asked = &outcome.asked;
    let rule = format!("consumo_meta = peso_medio × {}", asked.meta_rate);
    let exit = outcome.exit();
    let meaning = match exit {
        Exit::Clean => "clean",
        Exit::Found => "findings",
        Exit::CouldNotRun => "could not run",
        Exit::Stopped => "stopped early",
    };
    let mut facts = vec![
        fact("Lake", outcome.lake.clone(), true),
        fact("Warehouse", outcome.warehouse.clone(), true),
        fact("Server", outcome.server.clone(), false),
        fact("Window", window(outcome), false),
        fact("Fence", fence(outcome), false),
        fact("Rule", if asked.meta_rate > 0.0 { rule } else { String::new() }, false),
        fact("Time taken", duration(outcome.seconds), false),
        fact(
            "Program",
            format!("ruminate {}, exit code {} ({meaning})", env!("CARGO_PKG_VERSION"), exit.code()),
            false,
        ),
    ];
    facts.retain(|fact| !fact.value.is_empty());
    facts
}

fn window(outcome: &Outcome) -> String {
    let asked = &outcome.asked;
    let days = match (asked.from, asked.to) {
        (None, None) => "all days".to_owned(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(to)) => format!("up to {to}"),
        (Some(from), Some(to)) if from == to => from.to_string(),
        (Some(from), Some(to)) => format!("{from} to {to}"),
    };
    let farms = if asked.farms.is_empty() { "all farms".to_owned() } else { asked.farms.join(", ") };
    let column = if outcome.window_column.is_empty() { "" } else { ", by " };
    format!("{farms}, {days}{column}{}", outcome.window_column)
}

fn fence(outcome: &Outcome) -> String {
    outcome.fence.map_or_else(String::new, |at| {
        format!(
            "{} UTC, the lake's clock as the audit began; later objects were left aside",
            at.format("%Y-%m-%d %H:%M:%S")
        )
    })
}

/// A line of the table of verdicts.
#[derive(Debug, Serialize)]
pub(super) struct Count {
    name: &'static str,
    anchor: &'static str,
    title: &'static str,
    count: String,
    any: bool,
    meaning: &'static str,
    todo: &'static str,
}

/// Every verdict with its count, whether it occurred or not.
pub(super) fn counts(outcome: &Outcome) -> Vec<Count> {
    let mut counts = vec![Count {
        name: "matched",
        anchor: "",
        title: "The same on both sides",
        count: numbers::count(outcome.matched),
        any: outcome.matched > 0,
        meaning: "Every field agrees at the precision of the column that holds it.",
        todo: "Nothing.",
    }];
    counts.extend(Kind::ALL.into_iter().map(|kind| {
        let (n, words) = (outcome.of(kind), words::of(kind));
        Count {
            name: kind.name(),
            anchor: if n > 0 { kind.name() } else { "" },
            title: words.title,
            count: numbers::count(n),
            any: n > 0,
            meaning: words.meaning,
            todo: words.todo,
        }
    }));
    counts
}

/// The account of one side: what there was, and what became of each.
#[derive(Debug, Serialize)]
pub(super) struct Account {
    side: &'static str,
    whole: String,
    parts: Vec<Part>,
}

/// A share of a side.
#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    /// `same`, `drift` or `aside`.
    class: &'static str,
    n: u64,
    count: String,
}

/// Both sides accounted for; empty where the audit stopped early and the sums need not hold.
pub(super) fn accounts(outcome: &Outcome) -> Vec<Account> {
    if outcome.stopped.is_some() {
        return Vec::new();
    }
    let part = |(name, class, n)| Part { name, class, n, count: numbers::count(n) };
    let account = |side, whole: String, parts: Vec<(&'static str, &'static str, u64)>| Account {
        side,
        whole,
        parts: parts.into_iter().filter(|(.., n)| *n > 0).map(part).collect(),
    };
    let o = outcome;
    let lake = vec![
        ("matched", "same", o.matched),
        ("differing", "drift", o.differing),
        ("only here", "drift", o.lake_only),
        ("duplicate", "drift", o.duplicate_objects),
        ("unreadable", "drift", o.unreadable),
        ("invalid", "drift", o.rejected),
        ("archived", "aside", o.archived),
        ("foreign", "aside", o.skipped_foreign),
        ("too new", "aside", o.skipped_after_fence),
    ];
    let warehouse = vec![
        ("matched", "same", o.matched),
        ("differing", "drift", o.differing),
        ("only here", "drift", o.warehouse_only),
        ("not judged", "aside", o.unjudged),
    ];
    vec![
        account("Lake", numbers::of(o.lake_objects, "object", "objects"), lake),
        account("Warehouse", numbers::of(o.warehouse_rows, "row", "rows"), warehouse),
    ]
}
