//! What a run found, as one self-contained HTML file: no script, no network, everything from the data escaped.
//!
//! | here | what it is |
//! | --- | --- |
//! | `reconcile`, `replay`, `publish` | a page each: outcome → ready text, a file a section; their `page.html.j2` lays it out |
//! | `calendar`, `heatmap`, `year_calendar` | farms and days, of any `cells` that say what is wrong with them |
//! | `findings`, `headline`, `breakdown`, `problem_list`, `skips` | the pieces that the pages share |
//! | `plot` | lines over time or percentiles, as inline SVG |
//! | `sanitize`, `numbers` | how data is made fit to be read |
//! | `base.html.j2`, `parts.html.j2`, `plot.html.j2`, `style.css` | the frame, the pieces' markup, the dress |
//!
//! Nothing here counts or judges: that is the outcomes'.

use std::io::{self, Write};
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use pipeline::atomic_file::temp_file_beside;

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
mod year_calendar;

/// A page stays below this, so that a browser and a mail server take it.
const MOST_BYTES: usize = 2_000_000;
/// What findings may take of it, tried in this order; most pages pass with the first.
const FINDINGS_BYTES: [usize; 4] = [1_200_000, 600_000, 200_000, 20_000];

/// An outcome that has a page.
pub trait Page {
    /// The file of its layout.
    #[doc(hidden)]
    const LAYOUT: &'static str;

    /// Everything that the layout lays out, with no more than so many bytes of findings.
    #[doc(hidden)]
    fn page(&self, findings_bytes: usize) -> impl Serialize;
}

/// The report as HTML, below two megabytes whatever was found.
///
/// # Errors
/// The template cannot be filled: an error of this program.
pub fn render<P: Page>(outcome: &P) -> Result<String, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    templates.add_template("style.css", include_str!("style.css"))?;
    for (name, source) in [
        ("base.html.j2", include_str!("base.html.j2")), // .html: escapes by itself
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
        if html.len() < MOST_BYTES {
            break;
        }
    }
    Ok(html)
}

/// Whether a report can be written there, told before hours of work.
///
/// # Errors
/// It cannot.
pub fn can_write(path: &Path) -> io::Result<()> {
    if path.exists() && !path.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    temp_file_beside(path).map(drop)
}

/// Writes the report: to a temporary name beside it, then renamed.
///
/// # Errors
/// The file cannot be written.
pub fn write<P: Page>(path: &Path, outcome: &P) -> io::Result<()> {
    let html = render(outcome).map_err(io::Error::other)?;
    let mut half = temp_file_beside(path)?;
    half.write_all(html.as_bytes())?;
    half.as_file().sync_all()?;
    half.persist(path).map(drop).map_err(|e| e.error)
}
