//! The SNS stub as a program, for manual use and benchmark scripts: prints its endpoint on one line, and serves until it is stopped.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use testkit::sns::{ACCESS_KEY, Config, Keep, Login, SECRET_KEY, Settings, SnsStub, TOPIC};

/// Mock of Amazon SNS for load tests and demos, with the limits of SNS, configurable faults and exact counts
///
/// It prints its endpoint and runs until Ctrl-C. Messages are counted and delivered only to the endpoints of --subscribe:
/// without it, nothing reaches a lake or a warehouse.
///
/// While it runs, GET /stats returns the counts and DELETE /stats resets them; GET /faults returns the faults as JSON, and PUT
/// /faults changes those that are named; GET /messages returns the stored messages (--keep bodies).
#[derive(Debug, Parser)]
#[command(name = "ruminate-test-sns", after_help = format!(
    "Environment for clients:\n  AWS_ENDPOINT_URL=<the printed endpoint>\n  AWS_ACCESS_KEY_ID={ACCESS_KEY}\n  \
     AWS_SECRET_ACCESS_KEY={SECRET_KEY}"
))]
struct Args {
    /// Port on 127.0.0.1; 0 picks a free port
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Number of threads; 0 for one per core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// ARN of an existing topic (repeatable)
    #[arg(long, value_name = "ARN", default_value = TOPIC)]
    topic: Vec<String>,
    /// HTTP endpoint to which messages of the first topic are delivered (repeatable)
    #[arg(long, value_name = "URL")]
    subscribe: Vec<String>,
    /// Accept any credentials and do not check signatures
    #[arg(long)]
    any_credentials: bool,
    #[command(flatten, next_help_heading = "Faults (fractions are from 0 to 1)")]
    faults: FaultArgs,
}

#[derive(Debug, clap::Args)]
struct FaultArgs {
    /// Random seed: another seed affects other messages
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Latency of every response, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    latency_ms: f64,
    /// Maximum additional latency in milliseconds, uniformly distributed
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    jitter_ms: f64,
    /// Maximum messages per second; requests above it are throttled
    #[arg(long, value_name = "N")]
    throttle_per_second: Option<u32>,
    /// Fraction of batch entries that fail although the request succeeds
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    fail_entries: f64,
    /// Error code of failed entries
    #[arg(long, value_name = "CODE", default_value = "InternalError")]
    fail_code: String,
    /// Mark failed entries as the sender's fault, so that clients do not retry them
    #[arg(long)]
    fail_sender: bool,
    /// Fraction of requests that return status 500
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    internal_error: f64,
    /// Fraction of requests whose connection is reset before they are processed
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    reset: f64,
    /// Fraction of requests whose connection is closed, without a reset, before they are processed
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    close: f64,
    /// Fraction of requests that are processed, but get no response
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    lost_answer: f64,
    /// Duration of each stall, during which there are no responses, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    stall_seconds: f64,
    /// Interval between the starts of two stalls, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    stall_every_seconds: f64,
    /// Reject all credentials as expired
    #[arg(long)]
    expired: bool,
    /// After N requests, reject all credentials used so far as expired
    #[arg(long, value_name = "N")]
    expire_after: Option<u64>,
    /// Fraction of deliveries that are made twice
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    deliver_twice: f64,
    /// What to store of messages: counts, digests (to detect repeats) or bodies
    #[arg(long, value_name = "WHAT", default_value = "counts", value_parser = keep)]
    keep: Keep,
}

fn keep(text: &str) -> Result<Keep, String> {
    match text {
        "counts" => Ok(Keep::Counts),
        "digests" => Ok(Keep::Digests),
        "bodies" => Ok(Keep::Bodies),
        _ => Err("use counts, digests or bodies".into()),
    }
}

impl From<FaultArgs> for Settings {
    fn from(args: FaultArgs) -> Self {
        Settings {
            seed: args.seed,
            latency_ms: args.latency_ms,
            jitter_ms: args.jitter_ms,
            throttle_per_second: args.throttle_per_second,
            fail_entries: args.fail_entries,
            fail_code: args.fail_code,
            fail_sender: args.fail_sender,
            internal_error: args.internal_error,
            reset: args.reset,
            close: args.close,
            lost_answer: args.lost_answer,
            stall_seconds: args.stall_seconds,
            stall_every_seconds: args.stall_every_seconds,
            expired: args.expired,
            expire_after: args.expire_after,
            deliver_twice: args.deliver_twice,
            keep: args.keep,
            ..Settings::default()
        }
    }
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "ruminate-test-sns: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> Result<(), String> {
    let login = if args.any_credentials { Login::Any } else { Login::Known };
    let Args { port, threads, topic, subscribe, faults, .. } = args;
    let config = Config { port, threads, topics: topic.clone(), login, settings: faults.into() };
    let stub = SnsStub::try_start(config).map_err(|e| e.to_string())?;
    for url in &subscribe {
        stub.subscribe(&topic[0], url, &[]).map_err(|why| format!("{url}: {why}"))?;
    }
    writeln!(std::io::stdout(), "{}", stub.endpoint()).map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(until_stopped()).map_err(|e| e.to_string())
}

#[cfg(unix)]
async fn until_stopped() -> std::io::Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[cfg(not(unix))]
async fn until_stopped() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
