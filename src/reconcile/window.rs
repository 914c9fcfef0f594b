//! Which records and rows belong to an audit of some farms and days: by their content (DESIGN §7).
//!
//! | object or row | the column that decides |
//! | --- | --- |
//! | a name with the id in it | `data`: such paths are made from it |
//! | an older name | `row_ts` or `data`, whichever the paths of this lake's older names follow |
//! | a row with an id of version 8, or in a lake without older names | `data` |
//! | any other row | as an older name |

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime};

use pipeline::lake::{Key, Span};
use pipeline::record::row::Row;
use pipeline::record::{Column, Record, RecordId, Slug};
use pipeline::warehouse::TimeWindow;

/// What the paths of older names follow, as their records tell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PathDateVotes {
    pub data: u64,
    pub row_ts: u64,
    /// Older names that were met, whether they tell or not.
    pub older: u64,
}

impl PathDateVotes {
    /// Takes a record in its path.
    pub(super) fn count(&mut self, key: &Key, record: &Record) {
        if key.id.is_some() {
            return;
        }
        self.older += 1;
        let (data, row_ts) = (record.reading.data.date_naive(), record.row_ts.date_naive());
        match (key.day == data, key.day == row_ts) {
            (true, false) => self.data += 1,
            (false, true) => self.row_ts += 1,
            _ => {}
        }
    }

    /// Whether nothing tells.
    pub(super) fn is_empty(&self) -> bool {
        self.data + self.row_ts == 0
    }
}

/// Which records and rows belong to the audit.
#[derive(Debug, Clone)]
pub(super) struct AuditWindow {
    span: Span,
    from: Option<NaiveDateTime>,
    until: Option<NaiveDateTime>,
    /// What decides for older names.
    older: Column,
}

impl AuditWindow {
    /// Of a span; `None` where it is everything.
    pub(super) fn of(span: &Span, votes: PathDateVotes) -> Option<Self> {
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN);
        let until = span.to.and_then(|day| day.checked_add_days(Days::new(1)));
        let until = until.filter(|day| day.year() <= 9999).map(midnight); // no DATETIME lies beyond
        let older = if votes.row_ts > votes.data { Column::RowTs } else { Column::Data };
        let inside = || Self { span: span.clone(), from: span.from.map(midnight), until, older };
        (!span.is_everything()).then(inside)
    }

    /// The windows that hold every row of a span, whatever decides; none where the span has no days.
    pub(super) fn windows(span: &Span) -> Vec<TimeWindow> {
        let Some(inside) = Self::of(span, PathDateVotes::default()) else { return Vec::new() };
        if inside.from.is_none() && inside.until.is_none() {
            return Vec::new();
        }
        [Column::Data, Column::RowTs].map(|column| inside.window(column)).into()
    }

    fn window(&self, column: Column) -> TimeWindow {
        TimeWindow { column, from: self.from, until: self.until }
    }

    /// What decided, in words.
    pub(super) fn column(&self) -> &'static str {
        match self.older {
            Column::RowTs => "row_ts for names without id, data for all others",
            _ => "data",
        }
    }

    /// Whether a record under that name belongs to the audit.
    pub(super) fn has_record(&self, key: &str, record: &Record) -> bool {
        let named = Key::parse(key).is_some_and(|key| key.id.is_some());
        let at = match self.older {
            Column::RowTs if !named => record.row_ts.naive_utc(),
            _ => record.reading.data.naive_utc(),
        };
        self.window(Column::Data).has(at) && self.span.has_farm(record.reading.slug().as_str())
    }

    /// Whether an object that was not opened belongs to it, by its name.
    pub(super) fn has_name(&self, key: &str) -> bool {
        Key::parse(key).is_some_and(|key| self.span.has_day(key.day) && self.span.has_farm(key.farm.as_str()))
    }

    /// Whether a row belongs to it.
    pub(super) fn has_row(&self, row: &Row) -> bool {
        let farm = row.text(Column::CodCliente).and_then(|farm| Slug::of(farm).ok());
        let of_farm = self.span.farms.is_empty() || farm.is_some_and(|farm| self.span.has_farm(farm.as_str()));
        if self.from.is_none() && self.until.is_none() {
            return of_farm;
        }
        let made_here = RecordId::new(row.id()).is_made_here();
        let column = if made_here { Column::Data } else { self.older };
        of_farm && row.instant(column).is_some_and(|at| self.window(column).has(at))
    }
}
