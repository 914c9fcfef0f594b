//! The S3 lake over HTTP with the in-process S3 service: the conformance suite for lakes, and faults.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::aws::Network;
use pipeline::lake::s3::S3;
use pipeline::lake::{Depth, Lake, PutResult, Reason, list_all};
use pipeline::retry::RetryPolicy;
use testkit::conformance::lake as conformance;
use testkit::s3::{ACCESS_KEY, Fault, Op, REGION, S3Server, SECRET_KEY, StorageClass, Versioning};

mod conditional;
mod listings;

const BUCKET: &str = "lake";
const QUICK: RetryPolicy =
    RetryPolicy { max_attempts: 6, initial_backoff: Duration::from_millis(5), max_backoff: Duration::from_millis(20) };

fn config(s3: &S3Server, region: &'static str, secret: &str) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().build_http();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(s3.endpoint())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(ACCESS_KEY, secret, None, None, "test")))
        .http_client(http)
        .build()
}

/// Objects read by the SDK, and directly.
const WAYS: [bool; 2] = [false, true];

fn open(config: &SdkConfig, bucket: &str, prefix: &str, direct: bool) -> S3 {
    let lake = S3::new(config, bucket, prefix, QUICK);
    if direct { lake.direct(config, &Network::default()) } else { lake }
}

fn lake(s3: &S3Server, direct: bool) -> S3 {
    open(&config(s3, REGION, SECRET_KEY), BUCKET, "a/historico_diario", direct)
}

#[tokio::test]
async fn every_conformance_check_passes_on_s3() {
    for direct in WAYS {
        let s3 = S3Server::with_bucket(BUCKET);
        conformance::check(&lake(&s3, direct)).await;
        assert!(s3.store().list(BUCKET, "a/quarentena/").len() == 1);
    }
}

#[tokio::test]
async fn every_conformance_check_passes_at_the_root_of_a_bucket_too() {
    let s3 = S3Server::with_bucket(BUCKET);
    let root = S3::new(&config(&s3, REGION, SECRET_KEY), BUCKET, "", QUICK);
    root.put_new("x.json", Bytes::new()).await.unwrap();
    assert_eq!(root.sibling("quarentena").address(), "s3://lake/quarentena");
    assert_eq!(list_all(&root, "").await.unwrap()[0].key, "x.json");
}

#[tokio::test]
async fn transient_faults_are_retried_and_nothing_is_duplicated() {
    for direct in WAYS {
        transient_faults(direct).await;
    }
}

async fn transient_faults(direct: bool) {
    let s3 = S3Server::with_bucket(BUCKET);
    let lake = lake(&s3, direct);
    let faults =
        [("slow_down", 0), ("internal_error", 1), ("reset", 2), ("lost_answer", 3), ("truncate", 4), ("close", 5)];
    for (name, set) in faults {
        s3.faults().change(|faults| {
            faults.slow_down = if set == 0 { Fault::first(2) } else { Fault::default() };
            faults.internal_error = if set == 1 { Fault::first(2) } else { Fault::default() };
            faults.reset = if set == 2 { Fault::first(2) } else { Fault::default() };
            faults.lost_answer = if set == 3 { Fault::first(2) } else { Fault::default() };
            faults.truncate = if set == 4 { Fault::first(2).on(&[Op::Get]) } else { Fault::default() };
            faults.close = if set == 5 { Fault::first(2) } else { Fault::default() };
        });
        let key = format!("f/{name}.json");
        assert_eq!(lake.put_new(&key, Bytes::from_static(b"{\"a\":1}")).await.unwrap(), PutResult::Created, "{name}");
        assert_eq!(lake.get(&key).await.unwrap(), "{\"a\":1}", "{name}");
        assert!(list_all(&lake, "f/").await.unwrap().iter().any(|object| object.key == key), "{name}");
    }
    assert_eq!(s3.store().list(BUCKET, "a/historico_diario/f/").len(), 6);
    let throttling = lake.throttle_stats();
    // Two rejections of each of four requests, because the first object is looked up; the other faults are retries too.
    assert_eq!(throttling.slow_downs, 8, "{throttling:?}");
    assert!(throttling.retries >= 24, "{throttling:?}");
}

