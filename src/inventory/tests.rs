//! Inventories as S3 writes them, and every fault that one can have.

use std::io::Write as _;

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::json;

use super::manifest::md5;
use super::*;
use pipeline::lake::memory::Memory;
use pipeline::lake::{Depth, ObjectMeta, list_all};

const SCHEMA: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass";

/// A lake, and the bucket of its inventory.
struct Scene {
    lake: Memory,
    store: Memory,
}

fn key(day: u32, id: &str) -> String {
    format!("fazenda_um/2026/01/{day:02}/historico_consumo_2026-01-{day:02} 00:00:00.000_{id}.json")
}

fn created() -> DateTime<Utc> {
    "2026-01-20T03:00:00Z".parse().unwrap()
}

impl Scene {
    async fn new() -> Self {
        let scene = Self { lake: Memory::default(), store: Memory::default() };
        for day in 1..=20 {
            for n in 0..3 {
                scene.put(&key(day, &format!("id{n}"))).await;
            }
        }
        scene.put(&key(3, "são joão \"quoted\", a+b 100%")).await;
        for n in 0..2_500 {
            scene.put(&key(5, &format!("many{n:05}"))).await;
        }
        scene
    }

    async fn put(&self, key: &str) {
        self.lake.put_new(key, Bytes::from(key.to_owned())).await.unwrap();
    }

    /// Returns the lines of a CSV inventory, in any order.
    async fn lines(&self) -> Vec<String> {
        let mut objects = list_all(&self.lake, "").await.unwrap();
        objects.reverse();
        objects.iter().map(|meta| line(meta, "true", "false")).collect()
    }

    async fn write(&self, lines: &[String], change: impl FnOnce(&mut serde_json::Value)) {
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        lines.iter().for_each(|line| zipped.write_all(line.as_bytes()).unwrap());
        self.write_file("CSV", SCHEMA, zipped.finish().unwrap(), change).await;
    }

    async fn write_file(&self, format: &str, schema: &str, file: Vec<u8>, change: impl FnOnce(&mut serde_json::Value)) {
        let mut manifest = json!({
            "sourceBucket": "bucket", "destinationBucket": "arn:aws:s3:::store", "version": "2016-11-30",
            "creationTimestamp": created().timestamp_millis().to_string(), "fileFormat": format, "fileSchema": schema,
            "files": [{"key": "inv/data/1.gz", "size": file.len(), "MD5checksum": md5(&file)}],
        });
        change(&mut manifest);
        self.store.overwrite("inv/data/1.gz", file);
        let manifest = manifest.to_string();
        self.store.overwrite("inv/manifest.checksum", md5(manifest.as_bytes()) + "\n");
        self.store.overwrite("inv/manifest.json", manifest);
    }

    async fn open(&self) -> Result<(Arc<dyn Lake>, InventoryInfo), Error> {
        let source = InventorySource {
            store: Arc::new(self.store.clone()),
            manifest: "inv/manifest.json".into(),
            bucket: "bucket".into(),
            prefix: "historico_diario".into(),
            memory: 1_000_000,
            dir: std::env::temp_dir(),
        };
        open(Arc::new(self.lake.clone()), source, created() + TimeDelta::hours(5)).await
    }

    async fn refused(&self) -> String {
        self.open().await.unwrap_err().to_string()
    }
}

