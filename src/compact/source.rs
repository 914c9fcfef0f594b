//! Source of a part's rows: the listing, compared piece by piece with the previous part.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::listing::{ObjectCategory, PartListing, day_of};
use super::write_error::{WriteError, failed};
use super::{Compaction, Counter, Outcome};
use crate::parts::{CompleteRows, Content, Matching, Part, PartName, PartRow, PartRows, RULES, Wanted, WindowCache};
use crate::reader::Reader;
use pipeline::lake::{Error, ObjectMeta};

/// Source of a row for an object.
pub(super) enum Slot {
    /// A row of the previous part.
    Row(Box<PartRow>),
    /// An object that must be read.
    Fetch(ObjectMeta),
}

/// Numbers of listed objects without a row, per day.
pub(super) type WithoutRow = BTreeMap<NaiveDate, u64>;

/// Source of a part's rows.
pub(super) struct Source<'a> {
    listing: PartListing<'a>,
    name: &'a PartName,
    reader: &'a Reader,
    matching: Option<Matching<CompleteRows>>,
    /// Whether the rows of the previous part must be parsed again, because they follow other rules.
    reparse: bool,
    /// Counts of the listed objects without a row, and of the rows of the previous part.
    pub tally: Outcome,
    pub without_row: WithoutRow,
}

impl<'a> Source<'a> {
    /// Opens the source of a part. The rows of the previous part must be loaded.
    pub(super) fn open(
        settings: &'a Compaction,
        reader: &'a Reader,
        name: &'a PartName,
        before: Option<&Arc<Part>>,
    ) -> Self {
        let matching = before.map(|part| {
            let windows = Arc::new(WindowCache::default());
            let rows = PartRows::new(Arc::clone(part), windows, part.all_rows(), Wanted::Everything);
            Matching::new(CompleteRows(rows))
        });
        Self {
            listing: PartListing::new(&*settings.lake, name),
            name,
            reader,
            matching,
            reparse: before.is_some_and(|part| part.footer().rules != RULES),
            tally: Outcome::default(),
            without_row: WithoutRow::new(),
        }
    }

    /// Returns the next objects that may have a row; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Slot>>, WriteError> {
        let piece = self.listing.next().await?;
        if piece.is_empty() {
            return Ok(None);
        }
        let (reader, name, reparse) = (self.reader.clone(), self.name.clone(), self.reparse);
        let mut matching = self.matching.take();
        let compared = tokio::task::spawn_blocking(move || {
            let mut compared = Compared::default();
            for meta in piece {
                let row = matching.as_mut().and_then(|rows| rows.take(&meta));
                compared.take(&reader, &name, meta, row.map(|row| if reparse { parsed_again(row) } else { row }));
            }
            (compared, matching)
        });
        let (compared, matching) = compared.await.map_err(|e| failed(&e))?;
        self.matching = matching;
        self.tally.merge(compared.tally);
        compared.without_row.into_iter().for_each(|(day, n)| *self.without_row.entry(day).or_default() += n);
        Ok(Some(compared.slots))
    }

    /// Returns the number of rows of the previous part whose objects no longer exist.
    pub(super) async fn finish(&mut self) -> Result<u64, Error> {
        let Some(mut matching) = self.matching.take() else { return Ok(0) };
        let end = tokio::task::spawn_blocking(move || matching.finish()).await;
        Ok(end.map_err(|e| failed(&e))?.0)
    }
}

/// Listed objects, compared with the previous part.
#[derive(Default)]
struct Compared {
    slots: Vec<Slot>,
    tally: Outcome,
    without_row: WithoutRow,
}

impl Compared {
    fn take(&mut self, reader: &Reader, name: &PartName, meta: ObjectMeta, row: Option<PartRow>) {
        self.tally[Counter::Listed] += 1;
        let category = ObjectCategory::of(reader, &meta);
        match (category, row) {
            (ObjectCategory::Row | ObjectCategory::Archived, Some(row)) => {
                self.tally[Counter::Carried] += 1;
                self.slots.push(Slot::Row(Box::new(row)));
            }
            (ObjectCategory::Row, None) => self.slots.push(Slot::Fetch(meta)),
            _ => {
                category.count(&meta, &mut self.tally);
                day_of(name, &meta).into_iter().for_each(|day| *self.without_row.entry(day).or_default() += 1);
            }
        }
    }
}

/// Returns a row with the content of its body by the rules of this version.
fn parsed_again(row: PartRow) -> PartRow {
    let content = row.body.as_deref().map(Content::parse);
    PartRow { content: content.unwrap_or_else(|| row.content.clone()), ..row }
}
