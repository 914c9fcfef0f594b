//! The toolkit as a Lambda: a state machine plans a run, runs each shard as an invocation, and merges.
//!
//! | event | command |
//! | --- | --- |
//! | `{"run": RUN, "plan": ["reconcile", …]}` | `ruminate plan reconcile … --out RUN` |
//! | the same with `"reuse": true` | the same, unless the run has a plan of this job: then nothing, with success |
//! | `{"run": RUN, "shard": K}` | `ruminate shard RUN --shard K`, which stops before the function's deadline |
//! | `{"run": RUN, "merge": […]}` | `ruminate merge RUN …`; its evidence is written to the run |
//!
//! The variables of the function name the stores. The response has the exit code and the counts of the
//! outcome. Errors have two names, so that a state machine knows what to retry: `Interrupted` and `CannotRun`.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use lambda_runtime::{Diagnostic, LambdaEvent};
use pipeline::lake::LakeUrl;
use ruminate::cancellation::CancellationToken;
use ruminate::cli;
use ruminate::fleet::{JobSettings, Run, RunStore, is_temporary};
use ruminate::outcome::Exit;
use ruminate::render::Rendered;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Time that remains when a shard stops, to end its requests and respond.
const MARGIN: Duration = Duration::from_secs(45);

/// Event of the function: a run, and one of three steps.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Address of the run.
    pub run: String,
    /// Job to plan, with its flags.
    #[serde(default)]
    pub plan: Option<Vec<String>>,
    /// True if the run's name is used once, so that its plan can only be that of an earlier attempt, which is then used.
    #[serde(default)]
    pub reuse: bool,
    /// Number of the shard to run.
    #[serde(default)]
    pub shard: Option<u32>,
    /// Flags of the merge.
    #[serde(default)]
    pub merge: Option<Vec<String>>,
}

/// Failure of an event, by its name in a state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The step was interrupted: a retry can succeed.
    Interrupted(String),
    /// The step cannot run: a retry cannot succeed.
    CannotRun(String),
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        let (name, message) = match failure {
            Failure::Interrupted(message) => ("Interrupted", message),
            Failure::CannotRun(message) => ("CannotRun", message),
        };
        Self { error_type: name.to_owned(), error_message: bounded(message) }
    }
}

/// Maximum length of an error, in bytes. A state machine limits causes to 32,768 characters, and could not parse a longer
/// one for the alarm. `ruminate merge` prints all of it.
const LONGEST: usize = 6_000;

/// Returns a message that is not longer than an error may be.
fn bounded(message: String) -> String {
    match message.len() {
        0..=LONGEST => message,
        _ => format!("{} …", &message[..message.floor_char_boundary(LONGEST)]),
    }
}

/// Handles an event of the runtime.
///
/// # Errors
/// Returns the failure of the step.
pub async fn serve(event: LambdaEvent<Value>) -> Result<Value, Failure> {
    let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    answer(event.payload, left).await
}

/// Handles an event within the remaining time.
///
/// # Errors
/// Returns the failure of the step.
pub async fn answer(payload: Value, left: Duration) -> Result<Value, Failure> {
    let event: Event =
        serde_json::from_value(payload).map_err(|e| Failure::CannotRun(format!("the event is not valid: {e}")))?;
    match (&event.plan, event.shard, &event.merge) {
        (Some(job), None, None) => plan(&event, job, left).await,
        (None, Some(shard), None) => {
            let stop = left.saturating_sub(MARGIN).max(Duration::from_secs(1));
            let words =
                ["shard", &event.run, "--shard", &shard.to_string(), "--stop-before", &format!("{}s", stop.as_secs())];
            summary(&run(&words.map(str::to_owned), left).await?, &event.run)
        }
        (None, None, Some(flags)) => merge(&event.run, flags, left).await,
        _ => Err(Failure::CannotRun("the event must have exactly one of plan, shard and merge".to_owned())),
    }
}

/// Plans a run, or uses the plan of an earlier attempt: a state machine repeats an invocation whose response was lost.
async fn plan(event: &Event, job: &[String], left: Duration) -> Result<Value, Failure> {
    if event.reuse
        && let Some(planned) = planned(&event.run, job).await.map_err(|e| failure(&e))?
    {
        return Ok(planned);
    }
    let words = [&["plan".to_owned()], job, &["--out".to_owned(), event.run.clone()]].concat();
    summary(&run(&words, left).await?, &event.run)
}

/// Returns the response for a run that has a plan of this job. `None` if it has no plan.
async fn planned(run_url: &str, job: &[String]) -> anyhow::Result<Option<Value>> {
    let url: LakeUrl = run_url.parse().map_err(|e: String| anyhow::anyhow!(e))?;
    let Some(run) = Run::find(RunStore::new(cli::open_files(&url).await?)).await? else { return Ok(None) };
    let planned = run.plan.job.name();
    anyhow::ensure!(
        job.first().is_some_and(|name| name == planned),
        "the run {run_url} has a plan already, of another job ({planned}): give another run"
    );
    Ok(Some(json!({
        "job": planned, "run": run_url, "plan_id": run.plan_id, "shards": run.plan.shards, "exit": Exit::Clean.code()
    })))
}

