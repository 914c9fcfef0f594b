//! The SNS stub as a program, for manual use and benchmark scripts: prints its endpoint on one line, and serves until it is stopped.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use testkit::sns::{ACCESS_KEY, Config, Keep, Login, SECRET_KEY, Settings, SnsStub, TOPIC};

/// A stub of SNS for tests and benchmarks: real limits, one key pair, faults on demand, an exact account.
///
/// While it runs: GET /stats returns the counts, DELETE /stats resets them, GET /dials and PUT /dials read and set the faults
/// in JSON (only those named), GET /messages are the bodies kept.
#[derive(Debug, Parser)]
#[command(name = "ruminate-test-sns", after_help = format!("Access key {ACCESS_KEY}, secret key {SECRET_KEY}."))]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Threads that serve; 0 is one a core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// ARN of a topic that is there; can be repeated
    #[arg(long, value_name = "ARN", default_value = TOPIC)]
    topic: Vec<String>,
    /// HTTP endpoint that the first topic's messages are delivered to; can be repeated
    #[arg(long, value_name = "URL")]
    subscribe: Vec<String>,
    /// Accept any credentials and do not check signatures
    #[arg(long)]
    any_credentials: bool,
    #[command(flatten, next_help_heading = "Dials (fractions are from 0 to 1)")]
    dials: DialArgs,
}

#[derive(Debug, clap::Args)]
struct DialArgs {
    /// Chooses who is hit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Milliseconds before every answer
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    latency_ms: f64,
    /// Maximum additional latency in milliseconds, uniformly distributed
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    jitter_ms: f64,
    /// Messages a second above which calls are throttled
    #[arg(long, value_name = "N")]
    throttle_per_second: Option<u32>,
    /// Fraction of the entries that fail under a 200
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    fail_entries: f64,
    /// The code of these
    #[arg(long, value_name = "CODE", default_value = "InternalError")]
    fail_code: String,
    /// These are the sender's fault
    #[arg(long)]
    fail_sender: bool,
    /// Fraction of the calls answered 500
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    internal_error: f64,
    /// Fraction of the calls whose connection is reset with nothing done
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    reset: f64,
    /// Fraction of the calls that are carried out and not answered
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    lost_answer: f64,
    /// Seconds of each --stall-every-seconds without responses
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    stall_seconds: f64,
    /// From one stall to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    stall_every_seconds: f64,
    /// All credentials have expired
    #[arg(long)]
    expired: bool,
    /// Number of requests after which all credentials seen so far expire
    #[arg(long, value_name = "N")]
    expire_after: Option<u64>,
    /// Fraction of the deliveries that are made twice
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    deliver_twice: f64,
    /// What is kept of messages: counts, digests (repeats are known), bodies
    #[arg(long, value_name = "WHAT", default_value = "counts", value_parser = keep)]
    keep: Keep,
}

fn keep(text: &str) -> Result<Keep, String> {
    match text {
        "counts" => Ok(Keep::Counts),
        "digests" => Ok(Keep::Digests),
        "bodies" => Ok(Keep::Bodies),
        _ => Err("give counts, digests or bodies".into()),
    }
}

impl From<DialArgs> for Settings {
    fn from(args: DialArgs) -> Self {
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
            let _ = writeln!(std::io::stderr(), "sns_stub: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> Result<(), String> {
    let login = if args.any_credentials { Login::Any } else { Login::Known };
    let Args { port, threads, topic, subscribe, dials, .. } = args;
    let config = Config { port, threads, topics: topic.clone(), login, settings: dials.into() };
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
