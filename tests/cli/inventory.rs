//! `--listing`: replay and audit with the listings of an S3 Inventory.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use testkit::planted_drift::{Case, Damage, long_ago, to_s3, to_sqlite};
use testkit::s3::{Op, S3Server};
use testkit::{BUCKET, PREFIX, Ran};

use crate::compact::lake_in_s3;
use crate::planted_drift::schema;

const STORE: &str = "inventario";
const MANIFEST: &str = "lago/diario/2026-11-22T01-00Z/manifest.json";
const SCHEMA: &str = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass";

fn md5(bytes: &[u8]) -> String {
    pipeline::hex::hex(&Md5::digest(bytes))
}

fn source() -> String {
    format!("inventory:s3://{STORE}/{MANIFEST}")
}

/// Writes an inventory of the lake's bucket as S3 does, in files of some hundred lines; returns the keys of the files.
fn write(s3: &S3Server, change: impl FnOnce(&mut Value)) -> Vec<String> {
    s3.store().create_bucket(STORE);
    let mut lines = Vec::new();
    for key in s3.store().list(BUCKET, "") {
        let object = s3.store().object(BUCKET, &key).unwrap();
        let at = chrono::DateTime::<chrono::Utc>::from(object.last_modified).format("%Y-%m-%dT%H:%M:%S.000Z");
        let (size, etag) = (object.bytes.len(), pipeline::hex::hex(&object.md5));
        let key = key.replace('%', "%25").replace(' ', "+").replace(':', "%3A");
        lines.push(format!("\"{BUCKET}\",\"{key}\",\"{size}\",\"{at}\",\"{etag}\",\"STANDARD\"\n"));
    }
    lines.reverse();
    let mut files = Vec::new();
    for (n, chunk) in lines.chunks(700).enumerate() {
        let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        chunk.iter().for_each(|line| compressed.write_all(line.as_bytes()).unwrap());
        let compressed = compressed.finish().unwrap();
        let key = format!("lago/diario/data/{n}.csv.gz");
        files.push(json!({"key": key, "size": compressed.len(), "MD5checksum": md5(&compressed)}));
        s3.store().put(STORE, &key, compressed);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut manifest = json!({
        "sourceBucket": BUCKET, "destinationBucket": format!("arn:aws:s3:::{STORE}"), "version": "2016-11-30",
        "creationTimestamp": (now - 3_600_000).to_string(), "fileFormat": "CSV", "fileSchema": SCHEMA, "files": files,
    });
    change(&mut manifest);
    let text = manifest.to_string();
    s3.store().put(STORE, &MANIFEST.replace(".json", ".checksum"), md5(text.as_bytes()) + "\n");
    s3.store().put(STORE, MANIFEST, text);
    s3.store().list(STORE, "lago/diario/data/")
}

fn lists(s3: &S3Server) -> u64 {
    s3.faults().counts().requests(Op::List)
}

#[test]
fn a_replay_and_an_audit_from_an_inventory_give_what_they_give_from_listings() {
    let (s3, scene, world, count) = lake_in_s3(2, 10, 40);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    write(&s3, |_| ());
    let replayed = scene.run(&["replay", "--listing", &source()]);
    replayed.expect(0, &[("inserted", count)]);
    assert_eq!(replayed.json["listing"]["objects"], count, "{replayed:?}");
    assert_eq!(replayed.json["from_parts"]["rows"], count, "parts match an inventory too");

    let damage = Damage::plant(&world, &schema(), &Case::all(), 3, 1);
    to_s3(&s3, &damage.objects);
    to_sqlite(&scene.path("w.db"), &damage.sql);
    write(&s3, |_| ());
    let audit = |drift: &str, more: &[&str]| -> (Ran, String, u64) {
        let before = lists(&s3);
        let ran = scene.run(&[&["reconcile", "--parts", "never", "--drift", drift], more].concat());
        (ran, std::fs::read_to_string(scene.path(drift)).unwrap(), lists(&s3) - before)
    };
    let (listed, by_listings, requests) = audit("listings.ndjson", &[]);
    let (from_inventory, by_inventory, fewer) = audit("inventory.ndjson", &["--listing", &source()]);
    assert!(by_listings == by_inventory, "{from_inventory:?}");
    assert_eq!(listed.json["matched"], from_inventory.json["matched"]);
    // Folders of farms, months and days are listed; partitions are not.
    assert!(fewer + 80 <= requests, "{fewer} {requests}");
    let not_checked = from_inventory.json["not_checked"].to_string();
    assert!(
        not_checked.contains("Objects listed from an inventory") && not_checked.contains("The inventory was"),
        "{not_checked}"
    );
    damage.is_found_by(&scene, &world, &["--listing", &source()]);
}

#[test]
fn what_was_written_after_the_inventory_is_seen_in_new_days_and_not_in_old_ones() {
    let (s3, scene, world, count) = lake_in_s3(1, 10, 10);
    scene.run(&["init"]).expect(0, &[]);
    write(&s3, |_| ());
    let (key, record) = world.0.first_key_value().unwrap();
    let today = chrono::Utc::now().format("%Y/%m/%d");
    let (farm, day_and_name) = key.split_once('/').unwrap();
    let name = day_and_name.rsplit('/').next().unwrap();
    for (n, key) in [key.clone(), format!("{farm}/{today}/{name}")].into_iter().enumerate() {
        let mut record = record.clone();
        let id = format!("0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6a{n}");
        let key = format!("{PREFIX}/{}", key.replace(&record.id_treated_data, &id));
        record.id_treated_data = id;
        s3.store().put(BUCKET, &key, record.object_from_values());
        s3.store().set_last_modified(BUCKET, &key, long_ago());
    }
    let seen = scene.run(&["replay", "--listing", &source(), "--dry-run"]);
    assert_eq!(seen.json["objects"], count + 1, "the object in today's folder: {seen:?}");
    let all = scene.run(&["replay", "--dry-run"]);
    assert_eq!(all.json["objects"], count + 2, "{all:?}");
    // An object that was deleted after the inventory cannot be read, which is reported.
    let gone = world.drawn()[3].clone();
    s3.store().remove(BUCKET, &format!("{PREFIX}/{gone}")).unwrap();
    let ran = scene.run(&["replay", "--listing", &source()]);
    ran.expect(1, &[("inserted", count), ("unreadable", 1)]);
}

#[test]
fn an_inventory_that_is_wrong_is_not_used() {
    let (s3, scene, ..) = lake_in_s3(1, 10, 40);
    scene.run(&["init"]).expect(0, &[]);
    let refused = |args: &[&str], why: &str| {
        let ran = scene.run(&[&["replay", "--dry-run"], args].concat());
        assert_eq!(ran.code, Some(2), "{why}: {ran:?}");
        assert!(ran.stderr.contains(why), "{why} in {}", ran.stderr);
    };
    let (wanted, other) = (source(), "inventory:s3://inventario/other/manifest.json");
    let listing = ["--listing", &wanted];
    write(&s3, |manifest| manifest["sourceBucket"] = json!("outro"));
    refused(&listing, "inventory of bucket outro");
    write(&s3, |manifest| manifest["fileFormat"] = json!("ORC"));
    refused(&listing, "ORC");
    write(&s3, |manifest| {
        manifest["fileSchema"] = json!("Bucket, Key, VersionId, LastModifiedDate, ETag, StorageClass")
    });
    refused(&listing, "no column Size");
    let files = write(&s3, |_| ());
    let whole = s3.store().get(STORE, &files[0]).unwrap();
    s3.store().put(STORE, &files[0], whole.slice(..whole.len() / 2));
    refused(&listing, "it is truncated or was replaced");
    let mut changed = whole.to_vec();
    changed[100] ^= 1;
    s3.store().put(STORE, &files[0], changed);
    refused(&listing, "its MD5 differs");
    s3.store().remove(STORE, &files[0]).unwrap();
    refused(&listing, "is missing");
    s3.store().put(STORE, MANIFEST, "{}");
    refused(&listing, "the manifest does not match its checksum");
    refused(&["--listing", other], "other/manifest.json");
    refused(&["--listing", "inventory:here"], "write inventory:s3://");
    refused(&["--listing", &wanted, "--as-of", "2026-11-22T00:00:00Z"], "cannot be used with");
    refused(&["--lake", "folder", "--listing", &wanted], "only S3 has inventories");
}