/// A store with a rate limit: all requests succeed, with less concurrency than requested.
#[tokio::test]
async fn concurrency_adapts_to_the_capacity_of_a_store() {
    let s3 = S3Server::with_bucket(BUCKET);
    // The seconds of the store and of the limit differ: retries must outlast both, and a limited number of attempts is
    // used within a second with pauses as short as those of QUICK.
    let patient = RetryPolicy { max_attempts: 200, max_backoff: Duration::from_millis(200), ..QUICK };
    let config = config(&s3, REGION, SECRET_KEY);
    let lake = std::sync::Arc::new(S3::new(&config, BUCKET, "x", patient).direct(&config, &Network::default()));
    for n in 0..50 {
        s3.store().put(BUCKET, &format!("x/{n}"), "{}");
    }
    s3.faults().change(|faults| {
        faults.max_per_second = Some(300);
        faults.latency = Duration::from_millis(20);
    });
    let reads = (0..1_500).map(|n| {
        let lake = std::sync::Arc::clone(&lake);
        tokio::spawn(async move { lake.get(&(n % 50).to_string()).await })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap().unwrap(), "{}");
    }
    let throttling = lake.throttle_stats();
    assert!(
        throttling.slow_downs > 0 && throttling.min_concurrency.is_some_and(|limit| limit < 1_000),
        "{throttling:?}"
    );
}

/// An XML object in the lake is an object, not an error document of the store, with both clients.
#[tokio::test]
async fn an_object_is_read_unchanged_with_any_content() {
    let s3 = S3Server::with_bucket(BUCKET);
    const XML: &str = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>";
    s3.store().put(BUCKET, "a/historico_diario/x.json", XML.to_owned());
    for direct in WAYS {
        let lake = lake(&s3, direct);
        let listed = list_all(&lake, "").await.unwrap();
        let got = lake.get_many(&listed.iter().collect::<Vec<_>>()).await;
        assert_eq!(got[0].as_ref().unwrap(), XML);
        assert_eq!(lake.get("x.json").await.unwrap(), XML);
        assert_eq!(lake.throttle_stats().retries, 0);
    }
}

#[tokio::test]
async fn a_permanent_error_is_named() {
    let s3 = S3Server::with_bucket(BUCKET);
    let reason = async |lake: S3| lake.clock().await.unwrap_err();
    let e = reason(S3::new(&config(&s3, REGION, SECRET_KEY), "nobody", "x", QUICK)).await;
    assert_eq!(e.reason, Reason::NoLake, "{e}");
    let e = reason(S3::new(&config(&s3, REGION, "wrong"), BUCKET, "x", QUICK)).await;
    assert_eq!(e.reason, Reason::Credentials, "{e}");
    let cases = [
        ("sa-east-1", SECRET_KEY, BUCKET, Reason::WrongRegion),
        (REGION, "wrong", BUCKET, Reason::Credentials),
        (REGION, SECRET_KEY, "nobody", Reason::NoLake),
        (REGION, SECRET_KEY, BUCKET, Reason::NotFound),
    ];
    for (region, secret, bucket, reason) in cases {
        let mut output = Vec::new();
        for direct in WAYS {
            let e = open(&config(&s3, region, secret), bucket, "x", direct).get("a").await.unwrap_err();
            assert_eq!(e.reason, reason, "{e}");
            // Each request has its own id, which AWS support requires.
            let text = e.to_string();
            let (text, id) = text.split_once(" (request id ").unwrap_or_else(|| panic!("no request id: {text}"));
            assert!(id.len() > 1, "{id}");
            output.push(text.to_owned());
        }
        assert_eq!(output[0], output[1], "both clients report the same");
    }
}

