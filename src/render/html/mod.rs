//! Renders an outcome as one self-contained HTML file: no scripts, no network, all data escaped.
//!
//! | module or file | content |
//! | --- | --- |
//! | `reconcile`, `replay`, `publish` | one page each, with one file per section; `page.html.j2` is its layout |
//! | `calendar`, `heatmap`, `year_calendar` | farms and days, of any type of `cells` |
//! | `findings`, `headline`, `breakdown`, `problem_list`, `skips` | components shared by the pages |
//! | `plot` | lines over time or percentiles, as inline SVG |
//! | `sanitize`, `numbers`, `unbroken` | formatting of data |
//! | `base.html.j2`, `parts.html.j2`, `plot.html.j2`, `style.css` | the frame, the components' markup, the style |
//!
//! Nothing here counts or compares: the outcomes do.

use std::io::{self, Write};
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use pipeline::atomic_file::temp_file_next_to;
use pipeline::printable;

mod breakdown;
mod calendar;
mod cells;
mod findings;
mod headline;
mod heatmap;
mod numbers;
mod plot;
mod problem_list;
mod publish;
mod reconcile;
mod replay;
mod sanitize;
mod skips;
mod unbroken;
mod year_calendar;

/// Maximum size of a page, acceptable for browsers and mail servers.
const MAX_BYTES: usize = 2_000_000;
/// Limits for the size of findings, tried in this order; most pages fit with the first.
const FINDINGS_BYTES: [usize; 4] = [1_200_000, 600_000, 200_000, 20_000];

/// Outcome with an HTML page.
pub trait Page {
    /// Template of its layout.
    #[doc(hidden)]
    const LAYOUT: &'static str;

    /// Returns the data for the layout, with at most `findings_bytes` bytes of findings.
    #[doc(hidden)]
    fn page(&self, findings_bytes: usize) -> impl Serialize;
}

/// Renders the report as HTML, always smaller than 2 MB.
///
/// # Errors
/// Returns an error if the template cannot be rendered, which is a bug in this program.
pub fn render<P: Page>(outcome: &P) -> Result<String, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    templates.add_filter("unbroken", unbroken::filter);
    templates.add_template("style.css", include_str!("style.css"))?;
    for (name, source) in [
        ("base.html.j2", include_str!("base.html.j2")), // the extension .html enables escaping
        ("parts.html.j2", include_str!("parts.html.j2")),
        ("plot.html.j2", include_str!("plot.html.j2")),
        (publish::LAYOUT, include_str!("publish/page.html.j2")),
        (reconcile::LAYOUT, include_str!("reconcile/page.html.j2")),
        (replay::LAYOUT, include_str!("replay/page.html.j2")),
    ] {
        templates.add_template(name, source)?;
    }
    let template = templates.get_template(P::LAYOUT)?;
    let mut html = String::new();
    for bytes in FINDINGS_BYTES {
        html = template.render(Serde(outcome.page(bytes)))?;
        if html.len() < MAX_BYTES {
            break;
        }
    }
    // `sanitize` has already escaped control characters of data; this is an additional protection.
    Ok(printable::lines(&html).into_owned())
}

/// Checks that a report can be written to a path, before hours of work.
///
/// # Errors
/// Returns an error if it cannot be written.
pub fn can_write(path: &Path) -> io::Result<()> {
    if path.exists() && !path.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    temp_file_next_to(path).map(drop)
}

/// Writes the report to a temporary file in the same directory, then renames it.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub fn write<P: Page>(path: &Path, outcome: &P) -> io::Result<()> {
    let html = render(outcome).map_err(io::Error::other)?;
    let mut half = temp_file_next_to(path)?;
    half.write_all(html.as_bytes())?;
    half.as_file().sync_all()?;
    half.persist(path).map(drop).map_err(|e| e.error)
}
