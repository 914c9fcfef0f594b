//! Writer of a part: rows in the order of their keys, in row groups, then the footer.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::NaiveDate;
use xxhash_rust::xxh3::Xxh3;

use super::columns::{PartColumn, RowBuffers, RowValues};
use super::content::Content;
use super::footer::{Chunk, DayFacts, Footer, GroupFacts, hash_of_places, hex};
use super::layout::{GROUP_BYTES, GROUP_ROWS, IdFilter, part_layout};
use super::name::PartName;
use super::rows::{PartRow, hash_of_object, hash_of_record};
use crate::multiset_hash::MultisetHash;
use crate::parquet::{Group, Layout, Writer};
use pipeline::lake::Partition;
use pipeline::record::RecordId;

/// Writer of a part.
pub struct PartWriter<W: Write + Send> {
    writer: Writer<W>,
    ordered: Layout,
    random: Layout,
    buffers: RowBuffers,
    /// Size of the texts in the buffers.
    bytes: usize,
    /// Whether a row in the buffers has a random id.
    ids: IdFilter,
    footer: Footer,
    last_key: String,
}

/// A part that is complete.
#[derive(Debug)]
pub struct Written<W> {
    /// Its footer.
    pub footer: Footer,
    /// Target of the writes.
    pub out: W,
}

impl<W: Write + Send> PartWriter<W> {
    /// Starts a part of a lake.
    ///
    /// # Errors
    /// Returns an error if `out` cannot be written.
    pub fn new(out: W, name: &PartName, lake: &str, bodies: bool) -> io::Result<Self> {
        Ok(Self {
            writer: Writer::new(out, part_layout(IdFilter::None)?)?,
            ordered: part_layout(IdFilter::None)?,
            random: part_layout(IdFilter::Bloom)?,
            buffers: RowBuffers::new(PartColumn::all()),
            bytes: 0,
            ids: IdFilter::None,
            footer: Footer::new(name, lake, bodies),
            last_key: String::new(),
        })
    }

    /// Returns the number of rows so far.
    pub fn rows(&self) -> u64 {
        self.footer.rows
    }

    /// Appends a row; its key must be greater than that of the previous row.
    ///
    /// # Errors
    /// Returns an error if the key is out of order or is not in a partition of the part, or if the row group cannot be
    /// written.
    pub fn push(&mut self, row: &PartRow) -> io::Result<()> {
        if row.key <= self.last_key {
            let message = format!("the store lists its keys out of order: {:?} after {:?}", row.key, self.last_key);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let place = Partition::of_key(&row.key).filter(|place| self.footer.name().has(place));
        let Some(place) = place else {
            let message = format!("{:?} is not in part {}", row.key, self.footer.name());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        if self.bytes >= GROUP_BYTES || self.buffers.rows() >= GROUP_ROWS {
            self.flush()?;
        }
        self.last_key.clone_from(&row.key);
        self.count(place.day, row);
        self.buffers.push(&RowValues::of(row));
        let body = row.body.as_ref().map_or(0, |body| body.len()) + row.extra.as_ref().map_or(0, String::len);
        self.bytes += row.key.len() + row.etag.len() + body + 200;
        Ok(())
    }

    fn count(&mut self, day: NaiveDate, row: &PartRow) {
        let footer = &mut self.footer;
        if footer.days.last().is_none_or(|last| last.day != day) {
            footer.days.push(DayFacts {
                day,
                first_row: footer.rows,
                rows: 0,
                rejected: 0,
                listed: 0,
                objects: MultisetHash::default(),
                records: MultisetHash::default(),
            });
        }
        footer.rows += 1;
        footer.cutoff = footer.cutoff.max(Some(row.modified));
        if let Some(last) = footer.days.last_mut() {
            last.rows += 1;
            last.listed += 1;
            last.rejected += u64::from(!row.content.is_record());
            last.objects.insert_hash(hash_of_object(&row.key, &row.etag, row.size));
            last.records.insert_hash(hash_of_record(&row.key, &row.content));
        }
        if let Content::Record(record) = &row.content
            && !RecordId::new(&record.id_treated_data).is_made_here()
        {
            self.ids = IdFilter::Bloom;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let rows = self.buffers.rows() as u64;
        if rows == 0 {
            return Ok(());
        }
        let layout = if self.ids == IdFilter::Bloom { &self.random } else { &self.ordered };
        let group = self.buffers.encode(layout)?;
        let (data, body) = hashes(&group);
        self.writer.append(group)?;
        let missing = || io::Error::other("the row group that was written is missing");
        let columns = self.writer.groups().last().ok_or_else(missing)?.columns();
        let chunk = |from: usize, to: usize, xxh3: String| {
            let range =
                columns.get(from).zip(columns.get(to - 1)).map(|(first, last)| (first.byte_range(), last.byte_range()));
            range.map(|((start, _), (last, bytes))| Chunk { start, bytes: last + bytes - start, xxh3 })
        };
        let split = columns.len() - PartColumn::BODY.len();
        let data = chunk(0, split, data).ok_or_else(missing)?;
        let body = chunk(split, columns.len(), body).ok_or_else(missing)?;
        self.footer.groups.push(GroupFacts { rows, data, body });
        (self.bytes, self.ids) = (0, IdFilter::None);
        Ok(())
    }

    /// Completes the part, with the numbers of listed objects per day that have no row.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub fn finish(mut self, without_row: &BTreeMap<NaiveDate, u64>) -> io::Result<Written<W>> {
        self.flush()?;
        for day in &mut self.footer.days {
            day.listed += without_row.get(&day.day).copied().unwrap_or_default();
        }
        self.footer.places = hash_of_places(self.writer.groups());
        for (name, value) in self.footer.seal()? {
            self.writer.add_metadata(name, value);
        }
        Ok(Written { footer: self.footer, out: self.writer.finish()? })
    }
}

/// Returns the hashes of the columns with the data of a row group, and of those with the original objects.
fn hashes(group: &Group) -> (String, String) {
    let columns = group.columns();
    let split = columns.len() - PartColumn::BODY.len();
    let (mut data, mut body) = (Xxh3::new(), Xxh3::new());
    for (at, bytes) in columns.enumerate() {
        if at < split { data.update(bytes) } else { body.update(bytes) }
    }
    (hex(data.digest128()), hex(body.digest128()))
}