#[tokio::test]
async fn archived_objects_are_detected_and_restored_ones_read() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (lake, direct) = (lake(&s3, false), lake(&s3, true));
    for key in ["cold.json", "thawed.json", "warm.json"] {
        lake.put_new(key, Bytes::from_static(b"{}")).await.unwrap();
    }
    let full = |key: &str| format!("a/historico_diario/{key}");
    s3.store().set_storage_class(BUCKET, &full("cold.json"), StorageClass::Glacier);
    s3.store().set_storage_class(BUCKET, &full("thawed.json"), StorageClass::DeepArchive);
    let until = std::time::SystemTime::now() + Duration::from_secs(86_400);
    s3.store().set_restored(BUCKET, &full("thawed.json"), testkit::s3::Restore::Until(until));
    let seen = list_all(&lake, "").await.unwrap();
    let classes: Vec<_> = seen.iter().map(|o| (o.class.as_str(), o.restored)).collect();
    assert_eq!(classes, [("GLACIER", false), ("DEEP_ARCHIVE", true), ("STANDARD", false)]);
    let archived: Vec<(String, bool)> =
        list_all(&lake, "").await.unwrap().into_iter().map(|o| (o.key, o.archived)).collect();
    assert_eq!(archived, [("cold.json".to_owned(), true), ("thawed.json".into(), false), ("warm.json".into(), false)]);
    for lake in [lake, direct] {
        assert_eq!(lake.get("cold.json").await.unwrap_err().reason, Reason::Archived);
        assert_eq!(lake.get("thawed.json").await.unwrap(), "{}");
    }
}

const DAY: u64 = 86_400;

fn on(day: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + day * DAY)
}

/// Writes or deletes an object as on a day.
fn at(s3: &S3Server, day: u64, key: &str, body: Option<&str>) {
    let key = format!("a/historico_diario/{key}");
    match body {
        Some(body) => s3.store().put(BUCKET, &key, body.to_owned()),
        None => drop(s3.store().remove(BUCKET, &key)),
    }
    let id = s3.store().versions(BUCKET, &key).last().unwrap().id.clone();
    assert!(s3.store().set_version_time(BUCKET, &key, &id, on(day)));
}

#[tokio::test]
async fn a_lake_as_of_a_time_has_each_key_s_version_at_that_time() {
    for direct in WAYS {
        as_it_was(direct).await;
    }
}

