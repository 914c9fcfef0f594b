//! Head of the page: whether the data was recovered, and if not, what is missing.

use super::category::ObjectCategory;
use crate::outcome::{CommandOutcome as _, Exit};
use crate::reader::Skip;
use crate::render::html::headline::{self, Fact, Headline, Highlight};
use crate::render::html::{numbers, sanitize};
use crate::render::took;
use crate::replay::{Counter, Outcome, ReplayOptions};

pub(super) fn of(outcome: &Outcome) -> Headline {
    let state = if unsettled(outcome) { "stopped" } else { headline::state(outcome.exit()) };
    Headline { state, title: title(outcome), lead: lead(outcome), points: points(outcome), evidence: evidence(outcome) }
}

/// Returns true if nothing failed, but nothing was recovered or the new table was not swapped in.
fn unsettled(outcome: &Outcome) -> bool {
    outcome.exit() == Exit::Clean && (wanted(outcome) == 0 || outcome.is_not_swapped())
}

/// Returns the number of records that should be in the warehouse.
fn wanted(outcome: &Outcome) -> u64 {
    (outcome.counts[Counter::Listed] + outcome.counts[Counter::NotLoaded]).saturating_sub(outcome.counts.skipped())
}

/// Returns the number of records that should be in the warehouse and are not.
pub(super) fn missing(outcome: &Outcome) -> u64 {
    wanted(outcome).saturating_sub(outcome.counts.recovered()) + outcome.counts[Counter::NotFound]
}

fn title(outcome: &Outcome) -> String {
    let missing = missing(outcome);
    if outcome.stopped.is_some() {
        return "Stopped early".into();
    }
    if outcome.selects_nothing() {
        return "Nothing to recover".into();
    }
    if wanted(outcome) + missing == 0 {
        return "Nothing recovered".into();
    }
    if missing > 0 {
        return numbers::of(missing, "record not recovered", "records not recovered");
    }
    if outcome.counts[Counter::Mismatched] > 0 {
        let n = outcome.counts[Counter::Mismatched];
        return format!("{} {}", numbers::count(n), ObjectCategory::Own(Counter::Mismatched).words().phrase(n));
    }
    let options = ReplayOptions { on_conflict: String::new(), ..outcome.options.clone() };
    match options == ReplayOptions::default() {
        _ if outcome.is_not_swapped() => "Loaded, not yet swapped in".into(),
        true => "Warehouse recovered".into(),
        false => "Everything requested was recovered".into(),
    }
}

fn lead(outcome: &Outcome) -> String {
    let (wanted, back) = (wanted(outcome), outcome.counts.recovered());
    if let Some(why) = &outcome.stopped {
        let why = sanitize::shown(why, sanitize::VALUE);
        let so_far = numbers::of(back, "record is", "records are");
        return format!(
            "{}. {so_far} recovered so far; to resume, {}.",
            sanitize::sentence(&why),
            outcome.resume_hint()
        );
    }
    if outcome.selects_nothing() {
        return "The drift file lists no object in this span.".into();
    }
    if wanted == 0 && outcome.counts[Counter::NotFound] > 0 {
        return "The lake has none of the requested objects: check that the file was written for this lake.".into();
    }
    if wanted == 0 {
        return match (
            outcome.counts[Counter::Listed] - outcome.counts[Skip::FolderMarker],
            outcome.counts[Skip::Unrecognized],
        ) {
            (0, _) => "The lake has no object in this window: check the address, the prefix and the window.".into(),
            (n, unrecognized) if n == unrecognized => "No object has a recognized name: check the prefix.".into(),
            _ if outcome.excludes_everything() => format!("{}.", sanitize::sentence(&outcome.excluded_by())),
            (n, _) => {
                format!("All of {} were skipped: check the options.", numbers::of(n, "object", "objects"))
            }
        };
    }
    let share = if back == wanted {
        String::new()
    } else {
        format!(" ({})", numbers::share(back, wanted).replace("0.1 %", "under 0.1 %"))
    };
    let newest = outcome
        .newest_row_ts
        .map_or_else(String::new, |at| format!(", newest processed {} UTC", at.format("%Y-%m-%d %H:%M")));
    let verified = match outcome.counts[Counter::Verified] {
        0 => String::new(),
        n => format!(" {} read back and compared bit for bit.", numbers::of(n, "row was", "rows were")),
    };
    let [back, wanted] = [back, wanted].map(numbers::count);
    format!("{back} of {wanted} records{share} are in the warehouse as the lake has them{newest}.{verified}")
}

/// Returns what is missing, and other points that need attention.
fn points(outcome: &Outcome) -> Vec<Highlight> {
    let point = |category: ObjectCategory, anchor| {
        let n = category.of(outcome);
        (n, category.words().phrase(n), anchor)
    };
    let overwritten = ObjectCategory::Own(Counter::Overwritten);
    let mut found: Vec<_> = ObjectCategory::missing().into_iter().map(|one| point(one, one.name())).collect();
    found.push(point(overwritten, overwritten.name()));
    found.push(point(ObjectCategory::Skip(Skip::Unrecognized), "skipped"));
    Highlight::list(found)
}

fn evidence(outcome: &Outcome) -> Vec<Fact> {
    let options = &outcome.options;
    let message =
        |at: Option<_>, after: &str| at.map_or_else(String::new, |at| format!("{}{after}", headline::instant(at)));
    let data = match (options.data_from, options.data_to) {
        (None, None) => String::new(),
        (from, to) => format!("only records whose reading is dated {}", headline::days(from, to)),
    };
    let only = options
        .selected_objects
        .map_or_else(String::new, |n| format!("{} named in a file", numbers::of(n, "object", "objects")));
    let (run_name, began) = match outcome.shards {
        None => ("Run", "started"),
        Some(_) => ("Plan", "was planned"),
    };
    let cutoff = format!(", the lake's clock when the run {began}; later objects were skipped");
    let run = match (outcome.run_id.as_str(), outcome.resumed) {
        (run, true) if !run.is_empty() => format!("{run}, resumed"),
        ("", true) => "resumed".into(),
        (run, _) => run.to_owned(),
    };
    headline::stated(vec![
        Fact::code("Lake", &outcome.lake),
        Fact::code("Endpoint", outcome.lake_endpoint.as_deref().unwrap_or_default()),
        Fact::code("Warehouse", &outcome.warehouse),
        Fact::text("Window", headline::window(&options.farms, options.from, options.to)),
        Fact::text("Only", only),
        Fact::text("Until", message(options.processed_until, ", by the time of processing")),
        Fact::text("Readings", data),
        Fact::text("Lake as of", message(options.as_of, "")),
        Fact::text("Cutoff", message(outcome.cutoff, &cutoff)),
        Fact::text("Conflicts", &options.on_conflict),
        Fact::text("Method", &outcome.method),
        Fact::code(run_name, run),
        Fact::text("Time taken", took(outcome.seconds, outcome.shards.as_ref())),
        Fact::program(outcome.exit(), "something is missing or needs attention"),
    ])
}
