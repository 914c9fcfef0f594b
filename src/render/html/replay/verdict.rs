//! The head of the page: is it back, and if not, what is missing.

use super::category::ObjectCategory;
use crate::outcome::{CommandOutcome as _, Exit};
use crate::reader::Skip;
use crate::render::duration;
use crate::render::html::headline::{self, Fact, Headline, Highlight};
use crate::render::html::{numbers, sanitize};
use crate::replay::{Counter, Outcome, ReplayOptions};

pub(super) fn of(outcome: &Outcome) -> Headline {
    let state = if unsettled(outcome) { "stopped" } else { headline::state(outcome.exit()) };
    Headline { state, title: title(outcome), lead: lead(outcome), points: points(outcome), evidence: evidence(outcome) }
}

/// Whether nothing is wrong, and yet it is no success: nothing came back, or the new table was not swapped in.
fn unsettled(outcome: &Outcome) -> bool {
    outcome.exit() == Exit::Clean && (wanted(outcome) == 0 || outcome.is_not_swapped())
}

/// Records that should be in the warehouse.
fn wanted(outcome: &Outcome) -> u64 {
    (outcome.counts[Counter::Listed] + outcome.counts[Counter::Pending]).saturating_sub(outcome.counts.skipped())
}

/// Records that should be in the warehouse and are not.
pub(super) fn missing(outcome: &Outcome) -> u64 {
    wanted(outcome).saturating_sub(outcome.counts.recovered()) + outcome.counts[Counter::NotFound]
}

fn title(outcome: &Outcome) -> String {
    let missing = missing(outcome);
    if outcome.stopped.is_some() {
        return "Stopped early".into();
    }
    if outcome.selects_nothing() {
        return "There was nothing to bring back".into();
    }
    if wanted(outcome) + missing == 0 {
        return "Nothing came back".into();
    }
    if missing > 0 {
        return numbers::of(missing, "record is not back", "records are not back");
    }
    if outcome.counts[Counter::Unverified] > 0 {
        let n = outcome.counts[Counter::Unverified];
        return format!("{} {}", numbers::count(n), ObjectCategory::Own(Counter::Unverified).words().phrase(n));
    }
    let options = ReplayOptions { on_conflict: String::new(), ..outcome.options.clone() };
    match options == ReplayOptions::default() {
        _ if outcome.is_not_swapped() => "Loaded, and not yet swapped in".into(),
        true => "The warehouse is back".into(),
        false => "All that was asked for is back".into(),
    }
}

fn lead(outcome: &Outcome) -> String {
    let (wanted, back) = (wanted(outcome), outcome.counts.recovered());
    if let Some(why) = &outcome.stopped {
        let why = sanitize::shown(why, sanitize::VALUE);
        let so_far = numbers::of(back, "record is", "records are");
        return format!("{why}. {so_far} back so far; to go on, {}.", outcome.resume_hint());
    }
    if outcome.selects_nothing() {
        return "The drift file names no object that is meant.".into();
    }
    if wanted == 0 && outcome.counts[Counter::NotFound] > 0 {
        return "The lake has none of the objects that were asked for: was the file made for this lake?".into();
    }
    if wanted == 0 {
        return match (outcome.counts[Counter::Listed], outcome.counts[Skip::Unrecognized]) {
            (0, _) => "The lake has no object here: check the address, the prefix and the window.".into(),
            (n, foreign) if n == foreign => "No object has a name of this lake: is the prefix right?".into(),
            (n, _) => {
                format!("All of {} were left aside: check what was asked for.", numbers::of(n, "object", "objects"))
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

/// What is missing, and what else asks to be looked at.
fn points(outcome: &Outcome) -> Vec<Highlight> {
    let point = |category: ObjectCategory, anchor| {
        let n = category.of(outcome);
        (n, category.words().phrase(n), anchor)
    };
    let overwritten = ObjectCategory::Own(Counter::Overwritten);
    let mut found: Vec<_> = ObjectCategory::missing().into_iter().map(|one| point(one, one.name())).collect();
    found.push(point(overwritten, overwritten.name()));
    found.push(point(ObjectCategory::Skip(Skip::Unrecognized), "aside"));
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
    let only =
        options.only.map_or_else(String::new, |n| format!("{} named in a file", numbers::of(n, "object", "objects")));
    let run = match (outcome.run.as_str(), outcome.resumed) {
        (run, true) if !run.is_empty() => format!("{run}, resumed"),
        ("", true) => "resumed".into(),
        (run, _) => run.to_owned(),
    };
    headline::stated(vec![
        Fact::code("Lake", &outcome.lake),
        Fact::code("Warehouse", &outcome.warehouse),
        Fact::said("Window", headline::window(&options.farms, options.from, options.to)),
        Fact::said("Only", only),
        Fact::said("Until", message(options.until, ", by the time of processing")),
        Fact::said("Readings", data),
        Fact::said("Lake as of", message(options.versions_at, "")),
        Fact::said(
            "Fence",
            message(outcome.cutoff, ", the lake's clock as the run began; later objects were left aside"),
        ),
        Fact::said("Conflicts", &options.on_conflict),
        Fact::said("Method", &outcome.method),
        Fact::code("Run", run),
        Fact::said("Time taken", duration(outcome.seconds)),
        Fact::program(outcome.exit(), "something is missing, or asks to be looked at"),
    ])
}