#[allow(clippy::too_many_lines, reason = "one sequence of steps")]
async fn as_it_was(direct: bool) {
    let s3 = S3Server::with_bucket(BUCKET);
    let lake = lake(&s3, direct);
    lake.put_new("f/before versioning.json", Bytes::from_static(b"null")).await.unwrap();
    s3.store().set_last_modified(BUCKET, "a/historico_diario/f/before versioning.json", on(0));
    let e = lake.as_of(on(1).into()).await.unwrap_err();
    assert_eq!((e.reason, e.to_string().lines().count()), (Reason::NoVersions, 1), "{e}");
    s3.store().set_versioning(BUCKET, Versioning::Enabled);
    at(&s3, 1, "f/kept.json", Some("kept"));
    at(&s3, 1, "f/changed.json", Some("first"));
    at(&s3, 3, "f/changed.json", Some("second"));
    at(&s3, 1, "f/deleted.json", Some("gone"));
    at(&s3, 3, "f/deleted.json", None);
    at(&s3, 1, "f/back again.json", Some("one"));
    at(&s3, 2, "f/back again.json", None);
    at(&s3, 4, "f/back again.json", Some("two"));
    at(&s3, 3, "f/new.json", Some("new"));
    at(&s3, 3, "f/before versioning.json", None);
    at(&s3, 1, "f/deleted.json.more", Some("longer"));
    for key in conformance::STRANGE_KEYS {
        at(&s3, 1, key, Some(key));
        at(&s3, 3, key, None);
    }
    let then = async |day: u64| {
        let then = lake.as_of(on(day).into()).await.unwrap();
        let mut all = Vec::new();
        for object in list_all(&*then, "f/").await.unwrap() {
            let body = then.get_many(&[&object]).await.pop().unwrap().unwrap();
            assert_eq!(then.get(&object.key).await.unwrap(), body, "{}", object.key);
            assert!(object.version.is_some() && object.last_modified <= DateTime::<Utc>::from(on(day)));
            all.push((object.key[2..].to_owned(), String::from_utf8(body.to_vec()).unwrap()));
        }
        all
    };
    let known = |all: &[(&str, &str)]| -> Vec<_> {
        all.iter().map(|(key, body)| (format!("{key}.json"), (*body).to_owned())).collect()
    };
    assert_eq!(then(0).await, known(&[("before versioning", "null")]));
    let mut one =
        known(&[("back again", "one"), ("before versioning", "null"), ("changed", "first"), ("deleted", "gone")]);
    one.extend([("deleted.json.more".to_owned(), "longer".to_owned())]);
    one.extend(known(&[("kept", "kept")]));
    assert_eq!(then(1).await, one);
    one.remove(0);
    assert_eq!(then(2).await, one);
    let mut now = known(&[("back again", "two"), ("changed", "second")]);
    now.extend([("deleted.json.more".to_owned(), "longer".to_owned())]);
    now.extend(known(&[("kept", "kept"), ("new", "new")]));
    assert_eq!(then(5).await, now);

    let then = lake.as_of(on(2).into()).await.unwrap();
    let mut strange = conformance::STRANGE_KEYS.to_vec();
    strange.sort_unstable();
    assert_eq!(list_all(&*then, "strange/").await.unwrap().into_iter().map(|o| o.key).collect::<Vec<_>>(), strange);
    for key in strange {
        assert_eq!(then.get(key).await.unwrap(), key);
        assert_eq!(lake.get(key).await.unwrap_err().reason, Reason::NotFound);
    }
    assert_eq!(then.list("", Depth::OneLevel, None).await.unwrap().folders, ["f/", "strange/"]);
    assert_eq!(then.get("f/new.json").await.unwrap_err().reason, Reason::NotFound);
    assert_eq!(then.put_new("f/x.json", Bytes::new()).await.unwrap_err().reason, Reason::ReadOnly);
    // A version that disappears after the listing affects only this object.
    let listed = list_all(&*then, "f/kept").await.unwrap();
    assert!(s3.store().remove_version(BUCKET, "a/historico_diario/f/kept.json", listed[0].version.as_deref().unwrap()));
    assert_eq!(then.get_many(&[&listed[0]]).await[0].as_ref().unwrap_err().reason, Reason::NotFound);
    s3.store().set_versioning(BUCKET, Versioning::Suspended);
    assert!(lake.as_of(on(2).into()).await.is_ok(), "what was kept before is there");
}

#[tokio::test]
async fn versions_over_many_pages_are_resolved_once_each() {
    let s3 = S3Server::with_bucket(BUCKET);
    s3.store().set_versioning(BUCKET, Versioning::Enabled);
    // 7 versions of each key: pages of 1,000 end within a key, before and after the version of that time.
    for n in 0..700 {
        let key = format!("f/{}/{n:04} é+.json", n % 2);
        for day in 0..7 {
            at(&s3, day, &key, (day != 5).then_some(&format!("{n} {day}")));
        }
    }
    for day in 0..1_200 {
        at(&s3, day, "f/many.json", Some(&day.to_string()));
    }
    let lake = lake(&s3, true);
    for day in 0..7 {
        let then = lake.as_of(on(day).into()).await.unwrap();
        let all = list_all(&*then, "f/").await.unwrap();
        assert!(all.windows(2).all(|two| two[0].key < two[1].key), "in order, each once");
        assert_eq!(all.len(), if day == 5 { 1 } else { 701 }, "day {day}");
        for object in all.iter().step_by(97) {
            let body = then.get_many(&[object]).await.pop().unwrap().unwrap();
            assert!(object.key == "f/many.json" || body.ends_with(format!(" {day}").as_bytes()), "{body:?}");
        }
        assert_eq!(then.get("f/many.json").await.unwrap(), day.to_string());
    }
    let folded = lake.as_of(on(1).into()).await.unwrap().list("f/", Depth::OneLevel, None).await.unwrap();
    assert_eq!(folded.folders, ["f/0/", "f/1/"]);
}
