//! Head of the report: the verdict, its facts, and the breakdown of all objects and rows.

use super::{labels, truth};
use crate::outcome::{CommandOutcome as _, Counter as _, Exit};
use crate::reader::Skip;
use crate::reconcile::Outcome;
use crate::reconcile::{Counter, DriftKind, RepairCounter, Side};
use crate::render::html::breakdown::{Breakdown, CategoryRow};
use crate::render::html::headline::{self, Fact, Headline, Highlight};
use crate::render::html::{numbers, sanitize, skips};
use crate::render::reconcile::{budget_verdict, found_text};
use crate::render::took;

pub(super) fn of(outcome: &Outcome) -> Headline {
    Headline {
        state: headline::state(outcome.exit()),
        title: title(outcome),
        lead: lead(outcome),
        points: Highlight::list(found(outcome)),
        evidence: evidence(outcome),
    }
}

fn title(outcome: &Outcome) -> String {
    let found = sanitize::sentence(&found_text(outcome));
    let repaired = &outcome.repaired;
    match outcome.exit() {
        Exit::Stopped => "Stopped early".into(),
        Exit::Clean if outcome.is_clean() && outcome[Counter::Present] > 0 => "Both sides have the same ids".into(),
        Exit::Clean if outcome.is_clean() && outcome.truth.is_some() => "Ground truth verified".into(),
        Exit::Clean if outcome.is_clean() => "Lake and warehouse agree".into(),
        Exit::Clean => format!("{found}, within budget"),
        _ if repaired[RepairCounter::Verified] > 0 && !repaired.dry_run => {
            let failed = match repaired[RepairCounter::Failed] {
                0 => String::new(),
                n => format!(", {} failed", numbers::count(n)),
            };
            format!("{found}, {} repaired{failed}", numbers::count(repaired[RepairCounter::Verified]))
        }
        _ => found,
    }
}

fn lead(outcome: &Outcome) -> String {
    let records = numbers::of(outcome[Counter::LakeRecords], "record", "records");
    let rows = numbers::of(outcome[Counter::WarehouseRows], "row", "rows");
    if let Some(why) = &outcome.stopped {
        let why = sanitize::shown(why, sanitize::VALUE);
        let (done, again) = match outcome.run.shards.is_empty() {
            true => ("had been read", "run it again"),
            false => ("had been compared by the shards or joined", "merge again"),
        };
        return format!(
            "{}. {records} of the lake and {rows} of the warehouse {done}; {again} for a verdict.",
            sanitize::sentence(&why)
        );
    }
    if let Some(why) = &outcome.halted {
        return format!("Ended {why}. {records} of the lake and {rows} of the warehouse had been read.");
    }
    if outcome[Counter::LakeObjects] + outcome[Counter::WarehouseRows] == 0 {
        return "Both sides are empty here: check the addresses and the window.".into();
    }
    let unrecognized = outcome[Skip::Unrecognized];
    if unrecognized > 0 && outcome[Counter::LakeObjects] == unrecognized + outcome[Skip::FolderMarker] {
        return format!(
            "No object has a recognized name, so {rows} of the warehouse matched nothing: check the prefix."
        );
    }
    let proved = outcome.truth.as_ref().map(|truth| format!(" {}", truth::lead(truth))).unwrap_or_default();
    let ids = outcome[Counter::Matched]
        + Counter::found_on_both_sides().map(|counter| outcome[counter]).sum::<u64>()
        + outcome[Counter::LakeOnly]
        + outcome[Counter::WarehouseOnly];
    if outcome.quick {
        let present = numbers::of(outcome[Counter::Present], "id is", "ids are");
        return format!(
            "{records} of the lake were compared with {rows} of the warehouse by their ids alone: {present} on both sides, and their values were not compared.{proved}"
        );
    }
    let matched = if ids == 0 {
        "none could be compared".to_owned()
    } else {
        let same = numbers::of(outcome[Counter::Matched], "is", "are");
        format!("{same} the same on both sides, {} of those compared", numbers::share(outcome[Counter::Matched], ids))
    };
    let mut lead =
        format!("{records} of the lake were compared with {rows} of the warehouse, value by value: {matched}.{proved}");
    if let Some(message) = budget_verdict(outcome) {
        lead.push_str(&format!(" {}.", sanitize::sentence(&message)));
    }
    if let Some(since) = &outcome.since_baseline {
        let [new, persisting, resolved] = [since.new, since.persisting, since.resolved].map(numbers::count);
        let baseline = sanitize::shown(&since.baseline, sanitize::KEY);
        lead.push_str(&format!(" Since {baseline}: {new} new, {persisting} persisting, {resolved} resolved."));
    }
    lead
}

