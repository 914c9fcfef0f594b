//! Lookup of the readings that a truth file expects, after the watch has ended. It covers every id, published by this
//! run or not, and so also reports readings that were dropped, failed, or never sent.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::cancellation::CancellationToken;
use crate::publish::{MissingReading, TruthDelivery};
use crate::truth::{self, Entry, Expectation};
use pipeline::record::row::{Row, TableSchema};
use pipeline::retry::RetryPolicy;
use pipeline::warehouse::{Error, Warehouse};

/// Keys per lookup.
const TOGETHER: usize = 500;
/// Lookups that are read ahead of the warehouse.
const AHEAD: usize = 4;
/// Maximum number of missing readings that are reported.
const NAMED: usize = 100;

/// A reading that must be in the warehouse.
#[derive(Debug)]
struct ExpectedReading {
    id: Uuid,
    file: String,
    line: u64,
    fault: Option<String>,
}

/// Checks that the truth file is complete and usable, before anything is published.
///
/// # Errors
///
/// Returns the errors of [`truth::read_file`], with the path of the file.
pub(in super::super) fn check(path: &Path) -> anyhow::Result<()> {
    truth::read_file(path, |_| Ok(())).map(drop).with_context(|| format!("--truth {}", path.display()))
}

/// Looks up every reading that must be stored. If the lookup stops early, the result contains the reason and the counts
/// so far.
pub(super) async fn await_readings(
    path: PathBuf,
    warehouse: &dyn Warehouse,
    schema: &TableSchema,
    cancel: &CancellationToken,
) -> TruthDelivery {
    let mut expected = TruthDelivery { file: path.display().to_string(), ..TruthDelivery::default() };
    let (send, mut receive) = mpsc::channel(AHEAD);
    let reading = tokio::task::spawn_blocking(move || read(&path, &send));
    while let Some(due) = receive.recv().await {
        if cancel.is_cancelled() {
            expected.stopped = Some("interrupted".into());
            return expected;
        }
        if let Err(e) = answer(&due, warehouse, schema, &mut expected).await {
            expected.stopped = Some(e.to_string());
            return expected;
        }
    }
    let read = reading.await.map_err(anyhow::Error::from).and_then(|read| read);
    expected.stopped = read.err().map(|e| format!("{e:#}"));
    expected
}

/// Sends the readings that must be stored, in groups; fails if the receiver is gone.
fn read(path: &Path, send: &mpsc::Sender<Vec<ExpectedReading>>) -> anyhow::Result<()> {
    let mut together = Vec::with_capacity(TOGETHER);
    truth::read_file(path, |entry| {
        together.extend(due(entry));
        if together.len() == TOGETHER {
            send.blocking_send(std::mem::take(&mut together)).context("not read to its end")?;
        }
        Ok(())
    })?;
    send.blocking_send(together).context("not read to its end")
}

/// Returns the reading if it must be stored. A repeat is the same reading as the line it repeats, so it returns `None`.
fn due(entry: &Entry<'_>) -> Option<ExpectedReading> {
    let fault = entry.fault.as_deref();
    let id = entry.id.filter(|_| entry.expect == Expectation::Stored && !entry.is_repeat())?;
    let file = entry.file.as_deref().unwrap_or_default().to_owned();
    Some(ExpectedReading { id, file, line: entry.line, fault: fault.map(str::to_owned) })
}

async fn answer(
    due: &[ExpectedReading],
    warehouse: &dyn Warehouse,
    schema: &TableSchema,
    expected: &mut TruthDelivery,
) -> Result<(), Error> {
    let ids: Vec<String> = due.iter().map(|due| due.id.hyphenated().to_string()).collect();
    let rows = RetryPolicy::default().run(Error::kind, |_| warehouse.fetch(&ids, schema)).await?;
    let found: HashSet<&str> = rows.iter().map(Row::id).collect();
    for (due, id) in due.iter().zip(&ids) {
        expected.ids += 1;
        if found.contains(id.as_str()) {
            expected.arrived += 1;
            continue;
        }
        expected.missing += 1;
        let fault = due.fault.clone();
        *expected.missing_by_fault.entry(fault.clone().unwrap_or_else(|| "none".into())).or_default() += 1;
        if expected.missing_readings.len() < NAMED {
            expected.missing_readings.push(MissingReading {
                id: due.id,
                file: due.file.clone(),
                line: due.line,
                fault,
            });
        }
    }
    Ok(())
}
