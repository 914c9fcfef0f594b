//! Position in a part: the columns that are read, and the row up to which they were decoded.

use crate::parquet::ColumnCursor;

/// Columns of a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    /// The columns that a reader of records needs.
    Data,
    /// All columns, including the original objects.
    Everything,
}

/// Position in a part up to which rows were decoded, with the open readers of its columns.
pub(super) struct OpenWindow {
    pub(super) group: usize,
    /// Index of the next window in the row group.
    pub(super) next: usize,
    pub(super) wanted: Wanted,
    pub(super) cursor: ColumnCursor,
}
