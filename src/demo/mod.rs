//! The complete loop without servers: generate → publish → intake → delete the warehouse → replay → damage both stores
//! → reconcile → repair → clean audit. The lake is a directory, the warehouse a SQLite file, and the topic is `local`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use chrono::NaiveDate;
use sqlx::AssertSqlSafe;

use crate::cancellation::CancellationToken;
use crate::generate::{self, Destination, GeneratePlan as Histories, IfExists};
use crate::herd::Herd;
use crate::history::{InputSettings, Inputs};
use crate::progress::Progress;
use crate::publish::{self, OnInvalid, Source as Messages};
use crate::reconcile::{Audit, Counter, DriftWriter, RepairPlan as Repair, RepairTarget, Trust, TruthAsked, repair};
use crate::render::{Rendered, html};
use crate::replay::{Plan, Replay, ReplaySource};
use crate::sort::SortSettings;
use crate::topic::local::Local;
use pipeline::intake::Intake;
use pipeline::lake::dir::Dir;
use pipeline::lake::{Key, Lake, Span, list_all};
use pipeline::record::{QUARANTINE, Rules};
use pipeline::warehouse::sqlite::Sqlite;
use pipeline::warehouse::{TableName, Warehouse};

mod outcome;
mod text;

pub use outcome::{Outcome, Step};

/// Marker file: a directory that contains it belongs to a demo, so a later run may empty it.
const MARK: &str = ".ruminate-demo";
/// Farms, pens per farm, and days: about 3,000 readings, which take a few seconds.
const SIZE: (u32, u32, u32) = (2, 60, 28);
/// Injected faults: duplicate deliveries and malformed messages.
const FAULTS: &str = "duplicate=0.01,malformed=0.002";

/// What to do with the files of an earlier demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviousRun {
    /// Delete them.
    Remove,
    /// Keep them: everything exists already and stays unchanged.
    Keep,
}

/// What an audit of the demo does in addition to comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AuditMode {
    /// Nothing.
    Check,
    /// Write the report and the drift file.
    Report,
    /// Repair both sides.
    Repair,
}

/// The directory and stores of a demo, and its outcome so far.
struct Demo<'a> {
    dir: PathBuf,
    lake: Arc<Dir>,
    progress: &'a Progress,
    cancel: &'a CancellationToken,
    outcome: Outcome,
}

