//! Interface that the engine writes to: it reads and writes rows, and classifies errors.

use std::collections::HashMap;

use super::classified::Classified;
use crate::record::Record;
use crate::record::row::{Row, TableSchema};
use crate::warehouse::{Error, InsertResult, Reason};

/// Rows by id.
pub type Rows = HashMap<String, Row>;

/// When existing rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupOrder {
    /// Before a part is written. The part is one transaction of any size; if it is rejected, its halves are tried.
    ///
    /// For loads in which many rows exist, or that record their changes in the same transaction.
    First,
    /// Only if an id of a part is already taken. Parts have fixed sizes, each of which is a statement that the server
    /// prepares once.
    ///
    /// For loads in which nearly every row is new: one statement per part.
    WhenTaken,
}

/// Meaning of an error of [`Sink::apply`] for the part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A column rejects a value of one of its rows, with the server's message; bisection finds the row.
    RefusedRow(String),
    /// Other sessions have locked one of its rows; it is tried again after the other parts.
    Locked,
    /// Unknown reason. Bisection searches for a row that causes it; the load ends if too many rows fail.
    Unknown,
    /// The load ends.
    Fatal,
}

impl From<&Error> for Fault {
    fn from(e: &Error) -> Self {
        match e.reason {
            Reason::BadRow => Self::RefusedRow(e.message.clone()),
            Reason::Locked | Reason::Deadlock => Self::Locked,
            Reason::Other => Self::Unknown,
            _ => Self::Fatal,
        }
    }
}

/// Destination of rows.
pub trait Sink: Send {
    /// Record with additional information of the sink.
    type Entry: AsRef<Record> + Send + Sync;
    /// Error that ends the load.
    type Error: From<Error> + Send;

    /// Returns when existing rows are read.
    fn lookup_order(&self) -> LookupOrder;

    /// Returns the types of the table's columns.
    fn schema(&self) -> &TableSchema;

    /// Returns true if the record may replace a row of its id with other values.
    fn may_overwrite(&self, entry: &Self::Entry) -> bool;

    /// Returns why a column would reject a new row. `None` if this is not known before it is sent.
    fn refusal(&self, _row: &Row) -> Option<String> {
        None
    }

    /// Returns the meaning of an error of [`Self::apply`].
    fn fault(&self, e: &Self::Error) -> Fault;

    /// Prepares a part. Called once per part, also if it is tried several times.
    fn begin(&mut self, _part: &[Self::Entry]) -> impl Future<Output = Result<(), Self::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Returns the rows that the server finds for the ids of a part; other rows in their range may be included. For a
    /// single record, it returns only rows found with its id, which may be another spelling of it.
    fn existing(&mut self, part: &[Self::Entry]) -> impl Future<Output = Result<Rows, Self::Error>> + Send;

    /// Writes a part and records its results; writes nothing if an id is taken or a row has changed since.
    fn apply(
        &mut self,
        part: &[Self::Entry],
        classified: Classified,
    ) -> impl Future<Output = Result<InsertResult, Self::Error>> + Send;

    /// Records the failure of a single record; the others continue.
    ///
    /// # Errors
    /// Returns an error if the load must end.
    fn fail(&mut self, _entry: &Self::Entry, e: Self::Error) -> Result<(), Self::Error> {
        Err(e)
    }
}
