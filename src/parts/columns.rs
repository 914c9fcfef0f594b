//! Columns of a part, and rows to and from them.
//!
//! | column | type | content |
//! | --- | --- | --- |
//! | the columns of a record | as in the column table; times in microseconds | NULL if the object holds no record |
//! | `chave` | text | key of the object below the lake's prefix |
//! | `etag` | text | change token of the object |
//! | `tamanho` | integer | size of the object in bytes |
//! | `modificado` | time in microseconds | last write of the object |
//! | `rejeitado` | text | why the object holds no record; NULL if it holds one |
//! | `repaired_id` | text | mark of a repair of the object; NULL if it has none |
//! | `campos_extras` | text | fields that are not columns, as JSON, if the part has no bodies |
//! | `corpo` | text | the original object, if it is UTF-8 |
//! | `corpo_bruto` | bytes | the original object, if it is not |
//!
//! The columns that only `restore` and re-parsing need come last, so that the others of a row group are one range of
//! bytes.

use std::io;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::content::Content;
use super::known::ObjectVersion;
use super::rows::PartRow;
use crate::parquet::{Buffer, Field, Group, Layout, RowGroup, Times, Type};
use pipeline::record::{Column, REPAIRED_ID, Record};

/// A column of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartColumn {
    Record(Column),
    Key,
    Etag,
    Size,
    Modified,
    Rejected,
    Repaired,
    Extra,
    Body,
    RawBody,
}

impl PartColumn {
    /// Columns of an object after those of its record.
    const OBJECT: [Self; 6] = [Self::Key, Self::Etag, Self::Size, Self::Modified, Self::Rejected, Self::Repaired];
    /// Columns with the original object.
    pub(crate) const BODY: [Self; 3] = [Self::Extra, Self::Body, Self::RawBody];

    /// Returns all columns in the order of the file.
    pub(crate) fn all() -> Vec<Self> {
        Self::data().chain(Self::BODY).collect()
    }

    /// Returns the columns without those of the original object, in the order of the file.
    pub(crate) fn data() -> impl Iterator<Item = Self> {
        Column::ALL.into_iter().map(Self::Record).chain(Self::OBJECT)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Record(column) => column.name(),
            Self::Key => "chave",
            Self::Etag => "etag",
            Self::Size => "tamanho",
            Self::Modified => "modificado",
            Self::Rejected => "rejeitado",
            Self::Repaired => REPAIRED_ID,
            Self::Extra => "campos_extras",
            Self::Body => "corpo",
            Self::RawBody => "corpo_bruto",
        }
    }

    pub(crate) const fn field(self) -> Field {
        match self {
            Self::Record(column) => Field { optional: true, ..Field::of(column, Times::Micros) },
            Self::Key | Self::Etag => Field::required(self.name(), Type::Text),
            Self::Size => Field::required(self.name(), Type::Long),
            Self::Modified => Field::required(self.name(), Type::Time(Times::Micros)),
            Self::Rejected | Self::Repaired | Self::Extra | Self::Body => Field::optional(self.name(), Type::Text),
            Self::RawBody => Field::optional(self.name(), Type::Binary),
        }
    }
}

/// Values of an object for the columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowValues<'a> {
    pub version: ObjectVersion<'a>,
    pub modified: DateTime<Utc>,
    pub content: &'a Content,
    pub body: Option<&'a [u8]>,
    pub extra: Option<&'a str>,
}

impl<'a> RowValues<'a> {
    pub(crate) fn of(row: &'a PartRow) -> Self {
        Self {
            version: ObjectVersion { key: &row.key, etag: &row.etag, size: row.size },
            modified: row.modified,
            content: &row.content,
            body: row.body.as_deref(),
            extra: row.extra.as_deref(),
        }
    }
}

/// Rows by column, until their row group is encoded.
pub(crate) struct RowBuffers {
    columns: Vec<(PartColumn, Buffer)>,
    rows: usize,
}

impl RowBuffers {
    pub(crate) fn new(columns: impl IntoIterator<Item = PartColumn>) -> Self {
        let columns = columns.into_iter().map(|column| (column, Buffer::new(&column.field()))).collect();
        Self { columns, rows: 0 }
    }

