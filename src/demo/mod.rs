//! The complete pipeline without servers: generate → publish → intake → compact → delete the warehouse → replay →
//! damage both stores → reconcile → repair → clean audit. The lake is a directory, the warehouse a SQLite file, and the
//! topic is `local`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use chrono::NaiveDate;

use crate::cancellation::CancellationToken;
use crate::compact::Compaction;
use crate::generate::{self, Destination, GeneratePlan as Histories, IfExists};
use crate::herd::Herd;
use crate::history::{InputSettings, Inputs};
use crate::outcome::{CommandOutcome, Exit, counted};
use crate::parts::PartsMode;
use crate::progress::Progress;
use crate::publish::{self, OnInvalid, Source as Messages};
use crate::reconcile::{
    Audit, Counter, DriftWriter, RepairPlan as Repair, RepairTarget, Trust, TruthOptions, repair, repairable,
};
use crate::render::reconcile::repair_text;
use crate::render::{Rendered, html};
use crate::replay::{Plan, Replay, ReplaySource};
use crate::sort::SortSettings;
use crate::topic::local::Local;
use pipeline::intake::Intake;
use pipeline::lake::dir::Dir;
use pipeline::lake::{Lake, Span};
use pipeline::record::Rules;
use pipeline::warehouse::sqlite::Sqlite;
use pipeline::warehouse::{TableName, Warehouse};

mod commands;
mod damage;
mod outcome;
mod text;

use commands::Commands;
pub use outcome::{Outcome, Step};

/// Marker file: a directory that contains it belongs to a demo, so a later run may empty it.
const MARK: &str = ".ruminate-demo";
/// Farms, pens per farm, and days: about 3,000 readings, which take a few seconds.
const SIZE: (u32, u32, u32) = (2, 60, 28);
/// Injected faults: duplicate deliveries and malformed messages.
const FAULTS: &str = "duplicate=0.01,malformed=0.002";

/// Policy for the files of an earlier demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviousRun {
    /// Delete them.
    Remove,
    /// Keep them: everything exists already and stays unchanged.
    Keep,
}

/// Actions of an audit of the demo in addition to comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AuditMode {
    /// Nothing.
    Check,
    /// Write the report and the drift file.
    Report,
    /// Repair both sides.
    Repair,
}

/// Shows a text to the user: the heading of a step when it starts, and its result when it ends.
pub type Show<'a> = &'a dyn Fn(&str);

/// The directory and stores of a demo, and its outcome so far.
struct Demo<'a> {
    dir: PathBuf,
    lake: Arc<Dir>,
    commands: Commands,
    progress: &'a Progress,
    cancel: &'a CancellationToken,
    show: Show<'a>,
    outcome: Outcome,
}

/// Runs the demo in `dir`.
///
/// # Errors
///
/// Returns an error if the directory contains anything other than an earlier demo, cannot be written, or a step fails.
pub async fn run(
    (dir, earlier): (&Path, PreviousRun),
    start: NaiveDate,
    progress: &Progress,
    cancel: &CancellationToken,
    show: Show<'_>,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    prepare(dir, earlier)?;
    let outcome = Outcome {
        dir: dir.display().to_string(),
        report: dir.join("audit.html").display().to_string(),
        ..Outcome::default()
    };
    let (lake, commands) = (Arc::new(Dir::new(dir.join("lake"))), Commands::new(dir));
    let mut demo = Demo { dir: dir.to_owned(), lake, commands, progress, cancel, show, outcome };
    demo.make_histories(start).await?;
    demo.publish().await?;
    demo.compact().await?;
    demo.lose_the_warehouse().await?;
    demo.replay().await?;
    demo.damage().await?;
    demo.audit("Reconcile: every injected fault is found", AuditMode::Report).await?;
    demo.audit("Repair both sides without overwriting objects", AuditMode::Repair).await?;
    demo.move_unreadable_object().await?;
    demo.audit("Repair again: the object is rebuilt from its row", AuditMode::Repair).await?;
    demo.outcome.clean = demo.audit("Reconcile again", AuditMode::Check).await?;
    demo.outcome.seconds = started.elapsed().as_secs_f64();
    Ok(demo.outcome)
}

