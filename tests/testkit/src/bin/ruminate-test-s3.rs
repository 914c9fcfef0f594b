//! The in-process S3 service as a program, for manual use and benchmark scripts: prints its endpoint on one line, and serves until
//! it is stopped.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use testkit::s3::{ACCESS_KEY, Config, Fault, ListingFault, Policy, REGION, S3Server, SECRET_KEY, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// In-memory mock of Amazon S3 for tests, with path-style addresses and configurable faults
///
/// It prints its endpoint and runs until Ctrl-C. Nothing is stored on disk.
#[derive(Debug, Parser)]
#[command(name = "ruminate-test-s3", after_help = format!(
    "Environment for clients:\n  AWS_ENDPOINT_URL=<the printed endpoint>\n  AWS_ACCESS_KEY_ID={ACCESS_KEY}\n  \
     AWS_SECRET_ACCESS_KEY={SECRET_KEY}\n  AWS_REGION={REGION}"
))]
struct Args {
    /// Port on 127.0.0.1; 0 picks a free port
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Bucket to create (repeatable)
    #[arg(long, value_name = "NAME")]
    bucket: Vec<String>,
    /// Directory to load into the first bucket
    #[arg(long, value_name = "DIR", requires = "bucket")]
    load: Option<PathBuf>,
    /// Number of objects to create in the first bucket, named bench/HHHH/NNNNNNNN.json
    #[arg(long, value_name = "N", default_value_t = 0, requires = "bucket")]
    objects: u64,
    /// Size of each of these objects, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 400)]
    object_bytes: usize,
    /// Number of threads; 0 for one per core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    #[command(flatten, next_help_heading = "Faults (fractions are from 0 to 1)")]
    faults: FaultArgs,
}

/// Faults of the server.
#[derive(Debug, clap::Args)]
struct FaultArgs {
    /// Random seed: another seed affects other requests
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Latency of every response, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,
    /// Fraction of requests that return 503 SlowDown
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    slow_down: f64,
    /// Maximum requests per second; requests above it return 503 SlowDown
    #[arg(long, value_name = "N")]
    max_per_second: Option<u32>,
    /// Fraction of requests that return 500 InternalError
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    internal_error: f64,
    /// Fraction of requests whose connection is reset before they are processed
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    reset: f64,
    /// Fraction of requests whose connection is closed, without a reset, before they are processed
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    close: f64,
    /// Fraction of requests whose connection is reset after they were processed
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    lost_answer: f64,
    /// Fraction of response bodies that are cut in half
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    truncate: f64,
    /// Fraction of responses with status 200 and an error document
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    error_in_ok: f64,
    /// Number of requests after which all later ones fail
    #[arg(long, value_name = "N")]
    outage_after: Option<u64>,
    /// Ignore If-None-Match and overwrite, as Garage does
    #[arg(long)]
    ignore_if_none_match: bool,
    /// Show the times of objects to the millisecond, as Garage does
    #[arg(long)]
    listed_milliseconds: bool,
    /// Seconds by which the store's clock is ahead
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    clock_ahead: u64,
    /// Ignore If-Match when overwriting and deleting
    #[arg(long)]
    ignore_if_match: bool,
    /// Return 501 NotImplemented for conditional writes
    #[arg(long)]
    reject_conditions: bool,
    /// Return 403 for HEAD of an object
    #[arg(long)]
    forbid_head: bool,
    /// Key whose GET is answered with 403 (repeatable)
    #[arg(long, value_name = "KEY")]
    forbid_get: Vec<String>,
    /// Key that is listed but cannot be read (repeatable)
    #[arg(long, value_name = "KEY")]
    vanish: Vec<String>,
}

impl From<FaultArgs> for Settings {
    fn from(args: FaultArgs) -> Self {
        Settings {
            seed: args.seed,
            latency: Duration::from_millis(args.latency_ms),
            slow_down: Fault::rate(args.slow_down),
            max_per_second: args.max_per_second,
            internal_error: Fault::rate(args.internal_error),
            reset: Fault::rate(args.reset),
            close: Fault::rate(args.close),
            lost_answer: Fault::rate(args.lost_answer),
            truncate: Fault::rate(args.truncate),
            error_in_ok: Fault::rate(args.error_in_ok),
            outage_after: args.outage_after,
            ignore_if_none_match: args.ignore_if_none_match,
            listed_milliseconds: args.listed_milliseconds,
            clock_ahead: Duration::from_secs(args.clock_ahead),
            clock_behind: Duration::ZERO,
            ignore_if_match: args.ignore_if_match,
            reject_conditions: args.reject_conditions,
            forbid_head: args.forbid_head,
            forbid_get: args.forbid_get.into_iter().collect(),
            vanish: args.vanish.into_iter().collect(),
            policy: Policy::default(),
            listing: ListingFault::None,
            page_keys: None,
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
        settings: args.faults.into(),
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
    wait_until_stopped()
}

fn wait_until_stopped() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminated.recv() => Ok(()),
            interrupted = tokio::signal::ctrl_c() => interrupted,
        }
    })
}