fn line(meta: &ObjectMeta, latest: &str, deleted: &str) -> String {
    let key: String = format!("historico_diario/{}", meta.key)
        .bytes()
        .map(|b| match b {
            b' ' => "+".to_owned(),
            b if b.is_ascii_alphanumeric() || b"-_./".contains(&b) => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect();
    let time = meta.last_modified.format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let ObjectMeta { size, etag, .. } = meta;
    let etag = etag.replace('"', "");
    format!("\"bucket\",\"{key}\",\"v1\",\"{latest}\",\"{deleted}\",\"{size}\",\"{time}\",\"{etag}\",\"STANDARD\"\n")
}

async fn listed(lake: &dyn Lake, prefix: &str) -> Vec<ObjectMeta> {
    let mut objects = list_all(lake, prefix).await.unwrap();
    // An inventory has milliseconds.
    for meta in &mut objects {
        meta.last_modified = DateTime::from_timestamp_millis(meta.last_modified.timestamp_millis()).unwrap();
    }
    objects
}

#[tokio::test]
async fn a_partition_is_listed_from_the_inventory_as_from_the_lake() {
    let scene = Scene::new().await;
    let mut lines = scene.lines().await;
    let gone = ObjectMeta { key: key(4, "deleted"), ..list_all(&scene.lake, "").await.unwrap()[0].clone() };
    lines.push(line(&gone, "false", "false"));
    lines.push(line(&gone, "true", "true"));
    lines.push(lines[0].replace("historico_diario/", "another_prefix/"));
    scene.write(&lines, |_| {}).await;
    let (lake, info) = scene.open().await.unwrap();
    assert_eq!((info.objects, info.age_seconds, info.tail_from.to_string().as_str()), (2_561, 18_000, "2026-01-18"));
    for day in 1..=20 {
        let prefix = format!("fazenda_um/2026/01/{day:02}/");
        assert_eq!(listed(&*lake, &prefix).await, listed(&scene.lake, &prefix).await, "{prefix}");
    }
    // Later changes: old days are those of the inventory, the last days are listed, and so are folders.
    for day in [2, 19, 21] {
        scene.put(&key(day, "new")).await;
    }
    let count = async |day: u32| listed(&*lake, &format!("fazenda_um/2026/01/{day:02}/")).await.len();
    assert_eq!((count(2).await, count(19).await, count(21).await), (3, 4, 1));
    let folders = lake.list("fazenda_um/2026/01/", Depth::OneLevel, None).await.unwrap().folders;
    assert_eq!(folders.len(), 21);
    assert_eq!(lake.get(&key(2, "new")).await.unwrap(), key(2, "new"));
}

#[tokio::test]
async fn partitions_with_archived_objects_are_listed_because_they_may_be_restored() {
    let scene = Scene::new().await;
    let mut lines = scene.lines().await;
    let of_day_2 = lines.iter_mut().find(|line| line.contains("/02/")).unwrap();
    *of_day_2 = of_day_2.replace("STANDARD", "GLACIER");
    scene.write(&lines, |_| {}).await;
    let (lake, _) = scene.open().await.unwrap();
    scene.put(&key(2, "new")).await;
    assert_eq!(listed(&*lake, "fazenda_um/2026/01/02/").await.len(), 4);
}

#[tokio::test]
async fn a_parquet_inventory_is_read_too() {
    use crate::parquet::{Buffer, Field, Layout, Times, Type, Writer};
    let scene = Scene::new().await;
    let fields = [
        Field::required("bucket", Type::Text),
        Field::required("key", Type::Text),
        Field::optional("size", Type::Long),
        Field::optional("last_modified_date", Type::Time(Times::Millis)),
        Field::optional("e_tag", Type::Text),
        Field::optional("storage_class", Type::Text),
    ];
    let layout = || Layout::new("s3_inventory", &fields, parquet::file::properties::WriterProperties::new()).unwrap();
    let mut buffers: Vec<Buffer> = fields.iter().map(Buffer::new).collect();
    for meta in list_all(&scene.lake, "").await.unwrap() {
        let [bucket, key, size, time, etag, class] = &mut buffers[..] else { unreachable!() };
        bucket.push_text("bucket");
        key.push_text(&format!("historico_diario/{}", meta.key));
        size.push_long(meta.size as i64);
        time.push_long(meta.last_modified.timestamp_millis());
        etag.push_text(&meta.etag);
        class.push_text("STANDARD");
    }
    let group = layout().encode(&mut buffers).unwrap();
    let mut file = Writer::new(Vec::new(), layout()).unwrap();
    file.append(group).unwrap();
    scene.write_file("Parquet", "message s3.inventory {}", file.finish().unwrap(), |_| {}).await;
    let (lake, info) = scene.open().await.unwrap();
    assert_eq!(info.objects, 2_561);
    let prefix = "fazenda_um/2026/01/05/";
    assert_eq!(listed(&*lake, prefix).await, listed(&scene.lake, prefix).await);
}

#[tokio::test]
async fn an_inventory_that_is_incomplete_or_of_another_bucket_is_refused() {
    let scene = Scene::new().await;
    let lines = scene.lines().await;
    assert!(scene.refused().await.contains("manifest.json"), "there is none");
    for (change, expected) in [
        (json!({"sourceBucket": "other"}), "inventory of bucket other, but the lake is in bucket"),
        (json!({"fileFormat": "ORC"}), "ORC"),
        (json!({"fileSchema": "Bucket, Key, Size"}), "no column LastModifiedDate"),
        (json!({"fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag"}), "a line has 9 columns, not 5"),
        (json!({"creationTimestamp": "yesterday"}), "is not a time"),
        (json!({"files": [{"key": "inv/none", "size": 1, "MD5checksum": "x"}]}), "is missing"),
        (json!({"files": [{"key": "inv/data/1.gz", "size": 1, "MD5checksum": "x"}]}), "not 1 as in the manifest"),
    ] {
        scene
            .write(&lines, |manifest| {
                for (name, value) in change.as_object().unwrap() {
                    manifest[name] = value.clone();
                }
            })
            .await;
        let message = scene.refused().await;
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("omit --listing") || message.contains("missing"), "{message}");
    }
    scene.write(&lines, |_| {}).await;
    let whole = scene.store.get("inv/data/1.gz").await.unwrap();
    let mut damaged = whole.to_vec();
    damaged[100] ^= 1;
    scene.store.overwrite("inv/data/1.gz", damaged);
    assert!(scene.refused().await.contains("MD5"));
    scene.store.overwrite("inv/data/1.gz", whole.slice(..whole.len() - 1));
    assert!(scene.refused().await.contains("truncated"));
    scene.store.overwrite("inv/data/1.gz", whole);
    scene.open().await.unwrap();
    let manifest = scene.store.get("inv/manifest.json").await.unwrap();
    scene.store.overwrite("inv/manifest.json", manifest.slice(..manifest.len() - 1));
    assert!(scene.refused().await.contains("checksum"));
    scene.store.remove("inv/manifest.checksum").unwrap();
    assert!(scene.refused().await.contains("not the manifest"));
}
