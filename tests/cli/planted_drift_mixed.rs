//! Records with several faults: each fault is reported once, with its own verdict.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use pipeline::lake::Key;
use pipeline::record::{Record, reading_id};
use testkit::Scene;
use testkit::planted_drift::{Finding, Findings, World, assert_same, found_in, insert, to_folder, to_sqlite};

/// Damage to both stores, and the expected findings.
#[derive(Default)]
struct Mixed {
    objects: BTreeMap<String, Option<Vec<u8>>>,
    sql: Vec<String>,
    findings: Findings,
}

impl Mixed {
    fn put(&mut self, key: &str, record: &Record) {
        self.objects.insert(key.into(), Some(record.object_from_values()));
    }

    fn sql(&mut self, statement: &str, record: &Record) {
        self.sql.push(format!("{statement} WHERE id_treated_data = '{}'", record.id_treated_data));
    }

    fn find(&mut self, finding: Finding) {
        assert!(self.findings.insert(finding));
    }

    /// Faults that are planted next to each other must be distinguished.
    #[allow(clippy::too_many_lines, reason = "one sequence of steps")]
    fn plant(&mut self, case: usize, key: &str, record: &Record) {
        let id = &*record.id_treated_data;
        let path = Key::parse(key).unwrap();
        let elsewhere = Key { farm: "fazenda_alheia".into(), ..path.clone() }.to_string();
        let copy = Key { stamp: path.stamp + TimeDelta::seconds(1), ..path.clone() }.to_string();
        let broken = Record { consumo_meta: record.consumo_meta * 1.02, ..record.clone() };
        let (delete, rule) = ("DELETE FROM historico_consumo", ["consumo_meta"]);
        match case {
            // In another farm's folder, with a wrong target, without a row.
            0 => {
                self.objects.insert(key.into(), None);
                self.put(&elsewhere, &broken);
                self.sql(delete, record);
                self.find(Finding::lake_only(id, &elsewhere));
                self.find(Finding::new("misfiled", id, Some(&elsewhere), &[]));
                self.find(Finding::new("rule_break", id, Some(&elsewhere), &rule));
            }
            // The same with a row that has the correct target and its id in upper case, and a copy in another farm's
            // folder.
            1 => {
                self.put(key, &broken);
                self.put(&elsewhere, &broken);
                self.sql(&format!("UPDATE historico_consumo SET id_treated_data = '{}'", id.to_uppercase()), record);
                self.find(Finding::differing(id, key, &["consumo_meta", "id_treated_data"]));
                self.find(Finding::new("rule_break", id, Some(key), &rule));
                self.find(Finding::new("duplicate_object", id, Some(&elsewhere), &[]));
            }
            // Nine copies without a row.
            2 => {
                self.sql(delete, record);
                self.find(Finding::lake_only(id, key));
                for n in 1..=9 {
                    let copy = Key { stamp: path.stamp + TimeDelta::seconds(n), ..path.clone() }.to_string();
                    self.put(&copy, if n % 2 == 0 { record } else { &broken });
                    self.find(Finding::new("duplicate_object", id, Some(&copy), &[]));
                }
            }
            // The object is damaged, its copy is not; with a row, and without.
            3 | 4 => {
                self.objects.insert(key.into(), Some(b"{\"id_curral\":".to_vec()));
                self.put(&copy, record);
                self.find(Finding::new("unreadable", id, Some(key), &[]));
                if case == 4 {
                    self.sql(delete, record);
                    self.find(Finding::lake_only(id, &copy));
                }
            }
            // A damaged object without a row: it is unknown whether a row is missing.
            5 => {
                self.objects.insert(key.into(), Some(b"{}".to_vec()));
                self.sql(delete, record);
                self.find(Finding::new("rejected", id, Some(key), &[]));
            }
            // The lake has the original reading, the warehouse the corrected one, twice.
            6 => {
                self.sql(delete, record);
                self.find(Finding::lake_only(id, key));
                let mut ids = vec![(id.to_owned(), Some(key))];
                for more in 1..=2 {
                    let mut other = record.clone();
                    other.reading.quantidade_animais += more;
                    other.id_treated_data = reading_id(&other.reading).to_string();
                    self.sql.push(insert(&other, &super::planted_drift::schema()));
                    self.find(Finding::warehouse_only(&other.id_treated_data));
                    ids.push((other.id_treated_data, None));
                }
                ids.sort_unstable();
                for (id, key) in &ids[1..] {
                    self.find(Finding::new("logical_duplicate", id, *key, &["id_treated_data"]));
                }
            }
            // The lake has the id in upper case, also in the name of the object.
            _ => {
                self.objects.insert(key.into(), None);
                let upper = Record { id_treated_data: id.to_uppercase(), ..record.clone() };
                let key = Key::of(&upper).unwrap().to_string();
                self.put(&key, &upper);
                self.find(Finding::differing(&upper.id_treated_data, &key, &["id_treated_data"]));
            }
        }
    }
}

#[test]
fn several_faults_of_one_record_are_each_found_once() {
    let scene = Scene::embedded();
    let world = World::of(&scene, 2, 12, 12);
    to_folder(&scene.path("lake"), &world.objects());
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[("inserted", world.0.len() as u64)]);
    let mut mixed = Mixed::default();
    let keys = world.drawn();
    for (n, key) in keys.iter().take(40).enumerate() {
        mixed.plant(n % 8, key, &world.0[key]);
    }
    // An object that was overwritten with another record: its original row has no object, the other row has two.
    let (key, other) = (&keys[50], &world.0[&keys[51]]);
    mixed.put(key, other);
    mixed.find(Finding::warehouse_only(&world.0[key].id_treated_data));
    mixed.find(Finding::new("duplicate_object", &other.id_treated_data, Some(key), &[]));
    to_folder(&scene.path("lake"), &mixed.objects);
    to_sqlite(&scene.path("w.db"), &mixed.sql);
    for more in [&[][..], &["--cache", "cache"], &["--cache", "cache"], &["--from", "2023-12-01"]] {
        scene
            .run(&[&["reconcile", "--drift", "drift.ndjson"], more].concat())
            .expect(1, &[("unstable", 0), ("resolved_on_recheck", 0)]);
        assert_same(&found_in(&scene.path("drift.ndjson")), &mixed.findings, &format!("{more:?}"));
    }
    scene.run(&["reconcile", "--quick", "--drift", "quick.ndjson"]);
    let quick = found_in(&scene.path("quick.ndjson"));
    let false_ones: Vec<_> = quick.difference(&mixed.findings).collect();
    assert!(false_ones.is_empty() && quick.len() > 50, "{} {false_ones:#?}", quick.len());
}