/// Flags of a merge whose files would be lost with the function's disk.
const FLAGS_WITH_FILES: [&str; 5] = ["--repair", "--undo-file", "--drift", "--report", "--evidence"];

/// Merges, and writes the evidence of an audit to the run.
async fn merge(run_url: &str, flags: &[String], left: Duration) -> Result<Value, Failure> {
    if let Some(flag) =
        FLAGS_WITH_FILES.iter().find(|flag| flags.iter().any(|word| word.split('=').next() == Some(flag)))
    {
        let why = format!("the function has no permanent disk for the file of {flag}: run `ruminate merge` elsewhere");
        return Err(Failure::CannotRun(why));
    }
    let is_audit = is_audit(run_url).await.map_err(|e| failure(&e))?;
    let dir = tempfile::tempdir().map_err(|e| Failure::CannotRun(format!("no temporary directory: {e}")))?;
    let evidence = dir.path().join("evidence");
    let named = evidence.display().to_string();
    let mut words = [&["merge".to_owned(), run_url.to_owned()], flags].concat();
    if is_audit {
        words.extend(["--evidence".to_owned(), named]);
    }
    let rendered = run(&words, left).await?;
    let mut summary = summary(&rendered, run_url)?;
    if evidence.is_dir() {
        let id = rendered.json().pointer("/run/id").and_then(Value::as_str).unwrap_or("merge");
        let name = format!("evidence/{id}");
        upload(&evidence, run_url, &name).await.map_err(|e| Failure::Interrupted(format!("{e:#}")))?;
        summary["evidence"] = json!(format!("{}/{name}", run_url.trim_end_matches('/')));
    }
    Ok(summary)
}

/// Returns true if a run is that of an audit.
async fn is_audit(run_url: &str) -> anyhow::Result<bool> {
    let url: LakeUrl = run_url.parse().map_err(|e: String| anyhow::anyhow!(e))?;
    let run = Run::open(RunStore::new(cli::open_files(&url).await?)).await?;
    Ok(matches!(run.plan.job, JobSettings::Reconcile(_)))
}

/// Writes the files of a directory to the run.
async fn upload(dir: &std::path::Path, run_url: &str, name: &str) -> anyhow::Result<()> {
    let url: LakeUrl = run_url.parse().map_err(|e: String| anyhow::anyhow!(e))?;
    let store = cli::open_files(&url).await?;
    let mut files = tokio::fs::read_dir(dir).await.context("the evidence cannot be read back")?;
    while let Some(file) = files.next_entry().await? {
        let content = tokio::fs::read(file.path()).await?;
        store.put_new(&format!("{name}/{}", file.file_name().to_string_lossy()), content.into()).await?;
    }
    Ok(())
}

/// Runs a command of the toolkit, and stops it before the deadline.
async fn run(words: &[String], left: Duration) -> Result<Rendered, Failure> {
    let Some(time) = left.checked_sub(MARGIN / 2) else {
        return Err(Failure::Interrupted("the function has too little time: set its timeout to 15 minutes".to_owned()));
    };
    let cancel = CancellationToken::default();
    let timer = cancel.clone();
    let timer = tokio::spawn(async move {
        tokio::time::sleep(time).await;
        timer.cancel();
    });
    let ran = cli::run_words(words, cancel).await;
    timer.abort();
    let rendered = ran.map_err(|e| failure(&e))?;
    match rendered.exit {
        Exit::Clean | Exit::Findings => Ok(rendered),
        Exit::Stopped => Err(Failure::Interrupted(rendered.text().trim_end().to_owned())),
        Exit::CouldNotRun => Err(Failure::CannotRun(rendered.text().trim_end().to_owned())),
    }
}

fn failure(e: &anyhow::Error) -> Failure {
    let why = format!("{e:#}");
    if is_temporary(e) { Failure::Interrupted(why) } else { Failure::CannotRun(why) }
}

/// Returns the exit code and the counts of an outcome; a response has a limited size.
fn summary(rendered: &Rendered, run: &str) -> Result<Value, Failure> {
    let mut summary = Map::new();
    if let Value::Object(outcome) = rendered.json() {
        let counts = outcome.iter().filter(|(_, value)| value.is_number() || value.is_string() || value.is_boolean());
        summary.extend(counts.map(|(name, value)| (name.clone(), value.clone())));
    }
    summary.insert("run".to_owned(), json!(run));
    summary.insert("exit".to_owned(), json!(rendered.exit.code()));
    Ok(Value::Object(summary))
}
