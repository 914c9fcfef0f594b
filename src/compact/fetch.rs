//! Reads the objects that have no row yet, in batches of the lake's size.

use bytes::Bytes;

use super::source::{Slot, WithoutRow};
use super::token_age::TokenAge;
use super::{Bodies, Counter, Outcome, listing};
use crate::parts::{PartName, PartRow};
use crate::reader::{ObjectContent, Reader};
use pipeline::lake::{Error, ObjectMeta};

/// An object of a batch that was read.
pub(super) enum Fetched {
    Row(Box<PartRow>),
    Archived(ObjectMeta),
    Unreadable(ObjectMeta, String),
}

/// Conversion of objects to rows.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub reader: Reader,
    pub token_age: TokenAge,
    pub bodies: Bodies,
}

/// Groups objects, one call of the lake per group.
pub(super) fn batches(slots: Vec<Slot>, size: usize) -> Vec<Vec<Slot>> {
    let mut batches: Vec<Vec<Slot>> = Vec::with_capacity(slots.len() / size + 1);
    for slot in slots {
        match batches.last_mut() {
            Some(last) if last.len() < size => last.push(slot),
            _ => batches.push(vec![slot]),
        }
    }
    batches
}

impl Fetcher {
    /// Reads the objects of a batch that have no row yet.
    pub(super) async fn read(&self, slots: Vec<Slot>) -> Result<Vec<Fetched>, Error> {
        let wanted = slots.iter().filter_map(|slot| match slot {
            Slot::Fetch(meta) => Some(meta.clone()),
            Slot::Row(_) => None,
        });
        let wanted: Vec<ObjectMeta> = wanted.collect();
        if let Some(newest) = wanted.iter().map(|meta| meta.last_modified).max() {
            self.token_age.wait(newest).await;
        }
        let read = if wanted.is_empty() { Vec::new() } else { self.reader.read_with_bodies(wanted).await };
        let mut read = read.into_iter();
        let mut fetched = Vec::with_capacity(slots.len());
        for slot in slots {
            fetched.push(match slot {
                Slot::Row(row) => Fetched::Row(self.shaped(*row)),
                Slot::Fetch(meta) => match read.next() {
                    None => Fetched::Unreadable(meta, "no response from the lake".into()),
                    Some(read) => {
                        let (object, body) = read?;
                        self.row(object.meta, object.item, body)
                    }
                },
            });
        }
        Ok(fetched)
    }

    fn row(&self, meta: ObjectMeta, item: ObjectContent, body: Option<Bytes>) -> Fetched {
        match (item, body) {
            (ObjectContent::Archived, _) => Fetched::Archived(meta),
            (ObjectContent::Unreadable(why), None) => Fetched::Unreadable(meta, why),
            (_, Some(body)) if body.len() as u64 != meta.size => {
                let why = format!("{} bytes of {} were read: it changed after it was listed", body.len(), meta.size);
                Fetched::Unreadable(meta, why)
            }
            (item, body) => match item.of_body().zip(body) {
                Some((content, body)) => Fetched::Row(self.shaped(PartRow::new(meta, content, body))),
                None => Fetched::Unreadable(meta, "it was not read".into()),
            },
        }
    }

    /// Returns a row with the parts of the original object that are kept.
    fn shaped(&self, row: PartRow) -> Box<PartRow> {
        Box::new(if self.bodies == Bodies::ExtraFields { row.without_body() } else { row })
    }
}

impl Fetched {
    /// Counts the object; returns its row if it has one.
    pub(super) fn into_row(
        self,
        name: &PartName,
        tally: &mut Outcome,
        without_row: &mut WithoutRow,
    ) -> Option<PartRow> {
        let meta = match self {
            Self::Row(row) => return Some(*row),
            Self::Archived(meta) => {
                tally[Counter::Archived] += 1;
                meta
            }
            Self::Unreadable(meta, why) => {
                tally[Counter::Unreadable] += 1;
                tally.problems.add("unreadable", &*meta.key, why);
                meta
            }
        };
        listing::day_of(name, &meta).into_iter().for_each(|day| *without_row.entry(day).or_default() += 1);
        None
    }
}
