//! Cost of a sandbox: start, memory, CPU and time per message, with a local MySQL and an S3 in this process.
//!
//! `benches/lambda/run` builds its dependencies and runs it; the figures are in `benches/RESULTS.md`.
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "a benchmark")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pipeline::retry::RetryPolicy;
use pipeline::warehouse::mysql::MySql;
use pipeline::warehouse::{TableName, Warehouse};
use testkit::lambda::events::{reading, sns, sqs};
use testkit::lambda::sandbox::{Sandbox, rds};
use testkit::s3::S3Server;
use testkit::{Database, MYSQL};

const STARTS: usize = 41;
const MESSAGES: u32 = 3_000;
const BATCH: u32 = 10;

/// A kind of sandbox: its name and its program.
struct Rival {
    name: String,
    program: PathBuf,
    warm_up: u32,
}

#[tokio::main]
async fn main() {
    let rivals = std::env::args().skip(1).map(|arg| {
        let (name, program) = arg.split_once('=').expect("arguments are NAME=PROGRAM");
        Rival { name: name.to_owned(), program: program.into(), warm_up: 20 }
    });
    println!(
        "| sandbox | start to first `next`, ms: median, worst of {STARTS} | RSS at start, after {MESSAGES} messages, MB | program, MB |"
    );
    println!("| --- | --- | --- | --- |");
    let mut costs = Vec::new();
    for rival in rivals {
        costs.extend(measure(&rival).await);
    }
    println!("\n| sandbox, messages an event | CPU a message, ms | event: p50, p99, worst, ms |");
    println!("| --- | --- | --- |");
    costs.iter().for_each(|line| println!("{line}"));
}

async fn measure(rival: &Rival) -> Vec<String> {
    let database = Database::new(MYSQL).await;
    let url = database.url().parse().expect("a test database has an address");
    let table = MySql::new(&url, TableName::default(), 1, RetryPolicy::NO_RETRY).expect("the address can be read");
    table.init().await.expect("the table can be made");
    let s3 = S3Server::with_bucket("lake");
    let mut env = rds(&database.url());
    env.extend(s3.env().map(|(name, value)| (name.to_owned(), value)));
    env.push(("RUMINATE_LAKE".into(), "s3://lake/historico_diario".into()));

    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let sandbox = Sandbox::start(&rival.program, &env).await;
        sandbox.api.polled().await;
        starts.push(started.elapsed());
    }
    let sandbox = Sandbox::start(&rival.program, &env).await;
    sandbox.api.polled().await;
    let rss_at_start = rss(&sandbox);
    let mut numbers = 0..;
    let mut next = |count: u32| -> Vec<String> { numbers.by_ref().take(count as usize).map(reading).collect() };
    for message in next(rival.warm_up) {
        sandbox.api.invoke(sns("warm", &message)).await.expect("the Lambda takes a good message");
    }
    let singles: Vec<String> = next(MESSAGES).iter().map(|message| sns("m", message)).collect();
    let one = run(&sandbox, singles, 1).await;
    let batch = |messages: Vec<String>| sqs(messages.iter().map(|message| ("m", message.as_str())));
    let batches: Vec<String> = (0..MESSAGES / BATCH).map(|_| batch(next(BATCH))).collect();
    let ten = run(&sandbox, batches, BATCH).await;
    let rows = database.count("SELECT COUNT(*) FROM historico_consumo").await;
    let stored = i64::from(rival.warm_up + 2 * MESSAGES);
    assert_eq!(
        (rows, s3.store().list("lake", "historico_diario").len() as i64),
        (stored, stored),
        "all is stored, once"
    );
    database.drop().await;

    starts.sort();
    let size = std::fs::metadata(&rival.program).expect("the program is there").len() as f64 / 1e6;
    let (median, worst) = (ms(starts[STARTS / 2]), ms(starts[STARTS - 1]));
    println!("| {} | {median:.1}, {worst:.1} | {rss_at_start:.1}, {:.1} | {size:.1} |", rival.name, rss(&sandbox));
    [(1, one), (BATCH, ten)].map(|(count, cost)| format!("| {}, {count} | {cost} |", rival.name)).into()
}

/// Runs events one after the other. Returns CPU per message and the times of events, as cells of the table.
async fn run(sandbox: &Sandbox, events: Vec<String>, messages: u32) -> String {
    let (count, before) = (events.len(), cpu(sandbox));
    let mut times = Vec::with_capacity(count);
    for event in events {
        let (answer, took) = sandbox.api.invoke_within(event, Duration::from_secs(30)).await;
        answer.expect("the Lambda takes good messages");
        times.push(took);
    }
    let cpu = (cpu(sandbox) - before) / (count as f64 * f64::from(messages));
    times.sort();
    let at = |share: f64| ms(times[((count - 1) as f64 * share) as usize]);
    format!("{cpu:.3} | {:.2}, {:.2}, {:.2}", at(0.5), at(0.99), at(1.0))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns the current memory in megabytes.
fn rss(sandbox: &Sandbox) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sandbox.child.id())).expect("the sandbox runs");
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.expect("a process has an RSS") * 1024.0 / 1e6
}

/// Returns the CPU milliseconds of all threads so far, by the scheduler's clock.
fn cpu(sandbox: &Sandbox) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{}/task", sandbox.child.id())).expect("the sandbox runs");
    let spent = threads.map(|thread| {
        // A thread that has ended in the meantime used no more CPU.
        let spent =
            thread.and_then(|thread| std::fs::read_to_string(thread.path().join("schedstat"))).unwrap_or_default();
        spent.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0)
    });
    spent.sum::<f64>() / 1e6
}
