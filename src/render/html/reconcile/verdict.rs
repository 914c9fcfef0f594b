//! The head of the report: the verdict, what it rests on, and the account of every object and row.

use super::{truth, words};
use crate::outcome::{Exit, Outcome as _};
use crate::reconcile::Kind;
use crate::render::duration;
use crate::render::html::account::{Account, Count};
use crate::render::html::head::{self, Fact, Point, Verdict};
use crate::render::html::{numbers, text};
use crate::render::reconcile::Outcome;

pub(super) fn of(outcome: &Outcome) -> Verdict {
    Verdict {
        state: head::state(outcome.exit()),
        title: title(outcome),
        lead: lead(outcome),
        points: Point::list(found(outcome)),
        evidence: evidence(outcome),
    }
}

fn title(outcome: &Outcome) -> String {
    let found = outcome.drift() + outcome.archived + outcome.skipped_foreign;
    let repaired = &outcome.repaired;
    match outcome.exit() {
        Exit::Stopped => "Stopped early".into(),
        Exit::Clean if outcome.is_clean() && outcome.present > 0 => "Both sides have the same ids".into(),
        Exit::Clean if outcome.is_clean() && outcome.truth.is_some() => "The history is proved".into(),
        Exit::Clean if outcome.is_clean() => "Lake and warehouse agree".into(),
        Exit::Clean => format!("{}, let pass", numbers::of(found, "finding", "findings")),
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
    if let Some(why) = &outcome.halted {
        return format!("Ended {why}. {records} of the lake and {rows} of the warehouse had been seen.");
    }
    if outcome.lake_objects + outcome.warehouse_rows == 0 {
        return "Both sides are empty here: check the addresses and the window.".into();
    }
    if outcome.lake_objects == outcome.skipped_foreign && outcome.skipped_foreign > 0 {
        return format!(
            "No object has a name of this lake, so {rows} of the warehouse met nothing: is the prefix right?"
        );
    }
    let proved = outcome.truth.as_ref().map(|truth| format!(" {}", truth::lead(truth))).unwrap_or_default();
    let ids = outcome.matched + outcome.differing + outcome.lake_only + outcome.warehouse_only;
    if outcome.quick {
        let present = numbers::of(outcome.present, "id is", "ids are");
        return format!(
            "{records} of the lake were held against {rows} of the warehouse by their ids alone: {present} on both sides, and their values were not compared.{proved}"
        );
    }
    let matched = if ids == 0 {
        "none could be compared".to_owned()
    } else {
        let same = numbers::of(outcome.matched, "is", "are");
        format!("{same} the same on both sides, {} of those compared", numbers::share(outcome.matched, ids))
    };
    let mut lead =
        format!("{records} of the lake were held against {rows} of the warehouse, value by value: {matched}.{proved}");
    if let Some(said) = outcome.by_budget() {
        lead.push_str(&format!(" What was found is {said}."));
    }
    if let Some(since) = &outcome.since {
        let [new, persisting, resolved] = [since.new, since.persisting, since.resolved].map(numbers::count);
        let baseline = text::shown(&since.baseline, text::KEY);
        lead.push_str(&format!(" Since {baseline}: {new} new, {persisting} persisting, {resolved} resolved."));
    }
    lead
}

/// What was found: the number, the phrase and the place on the page.
fn found(outcome: &Outcome) -> Vec<(u64, &'static str, &'static str)> {
    let mut found: Vec<_> = Kind::ALL
        .into_iter()
        .map(|kind| (outcome.of(kind), words::of(kind).phrase(outcome.of(kind)), kind.name()))
        .collect();
    let one = |n: u64, one, many| if n == 1 { one } else { many };
    let (archived, foreign) = (outcome.archived, outcome.skipped_foreign);
    let phrase = one(archived, "object is archived and was not read", "objects are archived and were not read");
    found.push((archived, phrase, "unchecked"));
    let phrase =
        one(foreign, "object has a name that is not this lake's", "objects have names that are not this lake's");
    found.push((foreign, phrase, "unchecked"));
    found
}

fn evidence(outcome: &Outcome) -> Vec<Fact> {
    let asked = &outcome.asked;
    let rule = format!("consumo_meta = peso_medio × {}", asked.meta_rate);
    let column = if outcome.window_column.is_empty() { "" } else { ", by " };
    let window = head::window(&asked.farms, asked.from, asked.to);
    let fence = outcome.fence.map_or_else(String::new, |at| {
        format!("{}, the lake's clock as the audit began; later objects were left aside", head::instant(at))
    });
    head::stated(vec![
        Fact::code("Lake", &outcome.lake),
        Fact::code("Warehouse", &outcome.warehouse),
        Fact::said("Server", &outcome.server),
        Fact::said("Window", format!("{window}{column}{}", outcome.window_column)),
        Fact::said("Fence", fence),
        Fact::code("Run", &outcome.run.id),
        Fact::said("Rule", if asked.meta_rate > 0.0 { rule } else { String::new() }),
        Fact::said("Time taken", duration(outcome.seconds)),
        Fact::program(outcome.exit(), "findings"),
    ])
}

/// Every verdict with its count, whether it occurred or not.
pub(super) fn counts(outcome: &Outcome) -> Vec<Count> {
    let mut counts = vec![Count::of(outcome.matched, "matched", &words::MATCHED)];
    let of = |kind: Kind| Count::with_section(outcome.of(kind), kind.name(), &words::of(kind));
    let asked = |kind: &Kind| !kind.is_of_truth() || outcome.truth.is_some();
    counts.extend(Kind::ALL.into_iter().filter(asked).map(of));
    counts
}

/// Both sides accounted for; empty where the audit stopped early and the sums need not hold.
pub(super) fn accounts(outcome: &Outcome) -> Vec<Account> {
    if outcome.stopped.is_some() {
        return Vec::new();
    }
    let o = outcome;
    let lake = vec![
        ("matched", "same", o.matched),
        ("not opened", "aside", o.present),
        ("differing", "drift", o.differing),
        ("only here", "drift", o.lake_only),
        ("duplicate", "drift", o.duplicate_objects),
        ("unreadable", "drift", o.unreadable),
        ("invalid", "drift", o.rejected),
        ("archived", "aside", o.archived),
        ("foreign", "aside", o.skipped_foreign),
        ("after the cutoff", "aside", o.skipped_after_fence),
        ("dated in the future", "drift", o.skipped_future_dated),
    ];
    let warehouse = vec![
        ("matched", "same", o.matched),
        ("not opened", "aside", o.present),
        ("differing", "drift", o.differing),
        ("only here", "drift", o.warehouse_only),
        ("not judged", "aside", o.unjudged),
    ];
    vec![
        Account::of("Lake", numbers::of(o.lake_objects, "object", "objects"), lake),
        Account::of("Warehouse", numbers::of(o.warehouse_rows, "row", "rows"), warehouse),
    ]
}
