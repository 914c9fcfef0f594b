//! An audit as one self-contained HTML file: no script, no network, everything from the data escaped.
//!
//! Each section of the page is a file here that turns the outcome into ready text; `reconcile.html.j2` only lays it out,
//! and `style.css` only dresses it. Nothing here counts or judges: that is [`super::reconcile`]'s.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};

use serde::Serialize;

use super::reconcile::Outcome;

mod calendar;
mod findings;
mod numbers;
mod strips;
#[cfg(test)]
mod tests;
mod text;
mod totals;
mod upkeep;
mod verdict;
mod words;

/// The page stays below this, so that a browser and a mail server take it.
const MOST_BYTES: usize = 2_000_000;
/// What findings may take of it, tried in this order; most pages pass with the first.
const FINDINGS_BYTES: [usize; 4] = [1_200_000, 600_000, 200_000, 20_000];

/// Everything the template lays out.
#[derive(Debug, Serialize)]
struct Page {
    version: &'static str,
    verdict: verdict::Verdict,
    counts: Vec<verdict::Count>,
    accounts: Vec<verdict::Account>,
    calendar: calendar::Calendar,
    totals: totals::Totals,
    findings: findings::Findings,
    unchecked: Vec<upkeep::Unchecked>,
    aside: upkeep::Listed,
    repair: upkeep::Repair,
    repeat: upkeep::Repeat,
}

impl Page {
    fn of(outcome: &Outcome, findings_bytes: usize) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            verdict: verdict::Verdict::of(outcome),
            counts: verdict::counts(outcome),
            accounts: verdict::accounts(outcome),
            calendar: calendar::Calendar::of(outcome),
            totals: totals::Totals::of(outcome),
            findings: findings::Findings::of(outcome, findings_bytes),
            unchecked: upkeep::unchecked(outcome),
            aside: upkeep::Listed::of(&outcome.problems),
            repair: upkeep::Repair::of(outcome),
            repeat: upkeep::Repeat::of(outcome),
        }
    }
}

/// The report as HTML, below two megabytes whatever the audit found.
///
/// # Errors
/// The template cannot be filled: an error of this program.
pub fn render(outcome: &Outcome) -> Result<String, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    templates.add_template("style.css", include_str!("style.css"))?;
    templates.add_template("reconcile.html.j2", include_str!("reconcile.html.j2"))?; // .html: escapes by itself
    let template = templates.get_template("reconcile.html.j2")?;
    let mut html = String::new();
    for bytes in FINDINGS_BYTES {
        html = template.render(Serde(Page::of(outcome, bytes)))?;
        if html.len() < MOST_BYTES {
            break;
        }
    }
    Ok(html)
}

/// Writes the report: to a temporary name beside it, then renamed.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, outcome: &Outcome) -> io::Result<()> {
    let html = render(outcome).map_err(io::Error::other)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = fs::File::create(&part)
        .and_then(|mut file| file.write_all(html.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part); // it may never have been made
    }
    written
}
