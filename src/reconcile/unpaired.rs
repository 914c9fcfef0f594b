//! Ids that one side has and the other has not, until both sides have been gone through: only then can it be told which
//! of them are one id in two spellings, which servers that fold case or space take for the same.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::look::{Suspicion, fold};
use crate::sort::{InOrder, OrderedId, Sorted, Sorter};

/// A suspicion of one side, in the order of folded ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Single {
    folded: OrderedId,
    suspicion: Suspicion,
}

impl InOrder for Single {
    fn compare(&self, other: &Self) -> Ordering {
        let side = |single: &Self| single.suspicion.row.is_some();
        let (a, b) = (&self.suspicion, &other.suspicion);
        self.folded.cmp(&other.folded).then(side(self).cmp(&side(other))).then_with(|| a.id.cmp(&b.id))
    }
}

/// Gathers them.
pub(super) struct Unpaired {
    sorter: Sorter<Single>,
    pub count: u64,
}

impl Unpaired {
    pub(super) fn new(sorter: Sorter<Single>) -> Self {
        Self { sorter, count: 0 }
    }

    /// Takes one: it has objects or a row, not both.
    pub(super) fn push(&mut self, suspicion: Suspicion) -> std::io::Result<()> {
        self.count += 1;
        self.sorter.push(Single { folded: OrderedId::new(&fold(&suspicion.id)), suspicion })
    }

    /// All of them, with those that are two spellings of one id made one.
    pub(super) fn paired(self) -> std::io::Result<Pairs> {
        Ok(Pairs { singles: self.sorter.done()?, next: None, lakes: Vec::new().into_iter(), folded: None })
    }
}

/// Suspicions in the order of folded ids.
pub(super) struct Pairs {
    singles: Sorted<Single>,
    next: Option<Single>,
    /// Those of the lake with the folded id at hand that have found no row yet.
    lakes: std::vec::IntoIter<Suspicion>,
    folded: Option<OrderedId>,
}

impl Pairs {
    fn peeked(&mut self) -> std::io::Result<Option<&Single>> {
        if self.next.is_none() {
            self.next = self.singles.next().transpose()?;
        }
        Ok(self.next.as_ref())
    }

    fn take(&mut self) -> std::io::Result<Option<Suspicion>> {
        loop {
            let folded = self.folded.clone();
            let of_lake = |single: &Single| single.suspicion.row.is_none();
            let row = self.peeked()?.filter(|next| Some(&next.folded) == folded.as_ref() && !of_lake(next)).is_some();
            let row = if row { self.next.take().and_then(|single| single.suspicion.row) } else { None };
            match (self.lakes.next(), row) {
                (Some(lake), row) => return Ok(Some(Suspicion { row, ..lake })),
                (None, Some(row)) => return Ok(Some(Suspicion::of_row(row.0))),
                (None, None) => {}
            }
            let Some(folded) = self.peeked()?.map(|next| next.folded.clone()) else { return Ok(None) };
            let mut lakes = Vec::new();
            while self.peeked()?.is_some_and(|next| next.folded == folded && of_lake(next)) {
                lakes.extend(self.next.take().map(|single| single.suspicion));
            }
            (self.lakes, self.folded) = (lakes.into_iter(), Some(folded));
        }
    }
}

impl Iterator for Pairs {
    type Item = std::io::Result<Suspicion>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::record::stored::Shape;
    use testkit::conformance::warehouse::record;

    #[test]
    fn two_spellings_of_an_id_are_made_one_and_no_more_than_one_each() {
        let mut unpaired = Unpaired::new(Sorter::new(10));
        for id in ["AB", "cd", "ef ", "gh", "GH", "none"] {
            let mut record = record(1);
            record.id_treated_data = id.into();
            let keys = vec![format!("of {id}")];
            let (record, id) = (Some(record), id.to_owned());
            unpaired.push(Suspicion { id, keys, record, unopened: false, row: None }).unwrap();
        }
        for id in ["ab", "CD", "ef", "Gh", "nobody", "Nobody"] {
            let mut record = record(1);
            record.id_treated_data = id.into();
            unpaired.push(Suspicion::of_row(record.to_row(&Shape::standard()))).unwrap();
        }
        assert_eq!(unpaired.count, 12);
        let found: Vec<(String, Option<String>)> = unpaired
            .paired()
            .unwrap()
            .map(|suspicion| {
                let suspicion = suspicion.unwrap();
                let row = suspicion.row.map(|row| row.0.id().to_owned());
                (suspicion.keys.first().map_or(String::new(), |_| suspicion.id), row)
            })
            .collect();
        let pair = |lake: &str, row: &str| (lake.to_owned(), (!row.is_empty()).then(|| row.to_owned()));
        let expected = [
            pair("AB", "ab"),
            pair("cd", "CD"),
            pair("ef ", "ef"),
            pair("GH", "Gh"),
            pair("gh", ""),
            pair("", "Nobody"),
            pair("", "nobody"),
            pair("none", ""),
        ];
        assert_eq!(found, expected);
    }
}
