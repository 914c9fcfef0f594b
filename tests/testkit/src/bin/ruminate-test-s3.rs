//! The in-process S3 service as a program, for manual use and benchmark scripts: prints its endpoint on one line, and serves until
//! it is stopped.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use testkit::s3::{ACCESS_KEY, Config, Fault, Policy, REGION, S3Server, SECRET_KEY, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// An S3 server in memory, for tests: path-style addresses, one key pair, faults on demand.
#[derive(Debug, Parser)]
#[command(after_help = format!("Access key {ACCESS_KEY}, secret key {SECRET_KEY}, region {REGION}."))]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Bucket to create; can be repeated
    #[arg(long, value_name = "NAME")]
    bucket: Vec<String>,
    /// Directory to load into the first bucket
    #[arg(long, value_name = "DIR", requires = "bucket")]
    load: Option<PathBuf>,
    /// Objects to make in the first bucket, as bench/HHHH/NNNNNNNN.json
    #[arg(long, value_name = "N", default_value_t = 0, requires = "bucket")]
    objects: u64,
    /// Bytes of each of those objects
    #[arg(long, value_name = "BYTES", default_value_t = 400)]
    object_bytes: usize,
    /// Threads that serve; 0 is one a core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    #[command(flatten, next_help_heading = "Faults")]
    dials: DialArgs,
}

/// The dials; fractions are from 0 to 1.
#[derive(Debug, clap::Args)]
struct DialArgs {
    /// Chooses who is hit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Milliseconds before every answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,
    /// Fraction of requests answered 503 SlowDown
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    slow_down: f64,
    /// Requests a second above which the answer is 503 SlowDown
    #[arg(long, value_name = "N")]
    max_per_second: Option<u32>,
    /// Fraction of requests answered 500 InternalError
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    internal_error: f64,
    /// Fraction of connections reset before anything is done
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    reset: f64,
    /// Fraction of connections reset after the request was carried out
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    lost_answer: f64,
    /// Fraction of bodies cut in half
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    truncate: f64,
    /// Fraction of answers that are an error document under a 200
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    error_in_ok: f64,
    /// Requests after which every other fails
    #[arg(long, value_name = "N")]
    outage_after: Option<u64>,
    /// Overwrite in spite of If-None-Match, as Garage does
    #[arg(long)]
    ignore_if_none_match: bool,
    /// Show the times of objects to the millisecond, as Garage does
    #[arg(long)]
    listed_milliseconds: bool,
    /// Seconds by which the store's clock is ahead
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    clock_ahead: u64,
    /// Overwrite and delete in spite of If-Match
    #[arg(long)]
    ignore_if_match: bool,
    /// Answer conditional writes with 501 NotImplemented
    #[arg(long)]
    reject_conditions: bool,
    /// Answer HEAD of an object with 403
    #[arg(long)]
    forbid_head: bool,
    /// Key whose GET is answered with 403; can be repeated
    #[arg(long, value_name = "KEY")]
    forbid_get: Vec<String>,
    /// Key that is listed but cannot be read; can be repeated
    #[arg(long, value_name = "KEY")]
    vanish: Vec<String>,
}

impl From<DialArgs> for Settings {
    fn from(args: DialArgs) -> Self {
        Settings {
            seed: args.seed,
            latency: Duration::from_millis(args.latency_ms),
            slow_down: Fault::rate(args.slow_down),
            max_per_second: args.max_per_second,
            internal_error: Fault::rate(args.internal_error),
            reset: Fault::rate(args.reset),
            lost_answer: Fault::rate(args.lost_answer),
            truncate: Fault::rate(args.truncate),
            error_in_ok: Fault::rate(args.error_in_ok),
            outage_after: args.outage_after,
            ignore_if_none_match: args.ignore_if_none_match,
            listed_milliseconds: args.listed_milliseconds,
            clock_ahead: Duration::from_secs(args.clock_ahead),
            ignore_if_match: args.ignore_if_match,
            reject_conditions: args.reject_conditions,
            forbid_head: args.forbid_head,
            forbid_get: args.forbid_get.into_iter().collect(),
            vanish: args.vanish.into_iter().collect(),
            policy: Policy::default(),
        }
    }
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ruminate-test-s3: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> std::io::Result<()> {
    let server = S3Server::try_start(Config {
        port: args.port,
        threads: args.threads,
        buckets: args.bucket.clone(),
        settings: args.dials.into(),
        ..Config::default()
    })?;
    if let Some(bucket) = args.bucket.first() {
        if let Some(dir) = &args.load {
            server.store().load_dir(bucket, "", dir)?;
        }
        for n in 0..args.objects {
            let key = format!("bench/{:04}/{n:08}.json", n / 1_000);
            server.store().put(bucket, &key, format!("{n:0width$}", width = args.object_bytes));
        }
    }
    writeln!(std::io::stdout(), "{}", server.endpoint())?;
    wait_for_the_end()
}

fn wait_for_the_end() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminated.recv() => Ok(()),
            interrupted = tokio::signal::ctrl_c() => interrupted,
        }
    })
}
