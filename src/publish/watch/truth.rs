//! What a truth file says must arrive, looked up in the warehouse once everything has had its time. Asks for every id, whether this
//! run published it or not, so that it also tells of what was dropped, failed, or never sent.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::cancellation::CancellationToken;
use crate::herd::Fault;
use crate::publish::{MissingReading, TruthDelivery};
use crate::truth::{self, Entry, Expectation};
use pipeline::record::row::{Row, TableSchema};
use pipeline::retry::RetryPolicy;
use pipeline::warehouse::{Error, Warehouse};

/// Keys of one look.
const TOGETHER: usize = 500;
/// Looks that are read ahead of the warehouse.
const AHEAD: usize = 4;
/// Missing readings that are named.
const NAMED: usize = 100;

/// A reading that must be in the warehouse.
#[derive(Debug)]
struct ExpectedReading {
    id: Uuid,
    file: String,
    line: u64,
    fault: Option<String>,
}

/// Whether the file is whole and can prove something, told before anything is published.
///
/// # Errors
/// As [`truth::read_file`]; the file is named.
pub(in super::super) fn check(path: &Path) -> anyhow::Result<()> {
    truth::read_file(path, |_| Ok(())).map(drop).with_context(|| format!("--truth {}", path.display()))
}

/// Looks for every reading that must be stored; what cannot be looked for to the end says why, and what was seen until then.
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
        if stop.is_cancelled() {
            expected.stopped = Some("asked to stop".into());
            return expected;
        }
        if let Err(e) = answer(&due, warehouse, shape, &mut expected).await {
            expected.stopped = Some(e.to_string());
            return expected;
        }
    }
    let read = reading.await.map_err(anyhow::Error::from).and_then(|read| read);
    expected.stopped = read.err().map(|e| format!("{e:#}"));
    expected
}

/// Hands over the readings that must be stored, some at a time; ends early where nobody listens.
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

/// The reading, where it must be stored; a repeat is the same reading as the line it repeats.
fn due(entry: &Entry<'_>) -> Option<ExpectedReading> {
    let fault = entry.fault.as_deref();
    let is_repeat = fault == Some(Fault::Duplicate.name());
    let id = entry.id.filter(|_| entry.expect == Expectation::Stored && !is_repeat)?;
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
    let rows = RetryPolicy::default().run(Error::kind, |_| warehouse.fetch(&ids, shape)).await?;
    let found: HashSet<&str> = rows.iter().map(Row::id).collect();
    for (due, id) in due.iter().zip(&ids) {
        expected.ids += 1;
        if found.contains(id.as_str()) {
            expected.arrived += 1;
            continue;
        }
        expected.missing += 1;
        let fault = due.fault.clone();
        *expected.missing_of.entry(fault.clone().unwrap_or_else(|| "none".into())).or_default() += 1;
        if expected.readings.len() < NAMED {
            expected.readings.push(MissingReading { id: due.id, file: due.file.clone(), line: due.line, fault });
        }
    }
    Ok(())
}
