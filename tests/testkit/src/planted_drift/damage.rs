//! Damage to both stores, with the findings that an audit must report.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use pipeline::lake::Key;
use pipeline::record::row::{TableSchema, Value as Stored};
use pipeline::record::{Column, IdCheck, Record, reading_id};
use serde_json::{Value, json};

use super::findings::{Finding, Findings};
use crate::copy_rows;

/// One way to damage a record, or its row, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    LakeOnly,
    WarehouseOnly,
    Differing(Column),
    /// All values of the row differ from the lake's.
    DifferingThroughout,
    /// A second object with the same values, or with others.
    Copy,
    OtherCopy,
    LogicalDuplicate,
    Misfiled,
    /// Both sides have a target that breaks the rule.
    RuleOfLake,
    /// A row without an object has one.
    RuleOfWarehouse,
    Unreadable,
    Rejected,
    /// The row has the id in upper case.
    Respelled,
    /// Both sides have a value that does not match the id.
    Forged,
    /// The object is in an archive tier; on S3 only.
    Archived,
}

impl Case {
    /// One case per verdict, except for [`Case::Archived`].
    pub fn verdicts() -> Vec<Self> {
        vec![
            Self::DifferingThroughout,
            Self::LakeOnly,
            Self::WarehouseOnly,
            Self::Copy,
            Self::OtherCopy,
            Self::LogicalDuplicate,
            Self::Misfiled,
            Self::RuleOfLake,
            Self::RuleOfWarehouse,
            Self::Unreadable,
            Self::Rejected,
            Self::Respelled,
            Self::Forged,
        ]
    }

    /// The same cases, and a difference in each single column.
    pub fn all() -> Vec<Self> {
        Self::verdicts().into_iter().chain(comparable().map(Self::Differing)).collect()
    }
}

fn comparable() -> impl Iterator<Item = Column> {
    Column::ALL.into_iter().filter(|&column| column != Column::IdTreatedData)
}

/// The records of a lake by key, all of them processed long ago.
pub struct World(pub BTreeMap<String, Record>);

impl World {
    /// Returns the objects of the lake.
    pub fn objects(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        self.0.iter().map(|(key, record)| (key.clone(), Some(record.object_from_values()))).collect()
    }

    /// Returns the keys in a random order that is the same in every run: ids end in a hash.
    pub fn drawn(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.0.keys().cloned().collect();
        keys.sort_by_key(|key| self.0[key].id_treated_data.chars().rev().collect::<String>());
        keys
    }
}

/// Changes to both sides, and the findings that an audit must report.
#[derive(Debug, Default)]
pub struct Damage {
    /// Objects to write, and to remove.
    pub objects: BTreeMap<String, Option<Vec<u8>>>,
    /// Objects to move to an archive tier.
    pub archived: Vec<String>,
    pub sql: Vec<String>,
    pub findings: Findings,
    pub gaps: Vec<Value>,
    /// Changes of the counts, compared with an undamaged audit.
    pub counts: BTreeMap<&'static str, i64>,
}

impl Damage {
    /// Plants each case N times, and N gaps; values match the column types of the schema.
    pub fn plant(world: &World, schema: &TableSchema, cases: &[Case], times: usize, gaps: usize) -> Self {
        let mut damage = Self::default();
        let lost = damage.lose_days(world, gaps);
        let mut keys = world.drawn().into_iter().filter(|key| !lost.contains(key));
        for _ in 0..times {
            for case in cases {
                let key = keys.next().unwrap();
                damage.add(*case, &key, &world.0[&key], schema);
            }
        }
        damage
    }