/// Runs the demo in `dir`.
///
/// # Errors
///
/// Returns an error if the directory contains anything other than an earlier demo, cannot be written, or a step fails.
pub async fn run(
    dir: &Path,
    earlier: PreviousRun,
    start: NaiveDate,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    prepare(dir, earlier)?;
    let outcome = Outcome {
        dir: dir.display().to_string(),
        report: dir.join("audit.html").display().to_string(),
        ..Outcome::default()
    };
    let lake = Arc::new(Dir::new(dir.join("lake")));
    let mut demo = Demo { dir: dir.to_owned(), lake, progress, cancel, outcome };
    demo.make_histories(start).await?;
    demo.publish().await?;
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

/// Returns a command's outcome as text and JSON.
fn rendered(outcome: &impl crate::outcome::CommandOutcome) -> (String, serde_json::Value) {
    let Rendered { text, json, .. } = Rendered::of(outcome);
    (text, json)
}

impl Demo<'_> {
    /// Returns the warehouse, reopened each time because the demo deletes its file in between.
    fn warehouse(&self) -> Arc<Sqlite> {
        Arc::new(Sqlite::new(&self.dir.join("warehouse.db"), TableName::default()))
    }

    fn command(&self, verb: &str, more: &str) -> String {
        let dir = self.dir.display();
        format!("ruminate {verb} --lake {dir}/lake --warehouse sqlite:{dir}/warehouse.db {more}").trim_end().to_owned()
    }

    async fn make_histories(&mut self, start: NaiveDate) -> anyhow::Result<()> {
        let (farms, lots, days) = SIZE;
        let herd = Herd::try_new(farms, lots, days, start, 1)?;
        let plan = Histories { faults: FAULTS.parse()?, ..Histories::new(herd) };
        let out = self.dir.join("histories");
        let command = format!(
            "ruminate generate --farms {farms} --lots {lots} --days {days} --start {start} --seed 1 --faults {FAULTS} --out {}",
            out.display()
        );
        let (progress, cancel) = (self.progress.clone(), self.cancel.clone());
        let work = move || generate::run(&plan, Destination::Dir(out), IfExists::Replace, &progress, &cancel);
        let made = tokio::task::spawn_blocking(work).await??;
        self.outcome.step("Generate four weeks of history for two farms", command, rendered(&made));
        Ok(())
    }

    async fn publish(&mut self) -> anyhow::Result<()> {
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
        let more = format!("--topic local --send-invalid {}/histories/*", self.dir.display());
        let title = "Publish them; the intake stores them in lake and warehouse and quarantines malformed ones";
        let mut rendered = rendered(&published);
        let aside = list_all(&*self.lake.sibling(QUARANTINE), "").await?.len();
        rendered.0.push_str(&format!(
            "  {aside} malformed messages were quarantined in {}/{QUARANTINE}\n",
            self.dir.display()
        ));
        self.outcome.step(title, self.command("publish", &more), rendered);
        Ok(())
    }

    async fn lose_the_warehouse(&mut self) -> anyhow::Result<()> {
        let rows = self.rows().await?;
        self.warehouse().close().await; // leaves a single file, without a write-ahead log
        fs::remove_file(self.dir.join("warehouse.db"))?;
        self.outcome.add_text("Delete the warehouse", &[format!("{rows} rows were deleted with the file")]);
        Ok(())
    }

    async fn rows(&self) -> anyhow::Result<u64> {
        Ok(self.warehouse().status().await?.rows.unwrap_or_default())
    }

    async fn replay(&mut self) -> anyhow::Result<()> {
        let warehouse = self.warehouse();
        warehouse.init().await?;
        let plan = Plan::new(ReplaySource::of(Arc::clone(&self.lake) as Arc<dyn Lake>)).await?;
        let replay = Replay { verify: true, ..Replay::new(plan, warehouse) };
        let replayed = crate::replay::run(replay, self.progress, self.cancel).await?;
        let command = self.command("replay", "--verify");
        self.outcome.step("Replay the lake and verify every row", command, rendered(&replayed));
        Ok(())
    }

    /// Damages both stores directly, unlike any command of this program.
    async fn damage(&mut self) -> anyhow::Result<()> {
        let warehouse = self.warehouse();
        let run = async |sql: String| sqlx::query(AssertSqlSafe(sql)).execute(warehouse.pool()).await;
        let of = |from: u32, count: u32| {
            format!(
                "id_treated_data IN (SELECT id_treated_data FROM historico_consumo ORDER BY 1 LIMIT {count} OFFSET {from})"
            )
        };
        let deleted = run(format!("DELETE FROM historico_consumo WHERE {}", of(100, 5))).await?.rows_affected();
        let changed = run(format!("UPDATE historico_consumo SET peso_medio = peso_medio + 0.001 WHERE {}", of(200, 3)));
        let changed = changed.await?.rows_affected();
        let mut keys: Vec<String> = list_all(&*self.lake, "").await?.into_iter().map(|object| object.key).collect();
        keys.sort_by_key(|key| Key::parse(key).and_then(|key| key.id)); // other records than the rows damaged above
        let lake = self.dir.join("lake");
        let hurt: Vec<&String> = keys.iter().skip(300).take(3).collect();
        let [lost, other, broken] = hurt[..] else { anyhow::bail!("the demo lake is too small to damage") };
        fs::remove_file(lake.join(lost))?;
        fs::remove_file(lake.join(other))?;
        let whole = fs::read(lake.join(broken))?;
        fs::write(lake.join(broken), &whole[..whole.len() / 2])?;
        let lines = [
            format!("{deleted} rows deleted, {changed} weights changed by a gram"),
            "2 objects removed, 1 truncated".to_owned(),
        ];
        self.outcome.add_text("Damage both stores", &lines);
        Ok(())
    }

    /// Runs an audit, and the repair if requested. Returns true if the audit found nothing.
    async fn audit(&mut self, title: &str, look: AuditMode) -> anyhow::Result<bool> {
        let audit = Audit {
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
            truth: TruthAsked::default(),
            allow_empty: false,
        };
        let drift = self.dir.join("drift.ndjson");
        let sink = DriftWriter::new((look == AuditMode::Report).then_some(drift.as_path()))?;
        let (mut found, sink) = crate::reconcile::run(&audit, sink, self.progress, self.cancel).await?;
        let clean = found.is_clean();
        match look {
            AuditMode::Check => self.outcome.step(title, self.command("reconcile", ""), rendered(&found)),
            AuditMode::Repair => {
                found.repaired = {
                    let plan = Repair {
                        direction: RepairTarget::Both,
                        trust: Trust::Lake,
                        dry_run: false,
                        unidentified: found[Counter::Unidentified],
                        max_changes: None,
                        ids: found.ids(),
                        undo: (self.dir.join("undo.ndjson"), TableName::default().to_string()),
                    };
                    repair(&audit, &sink.finish()?, &plan, self.progress, self.cancel).await?
                };
                let rendered = (found.repaired.to_string(), rendered(&found).1);
                self.outcome.step(title, self.command("reconcile", "--repair both"), rendered);
            }
            AuditMode::Report => {
                drop(sink.finish()?); // flushes the file
                found.options.command = self.command("reconcile", "");
                html::write(&self.dir.join("audit.html"), &found)?;
                let more = format!("--report {0}/audit.html --drift {0}/drift.ndjson", self.dir.display());
                self.outcome.step(title, self.command("reconcile", &more), rendered(&found));
            }
        }
        Ok(clean)
    }

    /// Moves the truncated object out of the lake, which repair must not do.
    async fn move_unreadable_object(&mut self) -> anyhow::Result<()> {
        let mut moved = Vec::new();
        for object in list_all(&*self.lake, "").await? {
            let path = self.dir.join("lake").join(&object.key);
            if pipeline::record::Record::parse(&fs::read(&path)?).is_err() {
                let aside = self.dir.join("moved-away");
                fs::create_dir_all(&aside)?;
                let name = path.file_name().map(PathBuf::from).unwrap_or_default();
                fs::rename(&path, aside.join(name))?;
                moved.push(format!("moved {} out of the lake", object.key));
            }
        }
        self.outcome.add_text("Move the unreadable object away by hand", &moved);
        Ok(())
    }
}
