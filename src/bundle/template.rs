//! The stack's template, with defaults that match the zip next to it.

use anyhow::ensure;

use super::{Arch, rds_ca};

/// Mark of the line with the default architecture.
const ARCHITECTURE: &str = "# bundle: architecture";
/// Mark of the line with the default path of RDS's authorities.
const RDS_CA_FILE: &str = "# bundle: rds-ca-file";

/// Renders a template for a zip of that architecture with certificate authorities in it.
///
/// # Errors
///
/// Returns an error if the template does not have exactly one line per default, which is a bug in this program.
pub(super) fn render(template: &str, arch: Arch) -> anyhow::Result<String> {
    with_default(&with_default(template, ARCHITECTURE, &arch.to_string())?, RDS_CA_FILE, rds_ca::ON_LAMBDA)
}

/// Sets the value in the line `Default: … <mark>`.
fn with_default(template: &str, mark: &str, value: &str) -> anyhow::Result<String> {
    let mut found = 0;
    let mut text = String::with_capacity(template.len());
    for line in template.split_inclusive('\n') {
        match line.split_once("Default: ").filter(|(_, rest)| rest.trim_end().ends_with(mark)) {
            Some((indent, _)) => {
                found += 1;
                text += &format!("{indent}Default: {value} {mark}\n");
            }
            None => text += line,
        }
    }
    ensure!(found == 1, "the template has {found} defaults marked {mark:?}; this is a bug in ruminate");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Program;

    #[test]
    fn an_embedded_template_has_one_line_for_each_default() {
        for program in [Program::Intake, Program::Fanout] {
            let template = program.template();
            for mark in [ARCHITECTURE, RDS_CA_FILE] {
                assert_eq!(template.matches(mark).count(), 1, "{mark}");
            }
            let text = render(template, Arch::Arm64, true).unwrap();
            assert!(text.contains("Default: arm64 # bundle: architecture\n"), "{text}");
            assert!(text.contains("Default: /var/task/rds-ca.pem # bundle: rds-ca-file\n"), "{text}");
            assert_eq!(render(template, Arch::X86_64, false).unwrap(), template, "these are its own defaults");
            assert_eq!(text.lines().count(), template.lines().count());
        }
    }

    #[test]
    fn a_missing_duplicate_or_misplaced_mark_is_an_error() {
        for template in ["", "Default: a # m\nDefault: b # m\n", "Type: String # m\n", "Default: a # m, or not\n"] {
            let e = with_default(template, "# m", "c").unwrap_err().to_string();
            assert!(e.contains("bug in ruminate"), "{template:?}: {e}");
        }
        assert_eq!(with_default("x:\n  Default: a # m\ny", "# m", "c").unwrap(), "x:\n  Default: c # m\ny");
    }
}
