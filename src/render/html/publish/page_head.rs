//! Head of the page: whether the run passed, and if not, what failed.

use super::categories::MessageCategory;
use crate::outcome::{CommandOutcome as _, Exit};
use crate::publish::{Count, Lag, Outcome};
use crate::render::html::headline::{self, Fact, Headline, Highlight};
use crate::render::html::plot::millis;
use crate::render::html::{numbers, sanitize};
use crate::render::{duration, input_line};

pub(super) fn of(outcome: &Outcome) -> Headline {
    let nothing = outcome.counts[Count::Published] == 0 && outcome.exit() == Exit::Clean;
    let state = if nothing { "stopped" } else { headline::state(outcome.exit()) };
    Headline { state, title: title(outcome), lead: lead(outcome), points: points(outcome), evidence: evidence(outcome) }
}

fn broken(outcome: &Outcome) -> u64 {
    outcome.conditions.iter().filter(|verdict| !verdict.passed).count() as u64
}

/// Phrases for one and several rejected files.
const REJECTED: [&str; 2] = ["input file was rejected", "input files were rejected"];

/// Phrases for one and several messages with a finding of the intake.
const NOT_STORED: [&str; 2] = ["message was quarantined or in conflict", "messages were quarantined or in conflict"];

/// Returns the number of messages that were read and are missing from the topic.
fn missing(outcome: &Outcome) -> u64 {
    outcome.counts[Count::Read].saturating_sub(outcome.counts[Count::Published])
}

/// Returns the number of delivered messages that were not stored as they are, by the intake in this process.
fn not_stored(outcome: &Outcome) -> u64 {
    outcome.local.as_ref().map_or(0, |local| local.counts.findings())
}

fn not_arrived(outcome: &Outcome) -> u64 {
    outcome.lag.as_ref().map_or(0, Lag::never_arrived)
}

fn title(outcome: &Outcome) -> String {
    let (all, broken, missing) = (outcome.conditions.len() as u64, broken(outcome), missing(outcome));
    if outcome.end.stopped.is_some() {
        "Stopped early".into()
    } else if broken > 0 {
        let of = if all == broken { String::new() } else { format!(" of {}", numbers::count(all)) };
        format!("{}{of} {} failed", numbers::count(broken), if all == 1 { "check" } else { "checks" })
    } else if missing == 0 && outcome.counts[Count::FilesRejected] > 0 {
        numbers::of(outcome.counts[Count::FilesRejected], REJECTED[0], REJECTED[1])
    } else if outcome.counts[Count::Read] == 0 {
        "There was nothing to publish".into()
    } else if all > 0 && outcome.counts[Count::Published] > 0 {
        match all {
            1 => "The check passed".into(),
            2 => "Both checks passed".into(),
            all => format!("All {} checks passed", numbers::count(all)),
        }
    } else if outcome.counts[Count::Published] == 0 {
        "Nothing was published".into()
    } else if missing > 0 {
        numbers::of(missing, "message was not published", "messages were not published")
    } else if not_stored(outcome) > 0 {
        numbers::of(not_stored(outcome), NOT_STORED[0], NOT_STORED[1])
    } else if not_arrived(outcome) > 0 {
        numbers::of(not_arrived(outcome), "reading was not delivered", "readings were not delivered")
    } else if outcome.lag.as_ref().is_some_and(|lag| !lag.is_complete()) {
        "Delivery check incomplete".into()
    } else if !outcome.reached_all() {
        "Every message that was due was published".into()
    } else {
        "Every message was published".into()
    }
}

/// Returns the input that was not reached before the end of the run; empty if everything was read.
fn left_over(outcome: &Outcome) -> String {
    let known = outcome.rest.known();
    let counted = numbers::of(known, "message of the input was", "messages of the input were");
    match &outcome.rest.not_counted {
        None if known == 0 => String::new(),
        None => format!(" {counted} not reached."),
        Some(why) if known == 0 => {
            format!(" Not all of the input was reached: {}.", sanitize::shown(why, sanitize::VALUE))
        }
        Some(why) => format!(" At least {counted} not reached: {}.", sanitize::shown(why, sanitize::VALUE)),
    }
}