    /// Removes days of farms from both sides, one more each time; returns the keys.
    fn lose_days(&mut self, world: &World, gaps: usize) -> BTreeSet<String> {
        let mut lost = BTreeSet::new();
        let mut days: BTreeMap<String, BTreeMap<chrono::NaiveDate, Vec<&String>>> = BTreeMap::new();
        for key in world.0.keys() {
            let path = Key::parse(key).unwrap();
            days.entry(path.farm).or_default().entry(path.day).or_default().push(key);
        }
        let farms: Vec<_> = days.into_iter().collect();
        for gap in 0..gaps {
            let ((farm, days), length) = (&farms[gap % farms.len()], 1 + gap / farms.len());
            // 1, then 3 and 4, then 6, 7 and 8: whole days between them.
            let from = 1 + (1..length).map(|before| before + 1).sum::<usize>();
            let gone: Vec<_> = days.iter().skip(from).take(length).collect();
            let [first, .., last] = [gone[0].0, gone[length - 1].0];
            assert!(*last - *first == TimeDelta::days(length as i64 - 1) && from + length < days.len());
            self.gaps.push(json!({"farm": farm, "from": first, "to": last, "days": length}));
            lost.extend(gone.into_iter().flat_map(|(_, keys)| keys.iter().map(ToString::to_string)));
        }
        for key in &lost {
            self.objects.insert(key.clone(), None);
            self.row(&world.0[key].id_treated_data, "DELETE FROM historico_consumo");
            self.count(&["lake_objects", "lake_records", "warehouse_rows", "matched"], -1);
        }
        self.gaps.sort_by_key(|gap| (gap["farm"].to_string(), gap["from"].to_string()));
        lost
    }

    /// Damages one record.
    #[allow(clippy::too_many_lines, reason = "a table of cases")]
    pub fn add(&mut self, case: Case, key: &str, record: &Record, schema: &TableSchema) {
        let id = &*record.id_treated_data;
        match case {
            Case::LakeOnly => {
                self.row(id, "DELETE FROM historico_consumo");
                self.count(&["warehouse_rows", "matched"], -1);
                self.found(Finding::lake_only(id, key));
            }
            Case::WarehouseOnly => self.lose_object(id, key),
            Case::RuleOfWarehouse => {
                self.lose_object(id, key);
                self.set(id, "consumo_meta", record.consumo_meta * 1.01);
                self.found(Finding::new("rule_break", id, None, &["consumo_meta"]));
            }
            Case::RuleOfLake => {
                let broken = Record { consumo_meta: record.consumo_meta * 1.01, ..record.clone() };
                self.object(key, broken.object_from_values());
                self.set(id, "consumo_meta", broken.consumo_meta);
                self.found(Finding::new("rule_break", id, Some(key), &["consumo_meta"]));
            }
            Case::Differing(column) => {
                self.set_text(id, column.name(), &adjacent(record, column, schema));
                self.count(&["matched"], -1);
                self.found(Finding::differing(id, key, &[column.name()]));
            }
            Case::DifferingThroughout => {
                let values = comparable().map(|column| format!("{column} = {}", adjacent(record, column, schema)));
                let values = values.collect::<Vec<_>>().join(", ");
                self.row(id, &format!("UPDATE historico_consumo SET {values}"));
                self.count(&["matched"], -1);
                let mut names: Vec<_> = comparable().map(Column::name).collect();
                names.sort_unstable();
                self.found(Finding::differing(id, key, &names));
            }
            Case::Respelled => {
                self.set_text(id, "id_treated_data", &format!("'{}'", id.to_uppercase()));
                self.count(&["matched"], -1);
                self.found(Finding::differing(id, key, &["id_treated_data"]));
            }
            Case::Forged => {
                let mut forged = record.clone();
                forged.reading.quantidade_animais += 1;
                self.object(key, forged.object_from_values());
                self.set(id, "quantidade_animais", f64::from(forged.reading.quantidade_animais));
                self.found(Finding::new("forged_id", id, Some(key), &[]));
            }
            Case::Copy => self.copy(key, record),
            Case::OtherCopy => {
                let mut other = record.clone();
                other.reading.quantidade_animais += 1;
                self.copy(key, &other);
            }
            Case::LogicalDuplicate => self.double(record),
            Case::Misfiled => {
                let path = Key { farm: "fazenda_alheia".into(), ..Key::parse(key).unwrap() }.to_string();
                self.objects.insert(key.into(), None);
                self.object(&path, record.object_from_values());
                self.found(Finding::new("misfiled", id, Some(&path), &[]));
            }
            Case::Unreadable => {
                self.object(key, record.object_from_values()[..40].to_vec());
                self.not_compared();
                self.found(Finding::new("unreadable", id, Some(key), &[]));
            }
            Case::Rejected => {
                let mut fields: Value = serde_json::from_slice(&record.object_from_values()).unwrap();
                fields["peso_medio"] = "heavy".into();
                self.object(key, fields.to_string().into_bytes());
                self.not_compared();
                self.found(Finding::new("rejected", id, Some(key), &[]));
            }
            Case::Archived => {
                self.archived.push(key.into());
                self.not_compared();
                self.count(&["archived"], 1);
            }
        }
    }

