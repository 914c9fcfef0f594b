//! Load engine: classifies and writes a part, bisects a rejected part, and reads rows again if their ids are taken.

use std::collections::VecDeque;

use super::classified::Classified;
use super::classify::{classify, compare};
use super::result::LoadResult;
use super::sink::{Fault, LookupOrder, Rows, Sink};
use crate::record::Record;
use crate::warehouse::{Error, InsertResult, Reason};

/// Part sizes of a load that reads existing rows only if an id is taken. Sizes are fixed, because each size is a
/// statement that the server prepares once.
pub(super) const BATCH_SIZES: [usize; 4] = [1_000, 100, 10, 1];

/// Maximum number of attempts for a part that other writers change.
const ATTEMPTS: u32 = 4;

/// Maximum number of attempts for a single row that others have locked.
const LOCKED: u32 = 4;

/// Number of consecutive rows with an unknown error after which the load ends, because the rows are not the cause.
const UNKNOWN: usize = 20;

/// Loads records; the sink records the result of each.
///
/// Records of one id must be adjacent, and each of them gets a result. Loading the same records again changes nothing.
///
/// # Errors
/// Returns a fault of the sink that is not caused by a single row. Records without a result may then be loaded again.
pub async fn run<S: Sink>(entries: Vec<S::Entry>, sink: &mut S) -> Result<(), S::Error> {
    let mut load = Loader { queue: VecDeque::new(), unknown: 0 };
    let parts = match sink.lookup_order() {
        LookupOrder::First => vec![entries],
        LookupOrder::WhenTaken => in_batches(entries, BATCH_SIZES[0]),
    };
    load.next(parts, 0);
    while let Some(part) = load.queue.pop_front() {
        load.load(part, sink).await?;
    }
    Ok(())
}

/// Records that are written together.
struct Part<E> {
    entries: Vec<E>,
    /// Number of attempts at which it was locked.
    tries: u32,
    /// Existing rows. `None` if they were not read.
    rows: Option<Rows>,
}

/// Load in progress.
struct Loader<E> {
    queue: VecDeque<Part<E>>,
    /// Number of consecutive rows with an unknown error.
    unknown: usize,
}

impl<E: AsRef<Record> + Send + Sync> Loader<E> {
    /// Loads a part, or splits it into parts that are put into the queue.
    async fn load<S: Sink<Entry = E>>(&mut self, part: Part<E>, sink: &mut S) -> Result<(), S::Error> {
        let Part { entries, tries, rows } = part;
        sink.begin(&entries).await?;
        let mut rows = match (rows, sink.lookup_order()) {
            (Some(rows), _) => rows,
            (None, LookupOrder::First) => sink.existing(&entries).await?,
            (None, LookupOrder::WhenTaken) => Rows::new(),
        };
        let mut given: Option<Classified> = None;
        for _ in 0..ATTEMPTS {
            let classified = given.take().unwrap_or_else(|| classify(&entries, &rows, sink));
            match sink.apply(&entries, classified).await {
                Ok(InsertResult::Inserted) => {
                    self.unknown = 0;
                    return Ok(());
                }
                Ok(InsertResult::IdTaken) => {
                    let now = sink.existing(&entries).await?;
                    if let [entry] = &*entries {
                        given = place_taken(entry, &now, sink);
                    } else if now == rows && entries.len() > 1 {
                        // The rows of these ids have not changed: another key exists, and the server does not report
                        // which one.
                        self.split(entries, tries, sink.lookup_order());
                        return Ok(());
                    } else if sink.lookup_order() == LookupOrder::WhenTaken {
                        self.divide(entries, tries, now);
                        return Ok(());
                    }
                    rows = now;
                }
                Err(e) => match (sink.fault(&e), entries.len()) {
                    (Fault::RefusedRow(why), 1) => given = Some(Classified::single(LoadResult::Refused(why), false)),
                    (fault, _) => return self.failed(entries, tries, (fault, e), sink),
                },
            }
        }
        if entries.len() > 1 {
            self.split(entries, tries, sink.lookup_order());
            return Ok(());
        }
        let message = "its row keeps changing: another process is writing it";
        let about = entries.first().map(|entry| entry.as_ref().id_treated_data.clone());
        fail(&entries, Error::new(Reason::Locked, about.unwrap_or_default(), message).into(), sink)
    }

