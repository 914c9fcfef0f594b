//! Compares sqlx and mysql_async on one server: the statements that the toolkit sends, decoded to the same values.
//!
//! `cargo run --profile dist -p ruminate-bench-mysql-driver -- mysql://USER:PASSWORD@HOST:PORT`
//!
//! Creates the database `ruminate_bench_driver` and drops it at the end. Each figure is the median of five rounds, in which
//! the drivers take turns: wall milliseconds, and CPU milliseconds of this process (Linux only).
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::error::Error;
use std::time::Instant;

use chrono::{DateTime, NaiveDateTime};
use uuid::Uuid;

mod by_mysql_async;
mod by_sqlx;

type Outcome<T> = Result<T, Box<dyn Error>>;

const DATABASE: &str = "ruminate_bench_driver";
const ROUNDS: usize = 5;
/// Rows of the table that is read.
const ROWS: usize = 200_000;
/// Ids of a lookup, and rows of an INSERT.
const BATCH: usize = 1_000;
/// Columns of a row.
const COLUMNS: usize = 13;

/// A row as the toolkit keeps it: texts, single-precision numbers, an integer and times.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    id: String,
    texts: [Option<String>; 5],
    weights: [Option<f32>; 4],
    count: i64,
    times: [NaiveDateTime; 2],
}

impl Row {
    fn sample(n: usize) -> Self {
        let seed = n as f32;
        let at = |n: usize| DateTime::from_timestamp(1_700_000_000 + n as i64, 0).unwrap_or_default().naive_utc();
        let text = |kind: &str, of: usize| Some(format!("{kind} {}", n % of));
        Self {
            id: Uuid::from_u128((n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_string(),
            texts: [text("fazenda", 20), text("curral", 400), text("dieta", 9), text("equipamento", 30), None],
            weights: [Some(seed * 0.37), Some(seed * 1.1), (!n.is_multiple_of(7)).then_some(seed), Some(0.1)],
            count: (n % 300) as i64,
            times: [at(n), at(n + 60)],
        }
    }
}

const TABLE: &str = "(id CHAR(36) PRIMARY KEY, t0 VARCHAR(255), t1 VARCHAR(255), t2 VARCHAR(255), t3 VARCHAR(255), \
    t4 VARCHAR(255), w0 FLOAT, w1 FLOAT, w2 FLOAT, w3 FLOAT, n BIGINT NOT NULL, at0 DATETIME NOT NULL, at1 DATETIME NOT NULL)";

fn select_by_ids() -> String {
    format!("SELECT * FROM source WHERE id IN ({})", vec!["?"; BATCH].join(", "))
}

fn insert() -> String {
    let row = format!("({})", ["?"; COLUMNS].join(", "));
    format!("INSERT INTO target VALUES {}", vec![row; BATCH].join(", "))
}

/// Measured tasks, and how often a round repeats each.
#[derive(Clone, Copy)]
enum Task {
    Connect,
    ConnectTls,
    SelectByIds,
    Stream,
    Insert,
}

impl Task {
    const ALL: [Self; 5] = [Self::Connect, Self::ConnectTls, Self::SelectByIds, Self::Stream, Self::Insert];

    const fn of(self) -> (&'static str, usize) {
        match self {
            Self::Connect => ("connect and close, no TLS", 100),
            Self::ConnectTls => ("connect and close, TLS", 50),
            Self::SelectByIds => ("SELECT of 1,000 ids, 13 columns", 50),
            Self::Stream => ("SELECT of 200,000 rows, streamed", 1),
            Self::Insert => ("INSERT of 1,000 rows, prepared", 20),
        }
    }
}

/// Returns the CPU milliseconds of this process's threads so far; zero if the system does not report them.
fn cpu() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<f64>().ok()
    });
    spent.sum::<f64>() / 1e6
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let address = std::env::args().nth(1).ok_or("the address of a server: mysql://USER:PASSWORD@HOST:PORT")?;
    let mut by_sqlx = by_sqlx::Driver::set_up(&address).await?;
    let mut by_mysql_async = by_mysql_async::Driver::open(&address).await?;
    let ids: Vec<String> = (0..BATCH).map(|n| Row::sample(n * (ROWS / BATCH)).id).collect();
    let rows: Vec<Row> = (0..BATCH).map(Row::sample).collect();
    assert_eq!(by_sqlx.select(&ids).await?, by_mysql_async.select(&ids).await?, "both decode the same values");
    println!("{:34} {:>5} {:>10} {:>10} {:>10} {:>10}", "", "times", "sqlx", "CPU", "mysql_async", "CPU");
    for task in Task::ALL {
        let (name, times) = task.of();
        let mut figures: [(Vec<f64>, Vec<f64>); 2] = Default::default();
        for _ in 0..ROUNDS {
            for (driver, figures) in figures.iter_mut().enumerate() {
                let (mut wall, mut spent) = (0.0, 0.0);
                for _ in 0..times {
                    if matches!(task, Task::Insert) {
                        by_sqlx.empty_target().await?;
                    }
                    let (began, before) = (Instant::now(), cpu());
                    let read = match (task, driver) {
                        (Task::Connect, 0) => by_sqlx::connect(&address, false).await?,
                        (Task::Connect, _) => by_mysql_async::connect(&address, false).await?,
                        (Task::ConnectTls, 0) => by_sqlx::connect(&address, true).await?,
                        (Task::ConnectTls, _) => by_mysql_async::connect(&address, true).await?,
                        (Task::SelectByIds, 0) => by_sqlx.select(&ids).await?.len() - BATCH,
                        (Task::SelectByIds, _) => by_mysql_async.select(&ids).await?.len() - BATCH,
                        (Task::Stream, 0) => by_sqlx.stream().await? - ROWS,
                        (Task::Stream, _) => by_mysql_async.stream().await? - ROWS,
                        (Task::Insert, 0) => by_sqlx.insert(&rows).await?,
                        (Task::Insert, _) => by_mysql_async.insert(&rows).await?,
                    };
                    wall += began.elapsed().as_secs_f64() * 1e3;
                    spent += cpu() - before;
                    assert_eq!(read, 0, "{name}: all requested rows");
                }
                figures.0.push(wall / times as f64);
                figures.1.push(spent / times as f64);
            }
        }
        let [sqlx, mysql_async] = figures.map(|(wall, cpu)| (median(wall), median(cpu)));
        println!(
            "{name:34} {times:>5} {:>10.2} {:>10.2} {:>10.2} {:>10.2}",
            sqlx.0, sqlx.1, mysql_async.0, mysql_async.1
        );
    }
    by_sqlx.tear_down().await
}
