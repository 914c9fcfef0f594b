//! Text of the outcome of an audit. The labels of counts are the titles in their tables (`reconcile/verdict.rs`,
//! `reader/skip.rs`), and likely causes are texts of `reconcile/cause.rs`.

use std::fmt;

use crate::outcome::{CommandOutcome as _, Counter as _, Exit, Role};
use crate::reconcile::{Counter, Drift, DriftKind, IntactSide, Outcome, RepairCounter, Side};
use crate::render::parts::FromParts;
use crate::render::{LabelledRows, ProblemLines, count, counted, one_line, took};

mod pattern;
mod repair;
mod truth;

pub(crate) use repair::{action_text, intact_overwritten, text as repair_text};

/// Maximum number of findings in the text, and of gaps.
const SHOWN: usize = 20;
/// Number of findings of each kind that are shown even above that limit, so that no kind hides another.
const SHOWN_OF_EACH: usize = 3;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (&self.stopped, self.is_clean()) {
            (Some(why), _) => format!("stopped early: {}", one_line(why)),
            (None, _) if self.halted.is_some() => format!("ended {}", self.halted.as_deref().unwrap_or_default()),
            (None, true) => "lake and warehouse agree".to_owned(),
            (None, false) => found_text(self),
        };
        writeln!(
            f,
            "reconcile: {verdict} ({} compared with {} in {})",
            counted(self[Counter::LakeRecords], "record", "records"),
            counted(self[Counter::WarehouseRows], "row", "rows"),
            took(self.seconds, self.run.shard_times().as_ref())
        )?;
        let mut lines = vec![("matched", count(self[Counter::Matched]))];
        if self.quick {
            lines.push(("present on both sides", count(self[Counter::Present])));
        }
        if self[Counter::FromWarehouse] > 0 {
            lines.push((Counter::FromWarehouse.spec().title, count(self[Counter::FromWarehouse])));
        }
        lines.extend(found(self));
        write!(f, "{}", LabelledRows(&lines))?;
        if let Some(truth) = &self.truth {
            write!(f, "{truth}")?;
        }
        // Before a repair, the plan is what matters.
        if !self.carry.repair_asked {
            samples(self, f)?;
        }
        if let Some(message) = budget_verdict(self) {
            writeln!(f, "  {message}")?;
        }
        if let Some(since) = &self.since_baseline {
            writeln!(
                f,
                "  since {}: {} new, {} persisting, {} resolved",
                since.baseline,
                count(since.new),
                count(since.persisting),
                count(since.resolved)
            )?;
        }
        patterns(self, f)?;
        gaps(self, f)?;
        write!(f, "{}", FromParts(self.from_parts.as_ref()))?;
        if self.quick {
            writeln!(f, "  not checked (--quick): values, and ids against the content of objects")?;
        }
        write!(f, "{}", ProblemLines::of(&self.problems, !self.run.shards.is_empty()))?;
        if !self.carry.repair_asked {
            return audit_exit(self, f);
        }
        f.write_str(&repair_text(self))?;
        repair_exit(self, f)
    }
}

/// Returns the number of findings, and that of objects that were not read, which are no findings.
pub(crate) fn found_text(outcome: &Outcome) -> String {
    let findings = match outcome.drift() {
        0 => "no findings".to_owned(),
        n => counted(n, "finding", "findings"),
    };
    match outcome.unread() {
        0 => findings,
        n => format!("{findings}, {}", counted(n, "object not read", "objects not read")),
    }
}

/// Writes what the exit code without a repair means.
fn audit_exit(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if outcome.exit() != Exit::Findings {
        return Ok(());
    }
    let meaning = match (outcome.drift(), outcome.unread()) {
        (0, 0) => "the check against the ground truth failed",
        (0, _) => UNREAD,
        _ => "the audit found drift",
    };
    writeln!(f, "exit code 1: {meaning}")
}

/// Meaning of exit code 1 if both sides agree otherwise.
const UNREAD: &str = "the audit found no drift, but did not read all objects";

/// Writes what the exit code after a repair means.
fn repair_exit(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if outcome.exit() != Exit::Findings || outcome.repaired.dry_run {
        return Ok(());
    }
    let repaired = &outcome.repaired;
    let meaning = match (&repaired.over_budget, repaired.changes(), repaired[RepairCounter::Failed]) {
        _ if outcome.drift() == 0 => UNREAD,
        (Some(_), ..) => "the audit found drift, and nothing was changed",
        (None, 0, 0) => "the audit found drift, and the repair changed nothing: there is no undo file",
        (None, _, 0) => "the audit before the repair found drift; audit again to confirm",
        (None, ..) => "the audit before the repair found drift, and not all changes could be made; audit again",
    };
    writeln!(f, "exit code 1: {meaning}")
}

