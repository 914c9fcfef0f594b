//! Which columns of a part are read, and up to which row they were decoded.

use crate::parquet::ColumnCursor;

/// Columns of a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    /// Those that a reader of records needs.
    Data,
    /// All, with the original objects.
    Everything,
}

/// Place in a part up to which rows were decoded, with the open readers of its columns.
pub(super) struct OpenWindow {
    pub(super) group: usize,
    /// Index of the next window in the row group.
    pub(super) next: usize,
    pub(super) wanted: Wanted,
    pub(super) cursor: ColumnCursor,
}
