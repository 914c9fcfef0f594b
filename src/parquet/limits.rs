//! Limits on a file before it is decoded. The decoder allocates what a file announces, and follows a nested schema without a
//! limit: a few bytes of a damaged or hostile file would take gigabytes of memory, or end the process.

use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::ChunkReader;

use super::thrift::{Kind, Thrift};

/// Maximum depth of a schema.
const MAX_DEPTH: usize = 64;
/// Size of the pages of a row group that is accepted for a file of any size, in bytes.
const FREE_BYTES: u64 = 32 << 20;
/// Bytes of a page header that are read at first, and at most. Statistics may make it long.
const HEADER_BYTES: [usize; 2] = [512, 4 << 20];

/// First and last bytes of a file.
const MAGIC: &[u8] = b"PAR1";
/// Bytes before the footer that are read at once.
const WINDOW: u64 = 1 << 20;

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// Checks the schema in the metadata of a file.
///
/// # Errors
/// Returns an error if it is not the metadata of a file, or if its schema is nested too deeply or announces more columns than
/// it has.
pub(crate) fn check_metadata(metadata: &[u8]) -> Result<(), ParquetError> {
    let mut schema = Ok(());
    let read = Thrift::new(metadata).fields(|thrift, field, kind| match (field, kind) {
        (2, Kind::List) => {
            schema = check_schema(thrift)?;
            schema.is_ok().then_some(())
        }
        _ => thrift.skip(kind),
    });
    schema?;
    read.ok_or_else(|| damaged("its metadata cannot be read"))
}

/// Checks the elements of a schema, each followed by its children. `None` if they cannot be read.
fn check_schema(thrift: &mut Thrift<'_>) -> Option<Result<(), ParquetError>> {
    let (count, _) = thrift.list()?;
    // The number of children that are still to come, for each level.
    let mut open: Vec<u64> = Vec::new();
    for at in 0..count {
        let mut children = 0;
        thrift.fields(|thrift, field, kind| match (field, kind) {
            (5, Kind::Int) => {
                children = thrift.int()?;
                Some(())
            }
            _ => thrift.skip(kind),
        })?;
        let left = count - at - 1;
        match u64::try_from(children) {
            Ok(children) if children <= left => open.push(children),
            _ => return Some(Err(damaged("its schema announces columns that it does not have"))),
        }
        if open.len() > MAX_DEPTH {
            return Some(Err(damaged("its schema is nested too deeply")));
        }
        while let Some(last) = open.last_mut() {
            if *last > 0 {
                *last -= 1;
                break;
            }
            open.pop();
        }
    }
    Some(Ok(()))
}

/// Checks that a file is not two joined files: another file before the footer would not be read, or would be read in place of
/// the last one. `footer` is the position of the metadata.
///
/// # Errors
/// Returns an error if another file ends or starts between the columns and the footer, or if that part cannot be read.
pub(super) fn check_joined<R: ChunkReader>(
    file: &R,
    groups: &[RowGroupMetaData],
    footer: u64,
) -> Result<(), ParquetError> {
    let ends = groups.iter().flat_map(RowGroupMetaData::columns).filter_map(end_of_column);
    // What is beyond the footer is rejected when its row group is read.
    let mut at = ends.filter(|end| *end <= footer).max().unwrap_or(MAGIC.len() as u64);
    while at + (MAGIC.len() as u64) <= footer {
        let length = WINDOW.min(footer - at);
        let window = file.get_bytes(at, usize::try_from(length).map_err(|e| ParquetError::External(e.into()))?)?;
        if memchr::memmem::find(&window, MAGIC).is_some() {
            return Err(damaged("it has another file before its footer: pass files that were joined one by one"));
        }
        at += length.max(MAGIC.len() as u64) - (MAGIC.len() as u64 - 1); // the bytes may be in two windows
    }
    Ok(())
}

/// Returns where a column, its indexes and its filter end.
fn end_of_column(column: &ColumnChunkMetaData) -> Option<u64> {
    let pages = (
        Some(column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset())),
        Some(column.compressed_size()),
    );
    let parts = [
        pages,
        (column.column_index_offset(), column.column_index_length().map(i64::from)),
        (column.offset_index_offset(), column.offset_index_length().map(i64::from)),
        (column.bloom_filter_offset(), column.bloom_filter_length().map(i64::from)),
    ];
    let end = |(start, length): (Option<i64>, Option<i64>)| u64::try_from(start?.checked_add(length?)?).ok();
    parts.into_iter().filter_map(end).max()
}

