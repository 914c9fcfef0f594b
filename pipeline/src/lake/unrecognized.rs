//! Objects with unrecognized names: all are counted, but only the first keys are kept, because a lake can have
//! millions. Folder markers are counted separately.

use std::collections::BTreeSet;

use super::ObjectMeta;

/// Objects at unexpected places of a lake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnrecognizedNames {
    count: u64,
    folder_markers: u64,
    first: BTreeSet<String>,
}

/// Names of files that operating systems put into folders.
const SYSTEM_FILES: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];

/// Returns true if an object only marks a folder, as consoles, s3fs and Hadoop create them, or is a file that an
/// operating system puts into every folder.
pub fn is_folder_marker(object: &ObjectMeta) -> bool {
    let name = object.key.rsplit('/').next().unwrap_or_default();
    object.size == 0 && (name.is_empty() || name.ends_with("_$folder$"))
        || SYSTEM_FILES.contains(&name)
        || name.starts_with("._")
}

impl UnrecognizedNames {
    /// Maximum number of keys that are kept.
    pub const KEPT: usize = 1_000;

    /// Counts a listed object.
    pub fn add_object(&mut self, object: ObjectMeta) {
        if is_folder_marker(&object) {
            self.folder_markers += 1;
        } else {
            self.add(object.key);
        }
    }

    /// Counts an object by its key.
    pub fn add(&mut self, key: String) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.insert(key);
        } else if self.first.last().is_some_and(|last| key < *last) {
            self.first.pop_last();
            self.first.insert(key);
        }
    }

    /// Returns the number of objects.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the number of folder markers, which are not in [`UnrecognizedNames::count`].
    pub fn folder_markers(&self) -> u64 {
        self.folder_markers
    }

    /// Returns the first keys in their order, at most [`UnrecognizedNames::KEPT`].
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.first.iter().map(String::as_str)
    }

    /// Returns the number of objects whose keys are not kept.
    pub fn unnamed(&self) -> u64 {
        self.count - self.first.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept_in_any_order() {
        let orders: [fn(u32) -> u32; 3] = [|n| n, |n| 9_999 - n, |n| n * 7_919 % 10_000];
        for order in orders {
            let mut unrecognized = UnrecognizedNames::default();
            (0..10_000).for_each(|n| unrecognized.add(format!("{:05}", order(n))));
            assert_eq!((unrecognized.count(), unrecognized.unnamed()), (10_000, 9_000));
            let keys: Vec<&str> = unrecognized.keys().collect();
            assert_eq!((keys.len(), keys[0], keys[999]), (1_000, "00000", "00999"));
        }
    }
}
