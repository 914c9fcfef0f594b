//! What the engine writes into: rows are looked up and written, and errors are given a meaning.

use std::collections::HashMap;

use super::classified::Classified;
use crate::record::Record;
use crate::record::row::{Row, TableSchema};
use crate::warehouse::{Error, InsertResult, Reason};

/// Rows by their ids.
pub type Rows = HashMap<String, Row>;

/// When the rows that are there are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookOrder {
    /// Before a part is written. The part is one transaction of any size; if it is refused, its halves are tried.
    ///
    /// For loads in which many rows are there already, or that write down what they do in the same transaction.
    First,
    /// Only if an id of a part is taken. Parts have fixed sizes, each of which is a statement that the server prepares once.
    ///
    /// For loads in which nearly every row is new: one statement per part.
    WhenTaken,
}

/// What an error of [`Sink::apply`] means for the part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A column refuses a value of one of its rows, with the server's words: the row is found by bisection.
    RefusedRow(String),
    /// Others hold one of its rows: it is tried again after the other parts.
    Locked,
    /// The reason is not known to be a row's. It is searched for by bisection; the load ends if too many rows fail so.
    Unknown,
    /// The load ends.
    Fatal,
}

impl From<&Error> for Fault {
    fn from(e: &Error) -> Self {
        match e.reason {
            Reason::BadRow => Self::RefusedRow(e.message.clone()),
            Reason::Locked => Self::Locked,
            Reason::Other => Self::Unknown,
            _ => Self::Fatal,
        }
    }
}

/// Where rows go.
pub trait Sink: Send {
    /// A record with what the sink knows of it.
    type Entry: AsRef<Record> + Send + Sync;
    /// Why the load ends.
    type Error: From<Error> + Send;

    /// When the rows that are there are looked at.
    fn look(&self) -> LookOrder;

    /// What the columns hold.
    fn shape(&self) -> &TableSchema;

    /// Whether the record may replace a row of its id that holds other values.
    fn may_overwrite(&self, entry: &Self::Entry) -> bool;

    /// Why a column would refuse a new row, if that is known before it is sent.
    fn refusal(&self, _row: &Row) -> Option<String> {
        None
    }

    /// What an error of [`Self::apply`] means.
    fn fault(&self, e: &Self::Error) -> Fault;

    /// Prepares a part, once, however often it is then tried.
    fn begin(&mut self, _part: &[Self::Entry]) -> impl Future<Output = Result<(), Self::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// The rows that the server finds under the ids of a part, and perhaps others of their range; of a single record only those
    /// found under its id, which may be another spelling of it.
    fn existing(&mut self, part: &[Self::Entry]) -> impl Future<Output = Result<Rows, Self::Error>> + Send;

    /// Writes a part and takes down its results; nothing is written if an id is taken or a row is no longer as it was found.
    fn apply(
        &mut self,
        part: &[Self::Entry],
        classified: Classified,
    ) -> impl Future<Output = Result<InsertResult, Self::Error>> + Send;

    /// Takes down that a record fails alone, while the others go on.
    ///
    /// # Errors
    /// The load is to end.
    fn fail(&mut self, _entry: &Self::Entry, e: Self::Error) -> Result<(), Self::Error> {
        Err(e)
    }
}
