//! What must be in the stores after each step: simple sets of what was delivered and of what was damaged.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pipeline::record::row::Row;

use crate::judge::{Facts, Object, id_of_key, objects};
use crate::must;
use crate::readings::{Message, Readings};
use crate::world::{Content, violated};

/// The model of a history.
#[derive(Debug)]
pub struct Model {
    pub readings: Readings,
    /// Readings that were acknowledged.
    pub accepted: BTreeSet<u32>,
    /// Readings whose object or row was damaged, and is not intact again.
    pub damaged: BTreeSet<u32>,
    /// Every content that an object has had after a step.
    pub versions: BTreeMap<String, BTreeSet<Bytes>>,
    /// Objects of the last complete compaction.
    pub compacted: Option<BTreeMap<String, Bytes>>,
}

/// Changes that a step may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    pub new_objects: bool,
    pub changed_objects: bool,
    pub new_rows: bool,
    pub changed_rows: bool,
}

impl Allowed {
    pub const NOTHING: Self = Self { new_objects: false, changed_objects: false, new_rows: false, changed_rows: false };
    pub const NEW: Self = Self { new_objects: true, new_rows: true, ..Self::NOTHING };
    pub const NEW_ROWS: Self = Self { new_rows: true, ..Self::NOTHING };

    pub fn and(self, other: Self) -> Self {
        Self {
            new_objects: self.new_objects || other.new_objects,
            changed_objects: self.changed_objects || other.changed_objects,
            new_rows: self.new_rows || other.new_rows,
            changed_rows: self.changed_rows || other.changed_rows,
        }
    }
}

/// Returns the first violation of what may change between two maps; nothing is ever deleted.
fn changes<V: PartialEq>(
    (before, after): (&BTreeMap<String, V>, &BTreeMap<String, V>),
    (may_add, may_change): (bool, bool),
) -> Option<String> {
    let deleted = before.keys().find(|key| !after.contains_key(*key)).map(|key| format!("{key} was deleted"));
    let changed = before.iter().find(|(key, value)| after.get(*key).is_some_and(|now| now != *value));
    let changed = changed.filter(|_| !may_change).map(|(key, _)| format!("{key} was changed"));
    let added = after.keys().find(|key| !before.contains_key(*key)).filter(|_| !may_add);
    deleted.or(changed).or(added.map(|key| format!("{key} was added")))
}

impl Model {
    pub fn new(readings: Readings) -> Self {
        Self {
            readings,
            accepted: BTreeSet::new(),
            damaged: BTreeSet::new(),
            versions: BTreeMap::new(),
            compacted: None,
        }
    }

    /// Accepts the readings among messages that were acknowledged.
    pub fn accept(&mut self, messages: &[Message]) {
        self.accepted.extend(numbers(messages));
    }

    /// Returns true if any reading among the messages is damaged.
    pub fn is_damaged(&self, messages: &[Message]) -> bool {
        numbers(messages).any(|number| self.damaged.contains(&number))
    }

    /// Records damage to a reading.
    pub fn damage(&mut self, id: &str) {
        self.damaged.extend(self.readings.number(id));
    }

    /// Checks what a step has changed.
    pub fn check_changes(&self, before: &Content, after: &Content, allowed: Allowed) -> anyhow::Result<()> {
        let objects = (allowed.new_objects, allowed.changed_objects);
        if let Some(why) = changes((&before.objects, &after.objects), objects) {
            return violated(format!("object {why}"));
        }
        if let Some(why) = changes((&before.rows, &after.rows), (allowed.new_rows, allowed.changed_rows)) {
            return violated(format!("row {why}"));
        }
        Ok(())
    }

    /// Checks the invariants after a step: every accepted reading is exactly once in lake and table, with its values,
    /// unless it was damaged; and nothing else is there.
    pub fn check(&mut self, content: &Content) -> anyhow::Result<()> {
        for (key, body) in &content.objects {
            self.versions.entry(key.clone()).or_default().insert(body.clone());
        }
        let objects = objects(content, &self.readings);
        must!(objects.len() == content.objects.len(), "an id has two objects: {:?}", content.objects.keys());
        for id in objects.keys().chain(content.rows.keys()) {
            let is_known = self.readings.number(id).is_some_and(|number| self.accepted.contains(&number));
            must!(is_known, "{id} was not delivered");
        }
        let is_intact = |number: u32| {
            let id = self.readings.id(number);
            intact(number, &self.readings, objects.get(&id), content.rows.get(&id))
        };
        for number in self.accepted.difference(&self.damaged) {
            if let Err(why) = is_intact(*number) {
                return violated(format!("reading {number} ({}): {why}", self.readings.id(*number)));
            }
        }
        self.damaged.retain(|number| is_intact(*number).is_err());
        Ok(())
    }

    /// Checks that everything a restore may write was in the lake, and that it wrote all that was compacted.
    pub fn check_restored(&self, before: &Content, after: &Content) -> anyhow::Result<()> {
        for (key, body) in after.objects.iter().filter(|(key, _)| !before.objects.contains_key(*key)) {
            let is_old = self.versions.get(key).is_some_and(|versions| versions.contains(body));
            must!(is_old, "{key} was restored with bytes that it never had: {}", String::from_utf8_lossy(body));
        }
        for key in self.compacted.iter().flat_map(BTreeMap::keys) {
            must!(after.objects.contains_key(key), "{key} was compacted and not restored");
        }
        Ok(())
    }
}

/// Returns the numbers of the readings among messages.
fn numbers(messages: &[Message]) -> impl Iterator<Item = u32> {
    messages.iter().filter_map(|message| match message {
        Message::Reading { number, .. } => Some(*number),
        Message::Broken { .. } => None,
    })
}

/// Returns why a reading is not intact.
fn intact(number: u32, readings: &Readings, object: Option<&Object>, row: Option<&Row>) -> Result<(), String> {
    let Some(Object::Record { facts, .. }) = object else { return Err(format!("its object is {object:?}")) };
    if facts.values != readings.values(number) {
        return Err(format!("its object holds {facts:?}"));
    }
    let row = row.ok_or("it has no row")?;
    let is_same = Facts::of_row(row).is_some_and(|row| facts.is_in(&row));
    if is_same { Ok(()) } else { Err(format!("its object holds {facts:?}, its row {row:?}")) }
}

/// Returns the key of the object with an id.
pub fn key_of<'a>(content: &'a Content, id: &str) -> Option<&'a String> {
    content.objects.keys().find(|key| id_of_key(key) == id)
}
