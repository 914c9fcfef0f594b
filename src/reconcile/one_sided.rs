//! Candidates of one side only, collected until both sides were read. Only then is it known which of them are one id in
//! two spellings: they differ only in case or surrounding white space. Some servers consider such ids equal.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::recheck::{Candidate, fold_id};
use crate::sort::{OrderedId, SortOrder, Sorted, Sorter};

/// Candidate of one side, sorted by folded id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OneSidedEntry {
    folded: OrderedId,
    candidate: Candidate,
}

impl SortOrder for OneSidedEntry {
    fn compare(&self, other: &Self) -> Ordering {
        let side = |single: &Self| single.candidate.row.is_some();
        let (a, b) = (&self.candidate, &other.candidate);
        self.folded.cmp(&other.folded).then(side(self).cmp(&side(other))).then_with(|| a.id.cmp(&b.id))
    }
}

/// Collects candidates of one side.
pub(super) struct OneSided {
    sorter: Sorter<OneSidedEntry>,
    pub count: u64,
}

impl OneSided {
    pub(super) fn new(sorter: Sorter<OneSidedEntry>) -> Self {
        Self { sorter, count: 0 }
    }

    /// Adds a candidate with objects or a row, but not both.
    pub(super) fn push(&mut self, candidate: Candidate) -> std::io::Result<()> {
        self.count += 1;
        self.sorter.push(OneSidedEntry { folded: OrderedId::new(&fold_id(&candidate.id)), candidate })
    }

    /// Returns all candidates; two spellings of one id are combined into one.
    pub(super) fn paired(self) -> std::io::Result<PairedEntries> {
        Ok(PairedEntries { singles: self.sorter.finish()?, next: None, lakes: Vec::new().into_iter(), folded: None })
    }
}

/// Candidates in the order of folded ids.
pub(super) struct PairedEntries {
    singles: Sorted<OneSidedEntry>,
    next: Option<OneSidedEntry>,
    /// Lake candidates with the current folded id that have no row yet.
    lakes: std::vec::IntoIter<Candidate>,
    folded: Option<OrderedId>,
}

impl PairedEntries {
    fn peeked(&mut self) -> std::io::Result<Option<&OneSidedEntry>> {
        if self.next.is_none() {
            self.next = self.singles.next().transpose()?;
        }
        Ok(self.next.as_ref())
    }

    fn take(&mut self) -> std::io::Result<Option<Candidate>> {
        loop {
            let folded = self.folded.clone();
            let of_lake = |single: &OneSidedEntry| single.candidate.row.is_none();
            let row = self.peeked()?.filter(|next| Some(&next.folded) == folded.as_ref() && !of_lake(next)).is_some();
            let row = if row { self.next.take().and_then(|single| single.candidate.row) } else { None };
            match (self.lakes.next(), row) {
                (Some(lake), row) => return Ok(Some(Candidate { row, ..lake })),
                (None, Some(row)) => return Ok(Some(Candidate::of_row(row.0))),
                (None, None) => {}
            }
            let Some(folded) = self.peeked()?.map(|next| next.folded.clone()) else { return Ok(None) };
            let mut lakes = Vec::new();
            while self.peeked()?.is_some_and(|next| next.folded == folded && of_lake(next)) {
                lakes.extend(self.next.take().map(|single| single.candidate));
            }
            (self.lakes, self.folded) = (lakes.into_iter(), Some(folded));
        }
    }
}

impl Iterator for PairedEntries {
    type Item = std::io::Result<Candidate>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::record::row::TableSchema;
    use testkit::conformance::warehouse::record;

    #[test]
    fn two_spellings_of_an_id_are_combined_once() {
        let mut one_sided = OneSided::new(Sorter::new(10));
        for id in ["AB", "cd", "ef ", "gh", "GH", "none"] {
            let mut record = record(1);
            record.id_treated_data = id.into();
            let keys = vec![format!("of {id}")];
            let (record, id) = (Some(record), id.to_owned());
            one_sided.push(Candidate { id, keys, record, unopened: false, row: None }).unwrap();
        }
        for id in ["ab", "CD", "ef", "Gh", "mm", "MM"] {
            let mut record = record(1);
            record.id_treated_data = id.into();
            one_sided.push(Candidate::of_row(record.to_row(&TableSchema::standard()))).unwrap();
        }
        assert_eq!(one_sided.count, 12);
        let found: Vec<(String, Option<String>)> = one_sided
            .paired()
            .unwrap()
            .map(|candidate| {
                let candidate = candidate.unwrap();
                let row = candidate.row.map(|row| row.0.id().to_owned());
                (candidate.keys.first().map_or(String::new(), |_| candidate.id), row)
            })
            .collect();
        let pair = |lake: &str, row: &str| (lake.to_owned(), (!row.is_empty()).then(|| row.to_owned()));
        let expected = [
            pair("AB", "ab"),
            pair("cd", "CD"),
            pair("ef ", "ef"),
            pair("GH", "Gh"),
            pair("gh", ""),
            pair("", "MM"),
            pair("", "mm"),
            pair("none", ""),
        ];
        assert_eq!(found, expected);
    }
}
