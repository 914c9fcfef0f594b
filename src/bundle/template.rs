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
    use crate::parts::PartColumn;
    use pipeline::record::Column;

    #[test]
    fn an_embedded_template_has_one_line_for_each_default() {
        for program in [Program::Intake, Program::Fanout] {
            let template = program.template();
            for mark in [ARCHITECTURE, RDS_CA_FILE] {
                assert_eq!(template.matches(mark).count(), 1, "{mark}");
            }
            let text = render(template, Arch::Arm64).unwrap();
            assert!(text.contains("Default: arm64 # bundle: architecture\n"), "{text}");
            assert!(text.contains("Default: /var/task/rds-ca.pem # bundle: rds-ca-file\n"), "{text}");
            assert_eq!(text.lines().count(), template.lines().count());
        }
    }

    #[test]
    fn the_tables_of_the_template_have_the_columns_of_records_and_parts() {
        let (_, tables) = Program::Intake.template().split_once("CatalogLake:").unwrap();
        let (lake, rest) = tables.split_once("CatalogParts:").unwrap();
        let (parts, _) =
            rest.split_once("PartitionKeys").map(|(_, after)| after.split_once("Location:").unwrap()).unwrap();
        let columns = |text: &str| -> Vec<(String, String)> {
            let lines = text.lines().filter_map(|line| line.trim().strip_prefix("- {Name: ")?.strip_suffix('}'));
            lines
                .filter_map(|line| line.split_once(", Type: "))
                .map(|(name, kind)| (name.into(), kind.into()))
                .collect()
        };
        let of_record = |column: Column| (column.name().to_owned(), "string".to_owned());
        assert_eq!(columns(lake), Column::ALL.map(of_record));
        let sql = crate::bundle::sql().unwrap();
        let athena = String::from_utf8(sql["sql/athena.sql"].clone()).unwrap();
        let (_, of_parts) = athena.split_once("_partes (").unwrap();
        let (of_parts, _) = of_parts.split_once("PARTITIONED BY").unwrap();
        let in_sql: Vec<(String, String)> = of_parts
            .lines()
            .filter_map(|line| line.trim().trim_end_matches(',').strip_prefix('`')?.split_once("` "))
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .collect();
        assert_eq!(columns(parts), in_sql);
        let names: Vec<&str> = PartColumn::all().into_iter().map(PartColumn::name).collect();
        assert_eq!(in_sql.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
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
