//! Loads a part of a batch: looks what is there, says what is to be done, does it, and splits what is refused.
//!
//! The sink is whatever rows go into; journal, throttle, undo file and reading back are its own.

use std::collections::HashMap;

use super::classify::{Classified, Classifier};
use crate::replay::load_error::LoadError;
use crate::replay::order::ReplayEntry;
use pipeline::record::stored::Row;
use pipeline::warehouse::{self, Insert, Loaded, Reason};

/// How often a part is looked at again because others write into its range.
const ATTEMPTS: u32 = 4;

/// Where rows go.
pub(super) trait Sink: Send {
    /// The rows that are there under the ids of these records, and perhaps others of their range.
    fn existing(
        &mut self,
        part: &[ReplayEntry],
    ) -> impl Future<Output = Result<HashMap<String, Row>, LoadError>> + Send;

    /// A row that the server finds under an id, also under another spelling of it.
    fn row_of(&mut self, id: &str) -> impl Future<Output = Result<Option<Row>, LoadError>> + Send;

    /// Does all of it, or nothing where an id is taken or a row is no longer as it was found.
    fn apply(
        &mut self,
        part: &[ReplayEntry],
        classified: &Classified,
    ) -> impl Future<Output = Result<Insert, LoadError>> + Send;

    /// Takes down the conflict that ends the load.
    fn conflict(&mut self, entry: &ReplayEntry, conflict: &Loaded);
}

/// What a part came to.
#[derive(Debug)]
pub(super) enum Part {
    /// All of it is in, or accounted for.
    Loaded,
    /// It is refused as a whole: its halves are to be loaded.
    Split(Vec<ReplayEntry>, Vec<ReplayEntry>),
}

/// Loads a part in one transaction, or gives it back in two pieces.
pub(super) async fn load_part<S: Sink>(
    mut part: Vec<ReplayEntry>,
    classifier: &Classifier<'_>,
    sink: &mut S,
) -> Result<Part, LoadError> {
    let (mut given, mut before): (Option<Given>, Option<HashMap<String, Row>>) = (None, None);
    for _ in 0..ATTEMPTS {
        let rows = match given {
            Some(_) => HashMap::new(),
            None => sink.existing(&part).await?,
        };
        // Nobody has changed the rows of these ids: what is in the way is another key, and of which of them the server
        // does not say.
        if part.len() > 1 && before.as_ref() == Some(&rows) {
            return Ok(split(part));
        }
        let classified = match given.take() {
            Some(Given { loaded, may_wait }) => classifier.given(&part, &loaded, may_wait),
            None => classifier.classify(&part, &rows),
        };
        let classified = match classified {
            Ok(classified) => classified,
            Err((at, conflict)) => {
                sink.conflict(&part[at], &conflict);
                return Err(LoadError::Conflict);
            }
        };
        match sink.apply(&part, &classified).await {
            Ok(Insert::Done) => return Ok(Part::Loaded),
            Err(LoadError::Warehouse(e)) if e.reason == Reason::BadRow => match (classified.changes(), part.len()) {
                (0, _) => return Err(entry_refused(e)),
                (_, 1) => given = Some(Given { loaded: Loaded::Refused(e.message), may_wait: false }),
                _ => return Ok(split(part)),
            },
            Err(e) => return Err(e),
            // A single record that is not found under its own id has met another spelling of it.
            Ok(Insert::Taken) if part.len() == 1 => given = spelled_otherwise(&part[0], classifier, sink).await?,
            Ok(Insert::Taken) => before = Some(rows),
        }
    }
    if part.len() > 1 {
        return Ok(split(part));
    }
    let about = part.pop().map(|entry| entry.key).unwrap_or_default();
    let message = "its row keeps changing: another process is writing it";
    Err(warehouse::Error::new(Reason::Locked, about, message).into())
}

/// What is known of a single record without looking at its row.
struct Given {
    loaded: Loaded,
    /// It changes nothing, and what is noted of it may wait for another transaction.
    may_wait: bool,
}

/// Why a record cannot go in although no row has its id: the server folds case or space, or has another unique key.
async fn spelled_otherwise<S: Sink>(
    entry: &ReplayEntry,
    classifier: &Classifier<'_>,
    sink: &mut S,
) -> Result<Option<Given>, LoadError> {
    let id = &entry.record.id_treated_data;
    let loaded = match sink.row_of(id).await? {
        Some(row) if row.id() == id => return Ok(None),
        Some(row) => classifier.compare(entry, &row),
        None => Loaded::Refused(
            "a row with these values in a unique key is there, but none with this id: has the table another unique index?"
                .to_owned(),
        ),
    };
    Ok(Some(Given { loaded, may_wait: true }))
}

/// There was nothing but a journal entry to be written, and it was refused.
fn entry_refused(e: warehouse::Error) -> LoadError {
    let message = format!(
        "the journal takes no note, as if ruminate_journal was altered: drop that table, or replay with --no-journal: {}",
        e.message
    );
    warehouse::Error { reason: Reason::BadSchema, message, ..e }.into()
}

/// Cuts a part of at least two in two, not between records of one id where that can be helped.
fn split(mut part: Vec<ReplayEntry>) -> Part {
    let middle = part.len() / 2;
    let same = |at: usize| part[at].id == part[at - 1].id;
    let at = (middle..part.len()).find(|&at| !same(at)).or_else(|| (1..middle).rev().find(|&at| !same(at)));
    let second = part.split_off(at.unwrap_or(middle));
    Part::Split(part, second)
}

#[cfg(test)]
mod tests;