fn lead(outcome: &Outcome) -> String {
    if let Some(why) = &outcome.end.stopped {
        let so_far = numbers::of(outcome.counts[Count::Published], "message was", "messages were");
        let resume =
            outcome.resume_flag().map_or_else(String::new, |how| format!("; the same command with {how} resumes it"));
        let why = sanitize::shown(why, sanitize::VALUE);
        return format!("{}. {so_far} published so far{resume}.{}", sanitize::sentence(&why), left_over(outcome));
    }
    if outcome.counts[Count::Read] == 0 {
        return match outcome.counts[Count::Skipped] {
            0 => "The source has no message.".into(),
            n => format!("An earlier run had completed all of {}.", numbers::of(n, "message", "messages")),
        };
    }
    let (read, took) =
        (numbers::of(outcome.counts[Count::Read], "message", "messages"), duration(outcome.times.seconds));
    let share = match missing(outcome) {
        0 => String::new(),
        _ if outcome.counts[Count::Published] == 0 => " (0 %)".into(),
        _ => format!(" ({})", numbers::share(outcome.counts[Count::Published], outcome.counts[Count::Read])),
    };
    let rate =
        numbers::decimal(outcome.times.rate_per_second, if outcome.times.rate_per_second < 10.0 { 1 } else { 0 });
    let requested = match outcome.pacing.rate {
        Some(requested) => format!(" of {} requested", numbers::decimal(requested, usize::from(requested < 10.0))),
        None => String::new(),
    };
    let latency = match outcome.counts[Count::Published] {
        0 => String::new(),
        _ => format!(
            " Half took at most {}, 99 % at most {}.",
            millis(outcome.times.latency_ms.p50),
            millis(outcome.times.latency_ms.p99)
        ),
    };
    format!(
        "{} of {read}{share} published in {took}: {rate} per second{requested}.{latency}{}{}",
        numbers::count(outcome.counts[Count::Published]),
        if outcome.pacing.schedule_ended { " The schedule ended before the input did." } else { "" },
        left_over(outcome)
    )
}

/// Returns the problems, and other points that need attention.
fn points(outcome: &Outcome) -> Vec<Highlight> {
    let point = |category: MessageCategory, anchor| {
        (category.of(outcome), category.words().phrase(category.of(outcome)), anchor)
    };
    let broken = broken(outcome);
    let mut found = vec![(broken, if broken == 1 { "check failed" } else { "checks failed" }, "conditions")];
    let rejected = outcome.counts[Count::FilesRejected];
    found.push((rejected, REJECTED[usize::from(rejected != 1)], "errors"));
    let counts = |category: &MessageCategory| *category != MessageCategory::NotReached || outcome.end.stopped.is_some();
    found.extend(MessageCategory::MISSING.into_iter().filter(counts).map(|category| point(category, "breakdown")));
    let refused = not_stored(outcome);
    found.push((refused, NOT_STORED[usize::from(refused != 1)], "intake"));
    let lost = not_arrived(outcome);
    let phrase = ["reading was not delivered to the warehouse", "readings were not delivered to the warehouse"];
    found.push((lost, phrase[usize::from(lost != 1)], "lag"));
    found.push(point(MessageCategory::Retried, "errors"));
    Highlight::list(found)
}

fn evidence(outcome: &Outcome) -> Vec<Fact> {
    let written = |file: &Option<String>| file.clone().unwrap_or_default();
    let resumed = match (outcome.resumed, outcome.counts[Count::Skipped]) {
        (false, 0) => String::new(),
        (_, n) => format!("{} completed by an earlier run", numbers::of(n, "message", "messages")),
    };
    headline::stated(vec![
        Fact::code("Topic", &outcome.topic),
        Fact::code("Endpoint", outcome.endpoint.as_deref().unwrap_or_default()),
        Fact::text("Input", input_line(&outcome.inputs).map_or_else(String::new, |(_, dialects)| dialects)),
        Fact::text("Started", outcome.started.map_or_else(String::new, headline::instant)),
        Fact::text("Schedule", &outcome.pacing.schedule),
        Fact::text("Time taken", duration(outcome.times.seconds)),
        Fact::text("Resumed", resumed),
        Fact::code("Dead letters", written(&outcome.dead_letters).as_str()),
        Fact::code("Journal", written(&outcome.end.journal).as_str()),
        Fact::program(outcome.exit(), "a check failed, or a message is missing, quarantined or conflicting"),
    ])
}
