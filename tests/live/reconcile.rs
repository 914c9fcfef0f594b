//! Planted damage of every kind: found exactly, and repaired if possible.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::record::Column;
use serde_json::Value;
use testkit::s3::S3Server;
use testkit::{BUCKET, Database, MARIADB, MYSQL, PREFIX, Scene, Server, copy_rows, real_files, with_real};

use crate::store_state::past_the_second;

/// Planted damage: kind → ids.
type Planted = BTreeMap<&'static str, BTreeSet<String>>;

fn key_of<'a>(keys: &'a [String], id: &str) -> &'a str {
    keys.iter().find(|key| key.contains(id)).unwrap()
}

/// Deletes 5 rows, changes a FLOAT in 3, adds one manually; removes 2 objects, corrupts one, copies one, misfiles one.
async fn damage(s3: &S3Server, database: &Database) -> Planted {
    let (store, ids) = (s3.store(), database.ids().await);
    let keys = store.list(BUCKET, PREFIX);
    let mut planted = Planted::new();
    let mut plant = |kind, id: &str| planted.entry(kind).or_default().insert(id.to_owned());
    for id in &ids[0..5] {
        database.run(&format!("DELETE FROM historico_consumo WHERE id_treated_data = '{id}'")).await;
        plant("lake_only", id);
    }
    for (id, field) in ids[5..8].iter().zip(["peso_medio", "consumo_real", "consumo_meta"]) {
        let changed =
            format!("UPDATE historico_consumo SET {field} = {field} * 1.0000003 WHERE id_treated_data = '{id}'");
        assert_eq!(database.run(&changed).await, 1, "one unit in the last place is a change");
        plant("differing", id);
    }
    for id in &ids[8..10] {
        store.remove(BUCKET, key_of(&keys, id)).unwrap();
        plant("warehouse_only", id);
    }
    let values = [(Column::IdTreatedData, "'a-mao-1'"), (Column::IdCurral, "'x'")];
    database.run(&copy_rows(&values, "ORDER BY id_treated_data DESC LIMIT 1")).await;
    plant("warehouse_only", "a-mao-1");
    store.put(BUCKET, key_of(&keys, &ids[10]), &b"{\"id_curral\":\"259940"[..]);
    plant("unreadable", &ids[10]);
    let copied = key_of(&keys, &ids[11]);
    let body = store.get(BUCKET, copied).unwrap();
    store.put(BUCKET, &copied.replace("00:00:00.000", "00:00:01.000"), body);
    plant("duplicate_object", &ids[11]);
    let misfiled = key_of(&keys, &ids[12]);
    let body = store.get(BUCKET, misfiled).unwrap();
    store.put(BUCKET, &misfiled.replace("fazenda_um", "fazenda_dois"), body);
    store.remove(BUCKET, misfiled);
    plant("misfiled", &ids[12]);
    planted
}

fn drift(path: &std::path::Path) -> (Planted, Vec<Value>) {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut found = Planted::new();
    for line in &lines {
        let kind: &'static str =
            ruminate::reconcile::DriftKind::ALL.into_iter().map(|k| k.name()).find(|k| line["kind"] == *k).unwrap();
        assert!(found.entry(kind).or_default().insert(line["id"].as_str().unwrap().to_owned()), "twice: {line}");
    }
    (found, lines)
}

#[allow(clippy::too_many_lines, reason = "one sequence of steps")]
async fn damage_is_found_exactly_and_repaired(server: Server) {
    let database = Database::new(server).await;
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::new().with_s3(&s3).with("RUMINATE_WAREHOUSE", &database.url());
    let files = real_files();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&with_real("backfill", &files)).expect(0, &[("inserted", 52)]);
    let checksum = "SELECT CAST(SUM(CRC32(CONCAT_WS('|', id_treated_data, HEX(peso_medio*1e6), HEX(consumo_real*1e6), HEX(consumo_meta*1e6)))) AS SIGNED) \
                    FROM historico_consumo WHERE id_treated_data <> 'a-mao-1'";
    let before = database.count(checksum).await;
    let planted = damage(&s3, &database).await;
    past_the_second();
    assert_ne!(database.count(checksum).await, before);

    let (file, html) = (scene.path("drift.ndjson"), scene.path("audit.html"));
    let (file_arg, html_arg) = (file.display().to_string(), html.display().to_string());
    let counts = [
        ("lake_only", 5),
        ("differing", 3),
        ("warehouse_only", 3),
        ("unreadable", 1),
        ("duplicate_objects", 1),
        ("misfiled", 1),
        ("logical_duplicates", 0),
        ("rule_breaks", 0),
        ("rejected", 0),
        ("archived", 0),
        ("not_compared", 1),
        ("matched", 41),
        ("lake_objects", 51),
        ("lake_records", 50),
        ("warehouse_rows", 48),
    ];
    scene.run(&["reconcile", "--drift", &file_arg, "--report", &html_arg]).expect(1, &counts);
    let (found, lines) = drift(&file);
    assert_eq!(found, planted);
    let fields: BTreeSet<&str> = lines
        .iter()
        .filter(|l| l["kind"] == "differing")
        .flat_map(|l| l["fields"].as_object().unwrap().keys())
        .map(String::as_str)
        .collect();
    assert_eq!(fields, BTreeSet::from(["consumo_meta", "consumo_real", "peso_medio"]));
    let (text, page) = (scene.text(&["reconcile"]), std::fs::read_to_string(&html).unwrap());
    for id in planted.values().flatten() {
        assert!(text.stdout.contains(id.as_str()), "{id} in {}", text.stdout);
        assert!(page.contains(id.as_str()), "{id} in the report");
    }

    let planned = scene.run(&["reconcile", "--repair", "both", "--dry-run"]);
    let repaired = |ran: &testkit::Ran, name: &str| ran.json["repaired"][name].as_u64().unwrap();
    for (name, count) in [("inserted", 5), ("updated", 3), ("objects_written", 3), ("not_repaired", 3), ("failed", 0)] {
        assert_eq!(repaired(&planned, name), count, "{name} {planned:?}");
    }
    scene.run(&["reconcile"]).expect(1, &counts);
    let done = scene.run(&["reconcile", "--repair", "both"]);
    for (name, count) in
        [("inserted", 5), ("updated", 3), ("objects_written", 3), ("verified", 11), ("not_repaired", 3), ("failed", 0)]
    {
        assert_eq!(repaired(&done, name), count, "{name} {done:?}");
    }
    assert_eq!(database.count(checksum).await, before, "repaired floats are bit-equal");
    let left = [
        ("matched", 52),
        ("unreadable", 1),
        ("duplicate_objects", 1),
        ("misfiled", 1),
        ("not_compared", 1),
        ("lake_only", 0),
        ("warehouse_only", 0),
        ("differing", 0),
    ];
    scene.run(&["reconcile"]).expect(1, &left);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_damage_is_found_exactly_and_repaired() {
    damage_is_found_exactly_and_repaired(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_damage_is_found_exactly_and_repaired() {
    damage_is_found_exactly_and_repaired(MARIADB).await;
}
