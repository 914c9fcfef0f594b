//! The warehouse's side of an audit: every row once, in the order of the merge, a page ahead.

use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDateTime, NaiveTime};
use tokio::task::JoinHandle;

use super::entries::RUN;
use crate::lake::Span;
use crate::record::stored::{Row, Shape};
use crate::record::{Column, Record, Slug};
use crate::sort::{OrderedId, Sorted, Sorter};
use crate::warehouse::{self, Warehouse, Window};

/// Rows a page.
const PAGE: u32 = 5_000;

/// Which records and rows belong to the audit, by content.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    pub window: Window,
    span: Span,
}

impl Inside {
    pub(super) fn of(span: &Span, column: Column) -> Option<Self> {
        let midnight = |day: chrono::NaiveDate| day.and_time(NaiveTime::MIN);
        let until = span.to.and_then(|day| day.checked_add_days(Days::new(1)));
        let until = until.filter(|day| day.year() <= 9999).map(midnight); // no DATETIME lies beyond
        let window = Window { column, from: span.from.map(midnight), until };
        (!span.is_everything()).then(|| Self { window, span: span.clone() })
    }

    pub(super) fn has_record(&self, record: &Record) -> bool {
        let at: NaiveDateTime = match self.window.column {
            Column::RowTs => record.row_ts.naive_utc(),
            _ => record.reading.data.naive_utc(),
        };
        self.window.has(at) && self.span.has_farm(record.reading.slug().as_str())
    }

    pub(super) fn has_row(&self, row: &Row) -> bool {
        let farm = row.text(Column::CodCliente).and_then(|farm| Slug::of(farm).ok());
        self.span.farms.is_empty() || farm.is_some_and(|farm| self.span.has_farm(farm.as_str()))
    }
}

type Page = JoinHandle<Result<Vec<Row>, warehouse::Error>>;

/// Rows in the order of the merge: first those with plain ids as the server sorts them, then the odd ones.
pub(super) struct Rows {
    warehouse: Arc<dyn Warehouse>,
    shape: Shape,
    inside: Option<Inside>,
    next: Option<Page>,
    ready: std::vec::IntoIter<Row>,
    last: Option<OrderedId>,
    odd: Option<Sorter<OrderedId>>,
    odd_sorted: Option<Sorted<OrderedId>>,
}

impl Rows {
    pub(super) fn new(warehouse: Arc<dyn Warehouse>, shape: Shape, inside: Option<Inside>) -> Self {
        let mut rows = Self {
            warehouse,
            shape,
            inside,
            next: None,
            ready: Vec::new().into_iter(),
            last: None,
            odd: Some(Sorter::new(RUN)),
            odd_sorted: None,
        };
        rows.next = Some(rows.page(None));
        rows
    }

    fn page(&self, after: Option<String>) -> Page {
        let (warehouse, shape) = (Arc::clone(&self.warehouse), self.shape);
        let window = self.inside.as_ref().map(|inside| inside.window);
        tokio::spawn(async move { warehouse.scan(after.as_deref(), PAGE, window.as_ref(), &shape).await })
    }

    /// The next row.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Row>> {
        loop {
            for row in self.ready.by_ref() {
                if self.inside.as_ref().is_some_and(|inside| !inside.has_row(&row)) {
                    continue;
                }
                let id = OrderedId::new(row.id());
                match &mut self.odd {
                    // Not yet its turn: the server sorts it somewhere among the plain ones.
                    Some(odd) if id.odd => odd.push(id)?,
                    Some(_) => {
                        anyhow::ensure!(
                            self.last.as_ref() < Some(&id),
                            "the server's order of ids is not that of their characters: check the collation of id_treated_data"
                        );
                        self.last = Some(id);
                        return Ok(Some(row));
                    }
                    None => return Ok(Some(row)),
                }
            }
            if !self.turn().await? {
                return Ok(None);
            }
        }
    }

    /// Gets more rows ready; false at the end.
    async fn turn(&mut self) -> anyhow::Result<bool> {
        if let Some(page) = self.next.take() {
            let rows = page.await??;
            if rows.len() == PAGE as usize {
                self.next = Some(self.page(rows.last().map(|row| row.id().to_owned())));
            }
            self.ready = rows.into_iter();
            return Ok(true);
        }
        if let Some(odd) = self.odd.take() {
            self.odd_sorted = Some(odd.done()?);
        }
        let Some(sorted) = &mut self.odd_sorted else { return Ok(false) };
        let ids: Vec<String> = sorted.take(1_000).map(|id| id.map(|id| id.id)).collect::<Result<_, _>>()?;
        if ids.is_empty() {
            return Ok(false);
        }
        let mut rows = self.warehouse.fetch(&ids, &self.shape).await?;
        rows.retain(|row| ids.binary_search_by(|id| id.as_str().cmp(row.id())).is_ok());
        rows.sort_by(|a, b| a.id().cmp(b.id()));
        self.ready = rows.into_iter();
        Ok(true)
    }
}