/// Writes the first findings of each kind.
fn samples(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let kinds: Vec<DriftKind> = DriftKind::ALL.into_iter().filter(|kind| outcome.of(*kind) > 0).collect();
    let all: u64 = kinds.iter().map(|kind| outcome.of(*kind)).sum();
    let each = shown_of_each(all, kinds.len());
    for kind in kinds {
        let shown = outcome.samples.of(kind).take(each);
        let mut listed = 0;
        for drift in shown {
            writeln!(f, "  {}", one_line(&Line(drift).to_string()))?;
            listed += 1;
        }
        if outcome.of(kind) > listed {
            let (more, place) = (count(outcome.of(kind) - listed), where_all_are(Some(outcome)));
            writeln!(f, "  … and {more} more {} ({place})", kind.counter().spec().title)?;
        }
    }
    Ok(())
}

/// Returns how many of each kind are shown, so that all are shown if they are few, and no kind hides another.
pub(crate) fn shown_of_each(all: u64, kinds: usize) -> usize {
    if all <= SHOWN as u64 { SHOWN } else { (SHOWN / kinds.max(1)).max(SHOWN_OF_EACH) }
}

/// Returns the place of all findings: the drift file, or the flag that writes it.
fn where_all_are(outcome: Option<&Outcome>) -> String {
    match outcome.and_then(|outcome| outcome.options.drift_file.as_deref()) {
        Some(file) => format!("{} has all", one_line(file)),
        None => "--drift FILE writes all".to_owned(),
    }
}

/// Returns the name of a kind in the text.
fn title(kind: DriftKind) -> String {
    kind.name().replace('_', " ")
}

/// Writes causes, patterns and hash totals.
fn patterns(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (cause, n) in &outcome.causes {
        writeln!(f, "  likely cause ({}): {cause}", count(*n))?;
    }
    for pattern in &outcome.patterns {
        writeln!(f, "  {}", one_line(&pattern.text(&outcome.patterns)))?;
    }
    match outcome.control.hashes() {
        [lake, warehouse] if outcome.quick || lake.count + warehouse.count == 0 => {}
        [lake, warehouse] if lake == warehouse => writeln!(f, "  hash total of both sides: {}", lake.hex())?,
        [lake, warehouse] => {
            writeln!(f, "  hash totals: lake {}, warehouse {}", lake.hex(), warehouse.hex())?;
        }
    }
    Ok(())
}

/// Writes the days that both sides lack.
fn gaps(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for gap in outcome.gaps.iter().take(SHOWN) {
        write!(f, "  gap on both sides: {} {}", one_line(&gap.farm), gap.from)?;
        if gap.days > 1 {
            write!(f, " to {} ({} days)", gap.to, count(gap.days))?;
        }
        writeln!(f)?;
    }
    if outcome.gaps.len() > SHOWN {
        let more = counted((outcome.gaps.len() - SHOWN) as u64, "more gap", "more gaps");
        writeln!(f, "  … and {more} (the JSON has all)")?;
    }
    Ok(())
}

/// Returns the kinds of findings and skipped objects that occurred, with their counts.
fn found(outcome: &Outcome) -> impl Iterator<Item = (&'static str, String)> {
    let is_shown = |counter: Counter| {
        let role = counter.spec().role;
        role.is_finding() || (role == Role::Skipped && counter.side() == Side::Object)
    };
    let shown = outcome.counts.iter().filter(move |(counter, n)| *n > 0 && is_shown(*counter));
    let skips = outcome.skips.iter().filter(|(_, n)| *n > 0);
    let lines = shown.map(|(counter, n)| (counter.spec(), n)).chain(skips.map(|(skip, n)| (skip.spec(), n)));
    lines.map(|(spec, n)| (spec.title, count(n)))
}

/// Returns whether the findings are within the budget, as a sentence. `None` without a budget.
pub(crate) fn budget_verdict(outcome: &Outcome) -> Option<String> {
    let budget = outcome.max_drift.as_ref()?;
    let what = if outcome.unread() > 0 { "findings and objects not read" } else { "findings" };
    Some(match &outcome.truth {
        _ if outcome.is_within_budget() => format!("{what} are within the budget of {budget}"),
        Some(truth) if !truth.passed => {
            format!("the budget of {budget} does not apply: the ground truth check failed")
        }
        _ => format!("{what} exceed the budget of {budget}"),
    })
}

/// Returns which side is intact.
pub(crate) const fn intact_text(side: IntactSide) -> &'static str {
    match side {
        IntactSide::Lake => "only the lake's values match the id",
        IntactSide::Warehouse => "only the warehouse's values match the id",
    }
}

/// Finding in one line.
struct Line<'a>(&'a Drift);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Drift { kind, id, key, fields, reason, intact, .. } = self.0;
        write!(f, "{} {}", title(*kind), id.as_deref().or(key.as_deref()).unwrap_or("–"))?;
        if *kind == DriftKind::Differing {
            for (name, [lake, warehouse]) in fields {
                write!(f, "  {name}: lake {lake}, warehouse {warehouse}")?;
            }
        } else if let (Some(_), Some(key)) = (id, key) {
            write!(f, "  {key}")?;
        }
        let why = [reason.as_deref(), intact.map(intact_text)].into_iter().flatten().collect::<Vec<_>>();
        if why.is_empty() { Ok(()) } else { write!(f, "  ({})", why.join("; ")) }
    }
}