/// Returns the findings and the objects not read: the number, the phrase and the anchor on the page.
fn found(outcome: &Outcome) -> Vec<(u64, &'static str, &'static str)> {
    let mut found: Vec<_> = DriftKind::ALL
        .into_iter()
        .map(|kind| (outcome.of(kind), labels::of(kind).phrase(outcome.of(kind)), kind.name()))
        .collect();
    let archived = outcome[Counter::Archived];
    let phrase = match archived {
        1 => "object is archived and was not read",
        _ => "objects are archived and were not read",
    };
    found.push((archived, phrase, "not-checked"));
    let skips = outcome.skips.iter().filter(|(skip, _)| skip.spec().role.is_finding());
    found.extend(skips.map(|(skip, n)| (n, skips::words(skip).phrase(n), "not-checked")));
    found
}

fn evidence(outcome: &Outcome) -> Vec<Fact> {
    let options = &outcome.options;
    let rule = format!("consumo_meta = peso_medio × {}", options.meta_rate);
    let column = if outcome.window_column.is_empty() { "" } else { ", by " };
    let window = headline::window(&options.farms, options.from, options.to);
    let began = if outcome.run.shards.is_empty() { "started" } else { "was planned" };
    let cutoff = outcome.cutoff.map_or_else(String::new, |at| {
        format!("{}, the lake's clock when the audit {began}; later objects were skipped", headline::instant(at))
    });
    headline::stated(vec![
        Fact::code("Lake", &outcome.lake),
        Fact::code("Endpoint", outcome.lake_endpoint.as_deref().unwrap_or_default()),
        Fact::code("Warehouse", &outcome.warehouse),
        Fact::text("Server", &outcome.server),
        Fact::text("Window", format!("{window}{column}{}", outcome.window_column)),
        Fact::text("Cutoff", cutoff),
        Fact::code("Run", &outcome.run.id),
        Fact::text("Rule", if options.meta_rate > 0.0 { rule } else { String::new() }),
        Fact::text("Time taken", took(outcome.seconds, outcome.run.shard_times().as_ref())),
        Fact::program(outcome.exit(), if outcome.drift() > 0 { "findings" } else { "objects not read" }),
    ])
}

/// Returns every verdict with its count, including 0.
pub(super) fn counts(outcome: &Outcome) -> Vec<CategoryRow> {
    let mut counts = vec![CategoryRow::of(outcome[Counter::Matched], "matched", &labels::MATCHED)];
    let of = |kind: DriftKind| CategoryRow::with_section(outcome.of(kind), kind.name(), &labels::of(kind));
    let requested = |kind: &DriftKind| !kind.is_truth_kind() || outcome.truth.is_some();
    counts.extend(DriftKind::ALL.into_iter().filter(requested).map(of));
    counts
}

/// Returns the breakdowns of both sides; empty if the audit stopped early, because the sums may then differ.
pub(super) fn breakdowns(outcome: &Outcome) -> Vec<Breakdown> {
    if outcome.stopped.is_some() {
        return Vec::new();
    }
    let mut lake = parts(outcome, &[Side::Both, Side::Record, Side::Object]);
    lake.extend(outcome.skips.iter().map(|(skip, n)| {
        let (name, class) = skips::part(skip);
        (name, class, n)
    }));
    let warehouse = parts(outcome, &[Side::Both, Side::Row]);
    vec![
        Breakdown::of("Lake", numbers::of(outcome[Counter::LakeObjects], "object", "objects"), lake),
        Breakdown::of("Warehouse", numbers::of(outcome[Counter::WarehouseRows], "row", "rows"), warehouse),
    ]
}

/// Returns the counters of these sides, each with its title and class.
fn parts(outcome: &Outcome, sides: &[Side]) -> Vec<(&'static str, &'static str, u64)> {
    let class = |counter: Counter| match counter {
        Counter::Matched => "same",
        Counter::Archived => "skipped",
        _ if counter.spec().role.is_finding() => "drift",
        _ => "skipped",
    };
    let counts = outcome.counts.iter().filter(|(counter, _)| sides.contains(&counter.side()));
    let name = |counter: Counter| match counter {
        Counter::DuplicateObjects => "duplicate",
        counter => counter.spec().title,
    };
    counts.map(|(counter, n)| (name(counter), class(counter), n)).collect()
}
