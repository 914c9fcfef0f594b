//! `ruminate reconcile`: lake against warehouse.

use std::path::PathBuf;

use anyhow::Context as _;

use super::Context;
use super::flags::{LakeFlags, RulesFlags, SpanFlags, WarehouseFlags, writable};
use crate::reconcile::{Audit, Direction, Plan, Sink, repair, run as audit};
use crate::record::Rules;
use crate::report::reconcile::Asked;
use crate::report::{Printed, html};
use crate::warehouse::TableName;

/// Audits lake against warehouse, record by record and field by field, and repairs what can be repaired
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    span: SpanFlags,
    #[command(flatten)]
    rules: RulesFlags,
    /// Mend this side, or both; objects of the lake are never overwritten, moved or deleted
    #[arg(long, value_enum, value_name = "SIDE")]
    repair: Option<Direction>,
    /// With --repair: say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the report as one HTML file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Write every finding as one JSON object a line
    #[arg(long, value_name = "FILE.ndjson")]
    drift: Option<PathBuf>,
    /// Objects read at once
    #[arg(long, value_name = "N", default_value_t = 128)]
    concurrency: usize,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Printed> {
    let to_audit = Audit {
        lake: args.lake.open().await,
        warehouse: args.warehouse.open().await?,
        span: args.span.span()?,
        rules: args.rules.rules(),
        reads: args.concurrency,
    };
    let sink = Sink::new(args.drift.as_deref()).with_context(|| match &args.drift {
        Some(path) => format!("--drift {} cannot be written", path.display()),
        None => "no temporary file can be made: check TMPDIR".to_owned(),
    })?;
    if let Some(path) = &args.report {
        writable("--report", path)?;
    }
    let (mut outcome, sink) = audit(&to_audit, sink, &context.progress, &context.stop).await?;
    outcome.asked = args.asked(&to_audit)?;
    if let (Some(direction), None) = (args.repair, &outcome.stopped) {
        outcome.repair_asked = true;
        let plan = Plan { direction, dry_run: args.dry_run, nameless: outcome.nameless };
        outcome.repaired = repair(&to_audit, sink, plan, &context.progress, &context.stop).await?;
    } else {
        drop(sink.read_back()?); // written to its end
    }
    if let Some(path) = &args.report {
        html::write(path, &outcome).with_context(|| format!("--report {} cannot be written", path.display()))?;
    }
    Ok(Printed::of(&outcome))
}

impl Args {
    /// What is asked, for the report.
    fn asked(&self, audit: &Audit) -> anyhow::Result<Asked> {
        Ok(Asked {
            farms: audit.span.farms.iter().map(ToString::to_string).collect(),
            from: audit.span.from,
            to: audit.span.to,
            meta_rate: audit.rules.meta_rate,
            command: self.command(audit)?,
            drift_file: self.drift.as_ref().map(|path| path.display().to_string()),
        })
    }

    /// The audit as a command for a shell; settings from the environment and the file are spelled out, secrets are not.
    fn command(&self, audit: &Audit) -> anyhow::Result<String> {
        let mut words = vec!["ruminate reconcile".to_owned()];
        let mut flag = |name: &str, value: String| words.push(format!("--{name} {}", quoted(&value)));
        flag("lake", self.lake.lake.to_string());
        flag("warehouse", self.warehouse.url()?.to_string());
        if self.warehouse.table != TableName::default() {
            flag("table", self.warehouse.table.to_string());
        }
        audit.span.farms.iter().for_each(|farm| flag("farm", farm.to_string()));
        audit.span.from.into_iter().for_each(|day| flag("from", day.to_string()));
        audit.span.to.into_iter().for_each(|day| flag("to", day.to_string()));
        if audit.rules != Rules::default() {
            flag("meta-rate", audit.rules.meta_rate.to_string());
        }
        Ok(words.join(" "))
    }
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=@,+%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_shell() {
        assert_eq!(quoted("s3://bucket/a-b"), "s3://bucket/a-b");
        assert_eq!(quoted("mysql://ana:***@h/d"), "'mysql://ana:***@h/d'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
