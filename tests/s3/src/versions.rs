//! What a versioned bucket remembers: every object that was put and every delete marker, and ListObjectVersions as a pure
//! function of them. It scans, for tests have few versions. The XML is `service`'s.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::listing::MAX_KEYS;
use crate::object::Object;

/// An object that was put, or a delete marker.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its id, unique in the bucket.
    pub id: String,
    /// When it was made.
    pub at: SystemTime,
    /// `None` for a delete marker.
    pub object: Option<Object>,
}

/// All versions of all keys, of each the oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    keys: BTreeMap<String, Vec<Version>>,
    count: u64,
}

/// What a page of versions is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Query<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    /// Only what comes after this key, or after this version of it.
    pub key_marker: Option<&'a str>,
    pub version_marker: Option<&'a str>,
    pub max_keys: usize,
}

/// What a page of versions holds.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Key, version, and whether it is the latest; by key and then the newest first.
    pub entries: Vec<(String, Version, bool)>,
    pub prefixes: Vec<String>,
    /// The markers of the next page.
    pub next: Option<(String, Option<String>)>,
}

impl History {
    /// Remembers that an object was put, or that a key was deleted; gives the version's id.
    pub fn push(&mut self, key: &str, object: Option<Object>) -> String {
        self.count += 1;
        let id = format!("{:016x}.v+/=", self.count); // S3's ids hold signs that a client must escape
        let at = object.as_ref().map_or_else(SystemTime::now, |object| object.last_modified);
        self.keys.entry(key.to_owned()).or_default().push(Version { id: id.clone(), at, object });
        id
    }

    /// The newest version of a key was altered: its time, its class or its restore.
    pub fn alter(&mut self, key: &str, object: &Object) {
        if let Some(version) = self.keys.get_mut(key).and_then(|versions| versions.last_mut()) {
            (version.at, version.object) = (object.last_modified, Some(object.clone()));
        }
    }

    pub fn find(&self, key: &str, id: &str) -> Option<&Version> {
        self.keys.get(key)?.iter().find(|version| version.id == id)
    }

    /// Dates the n-th version of a key, from 0; false where there is none.
    pub fn date(&mut self, key: &str, n: usize, at: SystemTime) -> bool {
        let version = self.keys.get_mut(key).and_then(|versions| versions.get_mut(n));
        version
            .map(|version| {
                version.at = at;
                if let Some(object) = &mut version.object {
                    object.last_modified = at;
                }
            })
            .is_some()
    }

    pub fn page(&self, query: &Query<'_>) -> Page {
        let limit = query.max_keys.min(MAX_KEYS);
        let mut page = Page::default();
        for (key, versions) in self.keys.iter().filter(|(key, _)| key.starts_with(query.prefix)) {
            let rolled = query.delimiter.filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
                let at = key[query.prefix.len()..].find(delimiter)?;
                Some(&key[..query.prefix.len() + at + delimiter.len()])
            });
            if let Some(whole) = rolled {
                let told = query.key_marker.is_some_and(|marker| whole <= marker);
                if told || page.prefixes.last().is_some_and(|last| last == whole) {
                    continue;
                }
                if page.is_full(limit) {
                    return page;
                }
                page.prefixes.push(whole.to_owned());
                page.next = Some((whole.to_owned(), None));
                continue;
            }
            let mut skip = match query.key_marker {
                Some(marker) if key.as_str() < marker => continue,
                Some(marker) if key == marker && query.version_marker.is_none() => continue,
                Some(marker) => key == marker,
                None => false,
            };
            for (n, version) in versions.iter().enumerate().rev() {
                if skip {
                    skip = query.version_marker != Some(&version.id);
                    continue;
                }
                if page.is_full(limit) {
                    return page;
                }
                page.entries.push((key.clone(), version.clone(), n + 1 == versions.len()));
                page.next = Some((key.clone(), Some(version.id.clone())));
            }
        }
        page.next = None;
        page
    }
}

impl Page {
    fn is_full(&self, limit: usize) -> bool {
        self.entries.len() + self.prefixes.len() >= limit
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn pages_of_any_size_hold_every_version_once_and_in_order() {
        let mut history = History::default();
        for round in 0..3 {
            for key in ["a", "b/1", "b/2", "c"] {
                let object = (round != 1).then(|| Object::new(Bytes::from_static(b"x")));
                history.push(key, object);
            }
        }
        for delimiter in [None, Some("/")] {
            let all = |max_keys| {
                let (mut told, mut marks): (Vec<String>, Option<(String, Option<String>)>) = (Vec::new(), None);
                loop {
                    let key_marker = marks.as_ref().map(|(key, _)| key.as_str());
                    let version_marker = marks.as_ref().and_then(|(_, id)| id.as_deref());
                    let page = history.page(&Query { prefix: "", delimiter, key_marker, version_marker, max_keys });
                    told.extend(
                        page.entries.iter().map(|(key, version, latest)| format!("{key} {} {latest}", version.id)),
                    );
                    told.extend(page.prefixes);
                    match page.next {
                        Some(next) => marks = Some(next),
                        None => return told,
                    }
                }
            };
            let mut whole = all(1_000);
            assert_eq!(whole.len(), if delimiter.is_some() { 7 } else { 12 });
            whole.sort();
            for size in 1..8 {
                let mut told = all(size);
                told.sort();
                assert_eq!(told, whole, "{size} a page");
            }
        }
        let first = &history.page(&Query { max_keys: 3, ..Query::default() }).entries;
        assert!(first[0].2 && !first[1].2 && first[1].1.object.is_none(), "the newest first");
    }
}