    /// Handles an error of a part.
    fn failed<S: Sink<Entry = E>>(
        &mut self,
        entries: Vec<E>,
        tries: u32,
        (fault, e): (Fault, S::Error),
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let is_several = entries.len() > 1;
        match fault {
            Fault::RefusedRow(_) | Fault::Unknown if is_several => {
                self.split(entries, tries, sink.lookup_order());
                Ok(())
            }
            // Parts that are not locked go first.
            Fault::Locked if is_several || tries < LOCKED => {
                let parts = pieces(entries, sink.lookup_order()).into_iter();
                self.queue.extend(parts.map(|entries| Part { entries, tries: tries + 1, rows: None }));
                Ok(())
            }
            Fault::Unknown => {
                self.unknown += 1;
                if self.unknown >= UNKNOWN { Err(e) } else { fail(&entries, e, sink) }
            }
            Fault::Locked => fail(&entries, e, sink),
            Fault::RefusedRow(_) | Fault::Fatal => Err(e),
        }
    }

    /// Replaces a part with smaller ones.
    fn split(&mut self, entries: Vec<E>, tries: u32, order: LookupOrder) {
        self.next(pieces(entries, order), tries);
    }

    /// Replaces a part with the records whose rows exist and the other records, so that the others fill complete
    /// batches.
    fn divide(&mut self, entries: Vec<E>, tries: u32, rows: Rows) {
        let (found, left): (Vec<E>, Vec<E>) =
            entries.into_iter().partition(|entry| rows.contains_key(&entry.as_ref().id_treated_data));
        if found.is_empty() {
            return self.split(left, tries, LookupOrder::WhenTaken);
        }
        self.next(in_batches(left, BATCH_SIZES[0]), tries);
        self.queue.push_front(Part { entries: found, tries, rows: Some(rows) });
    }

    /// Puts parts at the front of the queue, in order.
    fn next(&mut self, parts: Vec<Vec<E>>, tries: u32) {
        parts.into_iter().rev().for_each(|entries| self.queue.push_front(Part { entries, tries, rows: None }));
    }
}

/// Reports the failure of a part with one record or none.
fn fail<S: Sink>(entries: &[S::Entry], e: S::Error, sink: &mut S) -> Result<(), S::Error> {
    match entries.first() {
        Some(entry) => sink.fail(entry, e),
        None => Err(e),
    }
}

/// Returns the result of a single record that was not inserted. `None` if the row of its id exists now.
///
/// If no row has its id, the server considers another spelling equal, or the table has another unique key.
fn place_taken<S: Sink>(entry: &S::Entry, rows: &Rows, sink: &S) -> Option<Classified> {
    let record: &Record = entry.as_ref();
    if rows.contains_key(&record.id_treated_data) {
        return None;
    }
    let loaded = match rows.values().next() {
        Some(row) => compare(record, row, sink.schema()),
        None => LoadResult::Refused(
            "a row with these values in a unique key is there, but none with this id: has the table another unique \
             index, or was the row deleted in the meantime?"
                .into(),
        ),
    };
    Some(Classified::single(loaded, true))
}

/// Splits a part into smaller ones; a single record is not split.
fn pieces<E: AsRef<Record>>(entries: Vec<E>, order: LookupOrder) -> Vec<Vec<E>> {
    match order {
        LookupOrder::First => in_halves(entries),
        LookupOrder::WhenTaken => {
            let max = entries.len() / 10;
            in_batches(entries, max)
        }
    }
}

/// Splits a part into halves, if possible not between records of one id.
fn in_halves<E: AsRef<Record>>(mut entries: Vec<E>) -> Vec<Vec<E>> {
    let middle = entries.len() / 2;
    let id = |at: usize| &entries[at].as_ref().id_treated_data;
    let is_cut = |at: &usize| id(*at) != id(at - 1);
    let at = (middle.max(1)..entries.len()).find(is_cut).or_else(|| (1..middle).rev().find(is_cut));
    let second = entries.split_off(at.unwrap_or(middle));
    vec![entries, second]
}

/// Splits records into batches of the fixed sizes, none larger than `max`.
fn in_batches<E>(entries: Vec<E>, max: usize) -> Vec<Vec<E>> {
    let mut rest = entries.into_iter();
    let mut batches = Vec::new();
    while rest.len() > 0 {
        let size = BATCH_SIZES.into_iter().find(|&size| size <= rest.len() && size <= max.max(1)).unwrap_or(1);
        batches.push(rest.by_ref().take(size).collect());
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_fixed_sizes_and_lose_nothing() {
        let records: Vec<usize> = (0..2_345).collect();
        for max in [1_000, 100, 10, 1, 0] {
            let batches = in_batches(records.clone(), max);
            assert!(batches.iter().all(|batch| BATCH_SIZES.contains(&batch.len()) && batch.len() <= max.max(1)));
            assert_eq!(batches.concat(), records);
        }
    }
}
