//! Farm and day under which a finding is counted.

use chrono::NaiveDate;

use pipeline::lake::Key;
use pipeline::record::row::Row;
use pipeline::record::{Column, Record, Slug};

/// The farm and day under which a finding is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::reconcile) struct FindingDay {
    pub farm: String,
    pub day: NaiveDate,
}

impl FindingDay {
    pub(in crate::reconcile) fn of(record: &Record) -> Self {
        Self { farm: record.reading.slug().as_str().to_owned(), day: record.reading.data.date_naive() }
    }

    pub(in crate::reconcile) fn of_row(row: &Row) -> Option<Self> {
        let farm = row.text(Column::CodCliente)?;
        let farm = Slug::of(farm).map_or_else(|_| farm.to_owned(), |slug| slug.as_str().to_owned());
        Some(Self { farm, day: row.instant(Column::Data)?.date() })
    }

    pub(in crate::reconcile) fn of_key(key: &str) -> Option<Self> {
        Key::parse(key).map(|key| Self { farm: key.farm, day: key.day })
    }

    pub(in crate::reconcile) fn named(&self) -> (&str, NaiveDate) {
        (&self.farm, self.day)
    }
}