/// Checks the pages of a row group, and returns the memory that they need: the largest page and the dictionary of each
/// column, in bytes. `max_ratio` is the maximum ratio of decompressed to compressed size.
///
/// # Errors
/// Returns an error if a page is not in the file, or if the pages expand too far.
pub(super) fn check_pages<R: ChunkReader>(
    file: &R,
    group: &RowGroupMetaData,
    max_ratio: u64,
) -> Result<u64, ParquetError> {
    let (mut memory, mut size) = (0_u64, 0_u64);
    for column in group.columns() {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let range = u64::try_from(start).ok().zip(u64::try_from(column.compressed_size()).ok());
        let range = range.filter(|(start, bytes)| start.checked_add(*bytes).is_some_and(|end| end <= file.len()));
        let (start, bytes) = range.ok_or_else(|| damaged("a column is outside of the file"))?;
        memory = memory.saturating_add(largest_pages(file, start, bytes)?);
        size = size.saturating_add(bytes);
    }
    if memory > FREE_BYTES && memory > size.saturating_mul(max_ratio) {
        return Err(damaged(&format!(
            "its pages are more than {max_ratio} times as large as the file: if it can be trusted, read it with a larger \
             --max-decompression-ratio"
        )));
    }
    Ok(memory)
}

/// Returns the size of the largest data page and of the dictionary of a column, in bytes.
fn largest_pages<R: ChunkReader>(file: &R, mut at: u64, mut left: u64) -> Result<u64, ParquetError> {
    let (mut dictionary, mut largest) = (0, 0);
    while left > 0 {
        let header = page_header(file, at, left)?;
        let used = header.bytes.checked_add(header.compressed).filter(|used| *used <= left);
        let used = used.ok_or_else(|| damaged("a page is outside of its column"))?;
        let size = header.uncompressed.max(header.compressed);
        if header.is_dictionary {
            dictionary = size.max(dictionary)
        } else {
            largest = size.max(largest)
        }
        (at, left) = (at + used, left - used);
    }
    Ok(dictionary.saturating_add(largest))
}

/// Sizes of a page, in bytes.
#[derive(Debug, Default)]
struct PageHeader {
    bytes: u64,
    is_dictionary: bool,
    uncompressed: u64,
    compressed: u64,
}

fn page_header<R: ChunkReader>(file: &R, at: u64, left: u64) -> Result<PageHeader, ParquetError> {
    for most in HEADER_BYTES {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(most);
        if let Some(header) = parse_page_header(&file.get_bytes(at, length)?) {
            return Ok(header);
        }
        if length < most {
            break;
        }
    }
    Err(damaged("the header of a page cannot be read"))
}

fn parse_page_header(bytes: &[u8]) -> Option<PageHeader> {
    let mut thrift = Thrift::new(bytes);
    let mut header = PageHeader::default();
    thrift.fields(|thrift, field, kind| {
        match (field, kind) {
            (1, Kind::Int) => header.is_dictionary = thrift.int()? == 2,
            (2, Kind::Int) => header.uncompressed = u64::try_from(thrift.int()?).ok()?,
            (3, Kind::Int) => header.compressed = u64::try_from(thrift.int()?).ok()?,
            _ => thrift.skip(kind)?,
        }
        Some(())
    })?;
    header.bytes = (bytes.len() - thrift.left()) as u64;
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns metadata with a schema of nested groups.
    fn nested(depth: usize, children: &[u8]) -> Vec<u8> {
        let mut metadata = vec![0x15, 0x02, 0x19, 0xfc, (depth % 128) as u8 | 0x80, (depth / 128) as u8];
        for _ in 1..depth {
            metadata.extend_from_slice(&[0x35, 0x00, 0x18, 0x01, b'a', 0x15]);
            metadata.extend_from_slice(children);
            metadata.push(0);
        }
        metadata.extend_from_slice(&[0x15, 0x04, 0x25, 0x00, 0x18, 0x01, b'a', 0x00]);
        metadata.extend_from_slice(&[0x16, 0x00, 0x19, 0x0c, 0x00]);
        metadata
    }

    #[test]
    fn a_schema_that_would_take_the_stack_or_the_memory_is_rejected() {
        check_metadata(&nested(60, &[2])).unwrap();
        let e = check_metadata(&nested(10_000, &[2])).unwrap_err().to_string();
        assert!(e.contains("nested too deeply"), "{e}");
        for children in [&[0xfe, 0xff, 0xff, 0xff, 0x0f][..], &[1]] {
            let e = check_metadata(&nested(20, children)).unwrap_err().to_string();
            assert!(e.contains("does not have"), "{e}");
        }
        let whole = nested(20, &[2]);
        for end in 0..whole.len() {
            assert!(check_metadata(&whole[..end]).is_err(), "{end}");
        }
    }
}
