//! Versions of a key in a bucket with versioning, and ListObjectVersions as a pure function of them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::s3::object::Object;
use crate::s3::store::Objects;

/// State of versioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versioning {
    /// Never enabled.
    #[default]
    Never,
    /// Enabled: every write and deletion is kept.
    Enabled,
    /// Suspended: existing versions stay, further writes replace the version named `null`.
    Suspended,
}

/// One version of a key.
#[derive(Debug, Clone)]
pub struct Version {
    /// Name; `null` if it was written without versioning.
    pub id: String,
    /// Write time.
    pub at: SystemTime,
    /// Content; `None` for a delete marker.
    pub object: Option<Object>,
}

/// Name of versions that were written without versioning.
pub(crate) const NULL: &str = "null";

/// All versions of a bucket, the newest of a key last. Empty until versioning is enabled; from then on it has every
/// key.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub state: Versioning,
    keys: BTreeMap<String, Vec<Version>>,
    written: u64,
}

impl History {
    /// Changes the state. Objects that exist when versioning is enabled get the version `null`.
    pub fn set(&mut self, state: Versioning, objects: &Objects) {
        if self.state == Versioning::Never && state != Versioning::Never {
            let null =
                |object: &Object| Version { id: NULL.into(), at: object.last_modified, object: Some(object.clone()) };
            self.keys = objects.iter().map(|(key, object)| (key.clone(), vec![null(object)])).collect();
        }
        self.state = state;
    }

    /// Records that a key was written, or deleted if there is no object. Returns the new version's name if it is kept.
    pub fn add(&mut self, key: &str, object: Option<Object>) -> Option<String> {
        let id = match self.state {
            Versioning::Never => return None,
            Versioning::Suspended => NULL.to_owned(),
            Versioning::Enabled => {
                self.written += 1;
                format!("{:032x}", self.written)
            }
        };
        let versions = self.keys.entry(key.to_owned()).or_default();
        versions.retain(|version| version.id != id);
        let at = object.as_ref().map_or_else(SystemTime::now, |object| object.last_modified);
        versions.push(Version { id: id.clone(), at, object });
        Some(id)
    }

    /// Updates the newest version from the object, which a test has changed.
    pub fn amend(&mut self, key: &str, object: &Object) {
        if let Some(newest) = self.keys.get_mut(key).and_then(|versions| versions.last_mut()) {
            (newest.at, newest.object) = (object.last_modified, Some(object.clone()));
        }
    }

    /// Removes a version permanently. Returns the object that is then the newest; `None` if there was no such version.
    pub fn remove(&mut self, key: &str, id: &str) -> Option<Option<Object>> {
        let versions = self.keys.get_mut(key)?;
        let at = versions.iter().position(|version| version.id == id)?;
        versions.remove(at);
        let newest = versions.last().and_then(|version| version.object.clone());
        if versions.is_empty() {
            self.keys.remove(key);
        }
        Some(newest)
    }

    /// Returns a key's versions, the newest last.
    pub fn of(&self, key: &str) -> &[Version] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// Sets the time of a version. Returns false if it does not exist.
    pub fn date(&mut self, key: &str, id: &str, at: SystemTime) -> bool {
        let version = self.keys.get_mut(key).and_then(|versions| versions.iter_mut().find(|it| it.id == id));
        version.map(|version| version.at = at).is_some()
    }
}

/// Parameters of a page of versions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Query<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    pub key_marker: Option<&'a str>,
    pub version_marker: Option<&'a str>,
    pub max_keys: usize,
}

/// A version on a page.
#[derive(Debug)]
pub(crate) struct ListedVersion {
    pub key: String,
    pub version: Version,
    pub is_latest: bool,
}

/// A page of versions.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub versions: Vec<ListedVersion>,
    pub prefixes: Vec<String>,
    /// The key, and within a key its version, after which the next page continues.
    pub next: Option<(String, Option<String>)>,
}

/// Reads one page: keys in order, the newest version of each first.
pub(crate) fn page(objects: &Objects, history: &History, query: &Query<'_>) -> Page {
    let mut page = Page::default();
    let mut last = None;
    let from = query.key_marker.map_or(query.prefix, |marker| marker.max(query.prefix)).to_owned();
    let lone =
        |object: &Object| vec![Version { id: NULL.into(), at: object.last_modified, object: Some(object.clone()) }];
    let all: Box<dyn Iterator<Item = (&String, Vec<Version>)>> = match history.state {
        Versioning::Never => Box::new(objects.range(from..).map(|(key, object)| (key, lone(object)))),
        _ => Box::new(history.keys.range(from..).map(|(key, versions)| (key, versions.clone()))),
    };
    for (key, versions) in all.take_while(|(key, _)| key.starts_with(query.prefix)) {
        let full = |page: &Page| page.versions.len() + page.prefixes.len() >= query.max_keys;
        let rolled = query.delimiter.and_then(|delimiter| {
            let at = key[query.prefix.len()..].find(delimiter)?;
            Some(&key[..query.prefix.len() + at + delimiter.len()])
        });
        if let Some(folder) = rolled {
            if query.key_marker == Some(folder) || page.prefixes.last().is_some_and(|last| last == folder) {
                continue;
            }
            if full(&page) {
                page.next = last;
                return page;
            }
            page.prefixes.push(folder.to_owned());
            last = Some((folder.to_owned(), None));
            continue;
        }
        let mut rest = versions.into_iter().rev().enumerate().peekable();
        if query.key_marker == Some(key) {
            let Some(marker) = query.version_marker else { continue };
            while rest.next_if(|(_, version)| version.id != marker).is_some() {}
            rest.next();
        }
        for (age, version) in rest {
            if full(&page) {
                page.next = last;
                return page;
            }
            last = Some((key.clone(), Some(version.id.clone())));
            page.versions.push(ListedVersion { key: key.clone(), version, is_latest: age == 0 });
        }
    }
    page
}