/// Creates the directory, or empties it if it belongs to an earlier demo.
fn prepare(dir: &Path, earlier: PreviousRun) -> anyhow::Result<()> {
    let mark = dir.join(MARK);
    let taken = dir.is_dir() && dir.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    anyhow::ensure!(
        !taken || mark.is_file(),
        "{} is not the directory of a demo: use another one with --dir",
        dir.display()
    );
    let failed = || format!("cannot create the demo directory {}", dir.display());
    if taken && earlier == PreviousRun::Remove {
        fs::remove_dir_all(dir).with_context(failed)?;
    }
    fs::create_dir_all(dir).with_context(failed)?;
    fs::write(mark, "ruminate demo\n").with_context(failed)
}

/// Adds the exit code of a step's command, if it has findings: the demo itself ends with 0.
fn with_exit_code(text: String, exit: Exit, meaning: &str) -> String {
    if exit == Exit::Findings { format!("{text}exit code 1: {meaning}\n") } else { text }
}

impl Demo<'_> {
    /// Returns the warehouse, reopened each time because the demo deletes its file in between.
    fn warehouse(&self) -> Arc<Sqlite> {
        Arc::new(Sqlite::new(&self.dir.join("warehouse.db"), TableName::default()))
    }

    /// Starts a step.
    fn begin(&mut self, title: &str, commands: Vec<String>) {
        let heading = self.outcome.begin(title, commands);
        (self.show)(&heading);
    }

    /// Ends a step with the outcome of its command.
    fn end(&mut self, outcome: &impl CommandOutcome) {
        let Rendered { text, json, .. } = Rendered::of(outcome);
        let result = self.outcome.end(text, json);
        (self.show)(&result);
    }

    /// Ends a step that is described by lines of text.
    fn end_with_text(&mut self, lines: &[String]) {
        let text = lines.iter().map(|line| format!("  {line}\n")).collect();
        let result = self.outcome.end(text, serde_json::json!(lines));
        (self.show)(&result);
    }

    async fn make_histories(&mut self, start: NaiveDate) -> anyhow::Result<()> {
        let (farms, lots, days) = SIZE;
        let herd = Herd::try_new(farms, lots, days, start, 1)?;
        let plan = Histories { faults: FAULTS.parse()?, ..Histories::new(herd) };
        let out = self.dir.join("histories");
        let size = format!("--farms {farms} --lots {lots} --days {days} --start {start} --seed 1 --faults {FAULTS}");
        let commands = vec![self.commands.generate(&size)];
        self.begin("Generate four weeks of history for two farms", commands);
        let (progress, cancel) = (self.progress.clone(), self.cancel.clone());
        let work = move || generate::run(&plan, Destination::Dir(out), IfExists::Replace, &progress, &cancel);
        let made = tokio::task::spawn_blocking(work).await??;
        self.end(&made);
        Ok(())
    }

    async fn publish(&mut self) -> anyhow::Result<()> {
        let commands = vec![self.commands.init(), self.commands.publish()];
        self.begin(
            "Publish them; the intake stores them in lake and warehouse and quarantines malformed ones",
            commands,
        );
        self.lake.create()?;
        let warehouse = self.warehouse();
        warehouse.init().await?;
        let intake = Intake::open(Arc::clone(&self.lake) as Arc<dyn Lake>, warehouse, Rules::default()).await?;
        let mut paths = fs::read_dir(self.dir.join("histories"))?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        let settings =
            publish::Settings { concurrency: 3, on_invalid: OnInvalid::Send, ..publish::Settings::default() };
        let source = Messages::Files(Inputs::unchecked(paths, InputSettings::default()));
        let topic = Arc::new(Local::new(intake));
        let published = publish::run(source, topic, settings, self.progress, self.cancel).await?;
        self.end(&published);
        Ok(())
    }

    async fn compact(&mut self) -> anyhow::Result<()> {
        let commands = vec![self.commands.compact()];
        self.begin("Compact the lake into Parquet parts, from which later steps read it", commands);
        let compaction = Compaction::of(Arc::clone(&self.lake) as Arc<dyn Lake>);
        let compacted = crate::compact::run(&compaction, self.progress, self.cancel).await?;
        self.end(&compacted);
        Ok(())
    }

    async fn lose_the_warehouse(&mut self) -> anyhow::Result<()> {
        let commands = vec![self.commands.delete_warehouse()];
        self.begin("Delete the warehouse", commands);
        let rows = self.warehouse().status().await?.rows.unwrap_or_default();
        self.warehouse().close().await; // leaves a single file, without a write-ahead log
        fs::remove_file(self.dir.join("warehouse.db"))?;
        self.end_with_text(&[format!("{} deleted with the file", counted(rows, "row was", "rows were"))]);
        Ok(())
    }

    async fn replay(&mut self) -> anyhow::Result<()> {
        let commands = vec![self.commands.init(), self.commands.on_stores("replay", "--verify")];
        self.begin("Replay the lake and verify every row", commands);
        let warehouse = self.warehouse();
        warehouse.init().await?;
        let plan = Plan::new(ReplaySource::of(Arc::clone(&self.lake) as Arc<dyn Lake>)).await?;
        let replay = Replay { verify: true, ..Replay::new(plan, warehouse) };
        let replayed = crate::replay::run(replay, self.progress, self.cancel).await?;
        self.end(&replayed);
        Ok(())
    }

    /// Runs an audit, and the repair if requested. Returns true if the audit found nothing.
    async fn audit(&mut self, title: &str, mode: AuditMode) -> anyhow::Result<bool> {
        let command = match mode {
            AuditMode::Check => self.commands.on_stores("reconcile", ""),
            AuditMode::Report => self.commands.report(),
            AuditMode::Repair => self.commands.repair(),
        };
        self.begin(title, vec![command]);
        let audit = self.to_audit();
        let drift = self.dir.join("drift.ndjson");
        let sink = DriftWriter::new((mode == AuditMode::Report).then_some(drift.as_path()))?;
        let (mut found, sink) = crate::reconcile::run(&audit, sink, self.progress, self.cancel).await?;
        let clean = found.is_clean();
        let findings = sink.finish(&audit.sort)?; // also flushes the file
        match mode {
            AuditMode::Check => self.end(&found),
            AuditMode::Repair => {
                let plan = self.repair_plan(&found);
                found.repaired = repair(&audit, &findings, &plan, self.progress, self.cancel).await?;
                let json = Rendered::of(&found).json;
                let meaning = "the audit before the repair found drift";
                let result = self.outcome.end(with_exit_code(repair_text(&found), found.exit(), meaning), json);
                (self.show)(&result);
            }
            AuditMode::Report => {
                found.options.command = self.commands.on_stores("reconcile", "");
                found.options.drift_file = Some(drift.display().to_string());
                found.repairable = Some(repairable(&findings, found[Counter::Unidentified])?);
                html::write(&self.dir.join("audit.html"), &found)?;
                let Rendered { text, json, .. } = Rendered::of(&found);
                let result = self.outcome.end(text, json);
                (self.show)(&result);
            }
        }
        Ok(clean)
    }

    fn to_audit(&self) -> Audit {
        Audit {
            lake: Arc::clone(&self.lake) as Arc<dyn Lake>,
            warehouse: self.warehouse(),
            span: Span::default(),
            rules: Rules::default(),
            reads: 64,
            halt_after: None,
            quick: false,
            tolerances: Vec::new(),
            sort: SortSettings { memory: 64_000_000, dir: std::env::temp_dir() },
            cache: None,
            parts: PartsMode::default(),
            listing: None,
            truth: TruthOptions::default(),
            allow_empty: false,
        }
    }

    fn repair_plan(&self, found: &crate::reconcile::Outcome) -> Repair {
        Repair {
            direction: RepairTarget::Both,
            trust: Trust::Lake,
            dry_run: false,
            unidentified: found[Counter::Unidentified],
            max_changes: None,
            ids: found.ids(),
            undo: (self.dir.join("undo.ndjson"), TableName::default().to_string()),
        }
    }
}
