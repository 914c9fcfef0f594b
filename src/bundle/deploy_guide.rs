//! DEPLOY.md: the next steps for a bundle, with the figures of its zip.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::Bundle;
use super::rds_ca::ON_LAMBDA;
use crate::outcome::count;

#[derive(Serialize)]
struct DeployGuide<'a> {
    arch: &'a str,
    zip_bytes: String,
    unzipped_bytes: String,
    code_sha256: &'a str,
    rds_ca_file: &'a str,
}

/// Renders the page for a zip.
///
/// # Errors
///
/// Returns an error if the template cannot be rendered, which is a bug in this program.
pub(super) fn render(guide: &'static str, made: &Bundle) -> Result<String, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates
        .set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?);
    templates.add_template("deploy.md", guide)?;
    templates.get_template("deploy.md")?.render(Serde(DeployGuide {
        arch: &made.arch,
        zip_bytes: count(made.zip_bytes),
        unzipped_bytes: count(made.unzipped_bytes),
        code_sha256: &made.code_sha256,
        rds_ca_file: ON_LAMBDA,
    }))
}
