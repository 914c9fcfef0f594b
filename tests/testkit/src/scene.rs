//! The real binary in a directory and an environment of a single test, and the result of a run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::s3::S3Server;

pub const BUCKET: &str = "historico-consumo-fazendas";
pub const PREFIX: &str = "historico_diario";

/// Prefixes of the variables that the binary, or the cargo that it starts, reads.
const OURS: [&str; 18] = [
    "RUMINATE_",
    "AWS_",
    "RDS_",
    "DATABASE_URL",
    "SNS_",
    "XDG_",
    "CARGO_",
    "RUSTFLAGS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "BATCH_TASK_INDEX",
    "CLOUD_RUN_TASK_INDEX",
    "JOB_COMPLETION_INDEX",
    "SLURM_ARRAY_TASK_ID",
];

/// A run of the binary: its exit code, its JSON and its stderr.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub json: Value,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Runs a command to its end.
    pub fn by(command: &mut Command) -> Self {
        Self::of(&command.output().unwrap())
    }

    pub fn of(output: &Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Self {
            code: output.status.code(),
            json: serde_json::from_str(&stdout).unwrap_or(Value::Null),
            stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts the exit code and counts of the outcome.
    #[track_caller]
    pub fn expect(&self, code: i32, counts: &[(&str, u64)]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for (name, count) in counts {
            assert_eq!(self.json[*name].as_u64(), Some(*count), "{name}: {self:#?}");
        }
        self
    }
}

/// Returns the path of a program that cargo built for this test, example or benchmark, of any package.
///
/// With a selection of tests cargo builds only the programs of its package; `cargo test --workspace`, or an earlier
/// build, updates all of them.
pub fn built(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let dir = this.parent().unwrap();
    // Tests are in target/<profile>/deps, examples in target/<profile>/examples.
    let inner = dir.ends_with("deps") || dir.ends_with("examples");
    let profile = if inner { dir.parent().unwrap() } else { dir };
    let path = profile.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing: cargo build --workspace --bins --examples", path.display());
    path
}

/// A separate directory of a test, and the environment in which the binary runs.
pub struct Scene {
    pub home: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Default for Scene {
    fn default() -> Self {
        Self { home: tempfile::tempdir().unwrap(), env: Vec::new() }
    }
}

impl Scene {
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a scene with the lake in a directory and the warehouse in a SQLite file.
    pub fn embedded() -> Self {
        let scene = Self::new();
        let lake = scene.path("lake").display().to_string();
        let warehouse = format!("sqlite:{}", scene.path("w.db").display());
        scene.with("RUMINATE_LAKE", &lake).with("RUMINATE_WAREHOUSE", &warehouse)
    }

    /// Creates a scene with the lake on the in-process S3 service.
    pub fn with_s3(mut self, s3: &S3Server) -> Self {
        self.env.extend(s3.env().map(|(name, value)| (name.to_owned(), value)));
        self.with("RUMINATE_LAKE", &format!("s3://{BUCKET}/{PREFIX}"))
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Returns the binary in this scene's environment, without variables of the toolkit from outside.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command_in(self.home.path());
        command.envs(self.env.iter().map(|(name, value)| (name, value))).args(args);
        command
    }

    /// Writes `history.json` with the readings of N farms, pens and days. Returns their number.
    pub fn history(&self, farms: u32, lots: u32, days: u32) -> u64 {
        let path = self.path("history.json");
        let elsewhere = tempfile::tempdir().unwrap(); // no config file exists
        let mut command = command_in(elsewhere.path());
        command.arg("generate");
        command.args(["--start", "2024-01-01", "--seed", "7", "--force", "--out"]).arg(&path);
        for (flag, count) in [("--farms", farms), ("--lots", lots), ("--days", days)] {
            command.arg(flag).arg(count.to_string());
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(path).unwrap().iter().filter(|byte| **byte == b'\n').count() as u64
    }

    /// Runs a statement in the SQLite warehouse of an embedded scene; returns the rows changed.
    pub fn sql(&self, text: &str) -> u64 {
        let url = format!("sqlite:{}", self.path("w.db").display());
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.unwrap().rows_affected()
        })
    }

    /// Returns the number of committed rows in the SQLite warehouse of an embedded scene; 0 without a table.
    pub fn rows(&self) -> u64 {
        let url = format!("sqlite:{}", self.path("w.db").display());
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
            let rows = sqlx::query_scalar("SELECT COUNT(*) FROM historico_consumo").fetch_one(&mut connection).await;
            sqlx::Connection::close(connection).await.unwrap();
            rows.unwrap_or(0)
        })
    }

    /// Starts the binary without waiting for it.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts the binary and ends it with `kill -9` after this time, unless it has already ended.
    pub fn kill(&self, args: &[&str], after: Duration) {
        let mut child = self.start(args);
        std::thread::sleep(after);
        let _ = child.kill();
        child.wait().unwrap();
    }

    /// Runs to the end with `--output json`.
    pub fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).args(["--output", "json"]).output().unwrap();
        Ran::of(&output)
    }

    /// Runs to the end with `--output json`, with these bytes on standard input.
    pub fn run_with_stdin(&self, args: &[&str], bytes: &[u8]) -> Ran {
        let mut command = self.command(args);
        command.args(["--output", "json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A binary that rejects the input does not read the rest of it.
        let _ = child.stdin.take().unwrap().write_all(bytes);
        Ran::of(&child.wait_with_output().unwrap())
    }

    /// Runs to the end on a disk that is full as soon as a file is larger than this.
    pub fn run_on_full_disk(&self, bytes: u64, args: &[&str]) -> Ran {
        let ran = self.command(args);
        let limited = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 512);
        let mut shell = Command::new("sh");
        shell.args(["-c", &limited, "sh"]).arg(ran.get_program()).args(ran.get_args()).args(["--output", "json"]);
        for (name, value) in ran.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        Ran::of(&shell.current_dir(self.home.path()).output().unwrap())
    }

    /// Runs to the end with text on stdout.
    pub fn text(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }
}

/// Returns the binary in a directory, without variables of the toolkit from outside.
fn command_in(home: &Path) -> Command {
    let mut command = Command::new(built("ruminate"));
    for (name, _) in std::env::vars() {
        if OURS.iter().any(|start| name.starts_with(start)) {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true").env("LC_ALL", "C.UTF-8").current_dir(home);
    command
}

/// Returns the binary in a directory, without settings and with synthetic credentials only.
pub fn ruminate(home: &Path) -> Command {
    let mut command = command_in(home);
    command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y").env("AWS_REGION", "us-east-1");
    command
}

/// Returns a report without the marks of texts that are not broken across lines.
pub fn without_marks(html: &str) -> String {
    let mut parts = html.split("<span class=\"nb\">");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + &part.replacen("</span>", "", 1))
}

/// Waits until something is so, and panics if it is not within a minute.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns a moment in `0..1` that is the same in every run of a test.
pub fn moment(n: u32) -> f64 {
    f64::from(n.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24)
}