    /// Changes a field of the row.
    pub fn add_differing(&mut self, record: &Record, key: &str, field: &str) {
        self.count(&["matched"], -1);
        self.found(Finding::differing(&record.id_treated_data, key, &[field]));
    }

    fn lose_object(&mut self, id: &str, key: &str) {
        self.objects.insert(key.into(), None);
        self.count(&["lake_objects", "lake_records", "matched"], -1);
        self.found(Finding::warehouse_only(id));
    }

    /// Adds an object with the same id, a second later in its name: the first object is still the one that is compared.
    fn copy(&mut self, key: &str, record: &Record) {
        let path = Key::parse(key).unwrap();
        let copy = Key { stamp: path.stamp + TimeDelta::seconds(1), ..path }.to_string();
        self.object(&copy, record.object_from_values());
        self.count(&["lake_objects", "lake_records"], 1);
        self.found(Finding::new("duplicate_object", &record.id_treated_data, Some(&copy), &[]));
        if record.check_id() == IdCheck::Forged {
            self.found(Finding::new("forged_id", &record.id_treated_data, Some(&copy), &[]));
        }
    }

    /// Adds a corrected reading on both sides: the greater of the two ids is the additional one.
    fn double(&mut self, record: &Record) {
        let mut other = record.clone();
        other.reading.quantidade_animais += 1;
        other.id_treated_data = reading_id(&other.reading).to_string();
        let key = Key::of(&other).unwrap().to_string();
        self.object(&key, other.object_from_values());
        let id = format!("'{}'", other.id_treated_data);
        let values = [(Column::IdTreatedData, &*id), (Column::QuantidadeAnimais, "quantidade_animais + 1")];
        self.sql.push(copy_rows(&values, &format!("WHERE id_treated_data = '{}'", record.id_treated_data)));
        self.count(&["lake_objects", "lake_records", "warehouse_rows", "matched"], 1);
        let further = if other.id_treated_data > record.id_treated_data { &other } else { record };
        let key = Key::of(further).unwrap().to_string();
        self.found(Finding::new("logical_duplicate", &further.id_treated_data, Some(&key), &["id_treated_data"]));
    }

    fn not_compared(&mut self) {
        self.count(&["lake_records", "matched"], -1);
        self.count(&["not_compared"], 1);
    }

    fn object(&mut self, key: &str, body: Vec<u8>) {
        self.objects.insert(key.into(), Some(body));
    }

    fn row(&mut self, id: &str, statement: &str) {
        self.sql.push(format!("{statement} WHERE id_treated_data = '{id}'"));
    }

    fn set(&mut self, id: &str, column: &str, value: f64) {
        self.set_text(id, column, &value.to_string());
    }

    pub fn set_text(&mut self, id: &str, column: &str, value: &str) {
        self.row(id, &format!("UPDATE historico_consumo SET {column} = {value}"));
    }

    pub fn found(&mut self, finding: Finding) {
        assert!(self.findings.insert(finding));
    }

    pub fn count(&mut self, names: &[&'static str], more: i64) {
        names.iter().for_each(|name| *self.counts.entry(name).or_default() += more);
    }
}

/// Returns the nearest other value of a column as SQL.
fn adjacent(record: &Record, column: Column, schema: &TableSchema) -> String {
    match record.value(column, schema) {
        Stored::Null | Stored::Invalid(_) => unreachable!(),
        Stored::Text(text) => format!("'{text}.'"),
        Stored::Float(value) => f64::from(value.next_up()).to_string(),
        Stored::Double(value) => value.next_up().to_string(),
        Stored::Integer(value) => (value + 1).to_string(),
        // A time truncated or rounded to a second agrees; a second more than the rounded time does not.
        Stored::DateTime(at) => (at + TimeDelta::seconds(2)).format("'%Y-%m-%d %H:%M:%S'").to_string(),
    }
}
