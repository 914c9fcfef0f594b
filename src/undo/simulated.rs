//! Values that a dry run would have written: if a file changes a row or an object twice, the older change is reverted
//! after the newer one.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;

use bytes::Bytes;

use super::reader::{Change, ChangeReader};
use pipeline::record::row::{Row, TableSchema};

/// Values of the rows and objects that a file changes more than once. `None` for one that would not exist.
#[derive(Default)]
pub(super) struct Simulated {
    /// Hashes of their ids and keys.
    repeated: HashSet<u64>,
    rows: HashMap<String, Option<Row>>,
    objects: HashMap<String, Option<Bytes>>,
}

impl Simulated {
    /// Reads a file for the ids and keys that it changes more than once.
    ///
    /// # Errors
    /// Returns an error for the reasons of [`ChangeReader::open`].
    pub(super) fn of(path: &Path, table: &str, lake: Option<String>, schema: &TableSchema) -> io::Result<Self> {
        let mut changes = ChangeReader::open(path, table, lake, schema)?;
        let (mut seen, mut repeated) = (HashSet::new(), HashSet::new());
        let mut add = |name: &str| {
            let hash = hash_of(name);
            if !seen.insert(hash) {
                repeated.insert(hash);
            }
        };
        while let Some(piece) = changes.next_chunk()? {
            for change in piece {
                match change {
                    Change::Row(row) => {
                        let (before, after) = *row;
                        add(after.id());
                        before.iter().map(Row::id).filter(|id| *id != after.id()).for_each(&mut add);
                    }
                    Change::Object(object) => add(&object.key),
                }
            }
        }
        Ok(Self { repeated, ..Self::default() })
    }

    fn is_repeated(&self, name: &str) -> bool {
        !self.repeated.is_empty() && self.repeated.contains(&hash_of(name))
    }

    /// Replaces rows that were read by those that would exist.
    pub(super) fn replace_rows(&self, ids: &[String], rows: &mut HashMap<String, Row>) {
        for (id, row) in ids.iter().filter_map(|id| self.rows.get_key_value(id)) {
            match row {
                Some(row) => rows.insert(id.clone(), row.clone()),
                None => rows.remove(id),
            };
        }
    }

    /// Stores the result of reverting a row.
    pub(super) fn revert_row(&mut self, now: &Row, before: Option<&Row>) {
        if self.is_repeated(now.id()) {
            self.rows.insert(now.id().to_owned(), None);
        }
        if let Some(before) = before.filter(|before| self.is_repeated(before.id())) {
            self.rows.insert(before.id().to_owned(), Some(before.clone()));
        }
    }

    /// Returns the content that an object would have. `None` if it would not have changed.
    pub(super) fn object(&self, key: &str) -> Option<Option<Bytes>> {
        self.objects.get(key).cloned()
    }

    /// Stores the result of reverting an object.
    pub(super) fn revert_object(&mut self, key: &str, before: Option<&str>) {
        if self.is_repeated(key) {
            self.objects.insert(key.to_owned(), before.map(|before| Bytes::from(before.to_owned())));
        }
    }
}

fn hash_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