    /// Returns the number of rows.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, row: &RowValues<'_>) {
        let text = row.body.and_then(|body| std::str::from_utf8(body).ok());
        let raw = row.body.filter(|_| text.is_none());
        let rejection = row.content.rejection();
        for (column, buffer) in &mut self.columns {
            match column {
                PartColumn::Record(column) => match row.content {
                    Content::Record(record) => buffer.push(record.field(*column)),
                    _ => buffer.push_nothing(),
                },
                PartColumn::Key => buffer.push_text(row.version.key),
                PartColumn::Etag => buffer.push_text(row.version.etag),
                PartColumn::Size => buffer.push_long(row.version.size.cast_signed()),
                PartColumn::Modified => buffer.push_long(row.modified.timestamp_micros()),
                PartColumn::Rejected => push_optional(buffer, rejection.as_deref().map(str::as_bytes)),
                PartColumn::Repaired => push_optional(buffer, row.content.repaired_id().map(str::as_bytes)),
                PartColumn::Extra => push_optional(buffer, row.extra.map(str::as_bytes)),
                PartColumn::Body => push_optional(buffer, text.map(str::as_bytes)),
                PartColumn::RawBody => push_optional(buffer, raw),
            }
        }
        self.rows += 1;
    }

    /// Encodes the rows as a row group and empties the buffers.
    pub(crate) fn encode(&mut self, layout: &Layout) -> io::Result<Group> {
        self.rows = 0;
        layout.encode(self.columns.iter_mut().map(|(_, buffer)| buffer))
    }
}

fn push_optional(buffer: &mut Buffer, value: Option<&[u8]>) {
    match value {
        Some(value) => buffer.push_bytes(value),
        None => buffer.push_nothing(),
    }
}

/// Decoded rows.
pub(crate) struct Rows {
    group: RowGroup,
    /// Indexes of the columns of an object among those that were read.
    places: Places,
}

/// Indexes of the columns of an object; `usize::MAX` for one that was not read.
#[derive(Debug, Clone, Copy)]
struct Places {
    key: usize,
    etag: usize,
    size: usize,
    modified: usize,
    rejected: usize,
    repaired: usize,
    extra: usize,
    body: usize,
    raw_body: usize,
}

impl Rows {
    /// Interprets the columns that were read.
    pub(crate) fn new(group: RowGroup, columns: &[PartColumn]) -> Self {
        let place = |wanted| columns.iter().position(|column| *column == wanted).unwrap_or(usize::MAX);
        let places = Places {
            key: place(PartColumn::Key),
            etag: place(PartColumn::Etag),
            size: place(PartColumn::Size),
            modified: place(PartColumn::Modified),
            rejected: place(PartColumn::Rejected),
            repaired: place(PartColumn::Repaired),
            extra: place(PartColumn::Extra),
            body: place(PartColumn::Body),
            raw_body: place(PartColumn::RawBody),
        };
        Self { group, places }
    }

    /// Returns the version of a row's object; `None` if the row has none.
    #[inline]
    pub(crate) fn version(&self, row: usize) -> Option<ObjectVersion<'_>> {
        let Places { key, etag, size, .. } = self.places;
        let group = &self.group;
        let size = group.long(size, row)?.cast_unsigned();
        Some(ObjectVersion { key: group.text(key, row)?, etag: group.text(etag, row)?, size })
    }

    /// Returns true if a row holds a record.
    pub(crate) fn is_record(&self, row: usize) -> bool {
        self.group.bytes(self.places.rejected, row).is_none()
    }

    /// Returns the content of a row; `None` if its columns hold neither a record nor a reason.
    pub(crate) fn content(&self, row: usize) -> Option<Content> {
        if let Some(why) = self.group.text(self.places.rejected, row) {
            return Some(Content::of_rejection(why));
        }
        let record = Record::read(&mut self.group.record(row)).ok()?;
        let repaired_id = self.group.text(self.places.repaired, row).map(str::to_owned);
        Some(Content::Record(Box::new(Record { repaired_id, ..record })))
    }

    /// Returns the original object of a row; `None` if the row has none, or if it was not read.
    pub(crate) fn body(&self, row: usize) -> Option<&[u8]> {
        self.group.bytes(self.places.body, row).or_else(|| self.group.bytes(self.places.raw_body, row))
    }

    /// Returns a complete row; `None` if a value is missing.
    pub(crate) fn row(&self, row: usize) -> Option<PartRow> {
        let version = self.version(row)?;
        Some(PartRow {
            key: version.key.to_owned(),
            etag: version.etag.to_owned(),
            size: version.size,
            modified: DateTime::from_timestamp_micros(self.group.long(self.places.modified, row)?)?,
            content: self.content(row)?,
            body: self.body(row).map(Bytes::copy_from_slice),
            extra: self.group.text(self.places.extra, row).map(str::to_owned),
        })
    }
}
