//! Writes a part into a temporary file: rows of the previous part, and objects that are read, in the order of their
//! keys.
//!
//! The listing is compared piece by piece, objects are read concurrently and returned in their order, and one thread
//! encodes. Memory depends on these three, not on the size of the part.

use std::collections::VecDeque;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;

use futures::stream::{FuturesOrdered, StreamExt};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

use super::fetch::{Fetched, Fetcher, batches};
use super::source::{Source, WithoutRow};
use super::token_age::TokenAge;
use super::write_error::{WriteError, failed};
use super::{Bodies, Compaction, Counter, Outcome};
use crate::cancellation::CancellationToken;
use crate::parts::{Footer, Part, PartName, PartRow, PartWriter, Written};
use crate::progress::Stage;
use crate::reader::Reader;

/// Maximum number of batches between the reads and the thread that encodes.
const ON_THE_WAY: usize = 4;

/// Inputs of a rewrite.
#[derive(Clone, Copy)]
pub(super) struct Rewrite<'a> {
    pub settings: &'a Compaction,
    pub reader: &'a Reader,
    pub token_age: TokenAge,
    pub stage: &'a Stage,
    pub cancel: &'a CancellationToken,
}

/// A part in a temporary file.
#[derive(Debug)]
pub(super) struct Rewritten {
    pub file: NamedTempFile,
    pub footer: Footer,
    pub tally: Outcome,
    /// Rows of the previous part whose objects no longer exist.
    pub dropped: u64,
}

impl Rewrite<'_> {
    /// Writes a part, with the rows of unchanged objects from the previous part.
    pub(super) async fn run(&self, name: &PartName, before: Option<&Arc<Part>>) -> Result<Rewritten, WriteError> {
        let (rows, received) = mpsc::channel(ON_THE_WAY);
        let mut file = tempfile::Builder::new();
        let encoder = Encoder {
            name: name.clone(),
            lake: self.settings.lake.location(),
            bodies: self.settings.bodies,
            most: if name.day.is_some() { u64::MAX } else { self.settings.month_rows },
            file: file.prefix("ruminate-").suffix(".parquet").tempfile_in(&self.settings.temp_dir)?,
        };
        let encoding = tokio::task::spawn_blocking(move || encoder.run(received));
        let mut source = Source::open(self.settings, self.reader, name, before);
        let sent = self.send(name, &mut source, rows).await;
        let encoded = encoding.await.map_err(|e| failed(&e))?;
        sent?;
        let Encoded { writer, file, object_bytes } = encoded?;
        let dropped = source.finish().await?;
        let Source { mut tally, without_row, .. } = source;
        let footer =
            tokio::task::spawn_blocking(move || finish(writer, &without_row)).await.map_err(|e| failed(&e))??;
        let rejected: u64 = footer.days.iter().map(|day| day.rejected).sum();
        tally.object_bytes = object_bytes;
        tally[Counter::InParts] += footer.rows - rejected;
        tally[Counter::Rejected] += rejected;
        tally[Counter::Fetched] = footer.rows - tally[Counter::Carried] + tally[Counter::Unreadable];
        Ok(Rewritten { file, footer, tally, dropped })
    }

    /// Lists, compares and reads all objects, and sends the rows in their order.
    async fn send(
        &self,
        name: &PartName,
        source: &mut Source<'_>,
        rows: mpsc::Sender<Vec<PartRow>>,
    ) -> Result<(), WriteError> {
        let size = self.settings.lake.read_hints().batch_size.max(1);
        let at_once = self.settings.reads.div_ceil(size).max(1);
        let fetcher = Fetcher { reader: self.reader.clone(), token_age: self.token_age, bodies: self.settings.bodies };
        let (mut reads, mut waiting, mut is_listed) = (FuturesOrdered::new(), VecDeque::new(), false);
        loop {
            while reads.len() < at_once {
                if waiting.is_empty() && !is_listed {
                    let slots = source.next().await?;
                    is_listed = slots.is_none();
                    waiting.extend(batches(slots.unwrap_or_default(), size));
                }
                let Some(batch) = waiting.pop_front() else { break };
                let fetcher = fetcher.clone();
                reads.push_back(tokio::spawn(async move { fetcher.read(batch).await }));
            }
            let Some(read) = reads.next().await else { return Ok(()) };
            if self.cancel.is_cancelled() {
                return Err(WriteError::Cancelled);
            }
            let read: Vec<Fetched> = read.map_err(|e| failed(&e))??;
            self.stage.add(read.len() as u64);
            let (tally, without_row) = (&mut source.tally, &mut source.without_row);
            let batch = read.into_iter().filter_map(|read| read.into_row(name, tally, without_row)).collect();
            if rows.send(batch).await.is_err() {
                return Ok(()); // the encoder has the reason
            }
        }
    }
}

/// Writer of a part's file.
type FileWriter = PartWriter<BufWriter<std::fs::File>>;

/// The thread that encodes.
struct Encoder {
    name: PartName,
    lake: String,
    bodies: Bodies,
    /// Maximum number of rows.
    most: u64,
    file: NamedTempFile,
}

/// All rows of a part, without its footer.
struct Encoded {
    writer: FileWriter,
    file: NamedTempFile,
    object_bytes: u64,
}

impl Encoder {
    fn run(self, mut rows: mpsc::Receiver<Vec<PartRow>>) -> Result<Encoded, WriteError> {
        let out = BufWriter::new(self.file.reopen()?);
        let mut writer = PartWriter::new(out, &self.name, &self.lake, self.bodies == Bodies::Keep)?;
        let mut object_bytes = 0;
        while let Some(batch) = rows.blocking_recv() {
            for row in batch {
                if writer.rows() >= self.most {
                    return Err(WriteError::TooManyRows);
                }
                object_bytes += row.size;
                writer.push(&row)?;
            }
        }
        Ok(Encoded { writer, file: self.file, object_bytes })
    }
}

fn finish(writer: FileWriter, without_row: &WithoutRow) -> Result<Footer, WriteError> {
    let Written { footer, mut out } = writer.finish(without_row)?;
    out.flush()?;
    Ok(footer)
}
