//! The S3 lake on the wire, against the in-process S3 service: the checks that every lake passes, and faults.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use bytes::Bytes;
use ruminate::lake::s3::S3;
use ruminate::lake::{Lake, Put, Reason, conformance, list_all};
use ruminate::retry::Retry;
use ruminate_test_s3::{ACCESS_KEY, Fault, Op, REGION, S3Server, SECRET_KEY, StorageClass};

const BUCKET: &str = "lake";
const QUICK: Retry =
    Retry { attempts: 6, first_pause: Duration::from_millis(5), longest_pause: Duration::from_millis(20) };

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

/// Read by the SDK, and directly.
const WAYS: [bool; 2] = [false, true];

fn open(config: &SdkConfig, bucket: &str, prefix: &str, direct: bool) -> S3 {
    let lake = S3::new(config, bucket, prefix, QUICK);
    if direct { lake.direct(config) } else { lake }
}

fn lake(s3: &S3Server, direct: bool) -> S3 {
    open(&config(s3, REGION, SECRET_KEY), BUCKET, "a/historico_diario", direct)
}

#[tokio::test]
async fn every_check_of_conformance_holds_on_s3() {
    for direct in WAYS {
        let s3 = S3Server::with_bucket(BUCKET);
        conformance::check(&lake(&s3, direct)).await;
        assert!(s3.store().list(BUCKET, "a/quarentena/").len() == 1);
    }
}

#[tokio::test]
async fn what_is_read_directly_goes_over_few_connections_and_says_so_of_itself() {
    let s3 = S3Server::with_bucket(BUCKET);
    let lake = lake(&s3, true);
    lake.put_new("x.json", Bytes::from_static(b"{}")).await.unwrap();
    for _ in 0..20 {
        assert_eq!(lake.get("x.json").await.unwrap(), "{}");
    }
    assert_eq!(s3.dials().counts().requests(Op::Get), 20);
    assert_eq!(lake.pressure(), ruminate::lake::Pressure::default());
}

#[tokio::test]
async fn every_check_of_conformance_holds_at_the_root_of_a_bucket_too() {
    let s3 = S3Server::with_bucket(BUCKET);
    let root = S3::new(&config(&s3, REGION, SECRET_KEY), BUCKET, "", QUICK);
    root.put_new("x.json", Bytes::new()).await.unwrap();
    assert_eq!(root.beside("quarentena").address(), "s3://lake/quarentena");
    assert_eq!(list_all(&root, "").await.unwrap()[0].key, "x.json");
}

#[tokio::test]
async fn passing_faults_are_tried_again_and_nothing_is_doubled() {
    for direct in WAYS {
        passing_faults(direct).await;
    }
}

async fn passing_faults(direct: bool) {
    let s3 = S3Server::with_bucket(BUCKET);
    let lake = lake(&s3, direct);
    for (name, set) in [("slow_down", 0), ("internal_error", 1), ("reset", 2), ("lost_answer", 3), ("truncate", 4)] {
        s3.dials().change(|dials| {
            dials.slow_down = if set == 0 { Fault::first(2) } else { Fault::default() };
            dials.internal_error = if set == 1 { Fault::first(2) } else { Fault::default() };
            dials.reset = if set == 2 { Fault::first(2) } else { Fault::default() };
            dials.lost_answer = if set == 3 { Fault::first(2) } else { Fault::default() };
            dials.truncate = if set == 4 { Fault::first(2).on(&[Op::Get]) } else { Fault::default() };
        });
        let key = format!("f/{name}.json");
        assert_eq!(lake.put_new(&key, Bytes::from_static(b"{\"a\":1}")).await.unwrap(), Put::Created, "{name}");
        assert_eq!(lake.get(&key).await.unwrap(), "{\"a\":1}", "{name}");
        assert!(list_all(&lake, "f/").await.unwrap().iter().any(|object| object.key == key), "{name}");
    }
    assert_eq!(s3.store().list(BUCKET, "a/historico_diario/f/").len(), 5);
    let pressure = lake.pressure();
    // Two refusals of each of three requests; the other faults are retries too.
    assert_eq!(pressure.slow_downs, 6, "{pressure:?}");
    assert!(pressure.retries >= 24, "{pressure:?}");
}

#[tokio::test]
async fn what_will_not_pass_is_named() {
    let s3 = S3Server::with_bucket(BUCKET);
    let reason = async |lake: S3| lake.clock().await.unwrap_err();
    let e = reason(S3::new(&config(&s3, REGION, SECRET_KEY), "nobody", "x", QUICK)).await;
    assert_eq!(e.reason, Reason::NoLake, "{e}");
    let e = reason(S3::new(&config(&s3, REGION, "wrong"), BUCKET, "x", QUICK)).await;
    assert_eq!(e.reason, Reason::Denied, "{e}");
    let mut said = Vec::new();
    for direct in WAYS {
        let e = open(&config(&s3, "sa-east-1", SECRET_KEY), BUCKET, "x", direct).get("a").await.unwrap_err();
        assert_eq!(e.reason, Reason::WrongRegion, "{e}");
        said.push(e.to_string());
        let e = open(&config(&s3, REGION, "wrong"), BUCKET, "x", direct).get("a").await.unwrap_err();
        assert_eq!(e.reason, Reason::Denied, "{e}");
        said.push(e.to_string());
        let e = open(&config(&s3, REGION, SECRET_KEY), "nobody", "x", direct).get("a").await.unwrap_err();
        assert_eq!(e.reason, Reason::NoLake, "{e}");
        said.push(e.to_string());
    }
    assert_eq!(said[..3], said[3..], "both ways say the same");
}

#[tokio::test]
async fn archived_objects_are_told_apart_and_restored_ones_read() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (lake, direct) = (lake(&s3, false), lake(&s3, true));
    for key in ["cold.json", "thawed.json", "warm.json"] {
        lake.put_new(key, Bytes::from_static(b"{}")).await.unwrap();
    }
    let full = |key: &str| format!("a/historico_diario/{key}");
    s3.store().set_storage_class(BUCKET, &full("cold.json"), StorageClass::Glacier);
    s3.store().set_storage_class(BUCKET, &full("thawed.json"), StorageClass::DeepArchive);
    let until = std::time::SystemTime::now() + Duration::from_secs(86_400);
    s3.store().set_restored(BUCKET, &full("thawed.json"), ruminate_test_s3::Restore::Until(until));
    let listed = list_all(&lake, "").await.unwrap();
    let listed: Vec<_> = listed.iter().map(|o| (o.key.as_str(), o.class.as_str(), o.restored, o.archived)).collect();
    assert_eq!(
        listed,
        [
            ("cold.json", "GLACIER", false, true),
            ("thawed.json", "DEEP_ARCHIVE", true, false),
            ("warm.json", "STANDARD", false, false)
        ]
    );
    for lake in [lake, direct] {
        assert_eq!(lake.get("cold.json").await.unwrap_err().reason, Reason::Archived);
        assert_eq!(lake.get("thawed.json").await.unwrap(), "{}");
    }
}

fn at(seconds: u64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

/// Each lake key with its versions: a body, or `None` for a delete marker, made at these seconds.
fn write(s3: &S3Server, key: &str, versions: &[(u64, Option<&'static str>)]) {
    let full = format!("a/historico_diario/{key}");
    for (n, (seconds, body)) in versions.iter().enumerate() {
        match body {
            Some(body) => s3.store().put(BUCKET, &full, *body),
            None => drop(s3.store().remove(BUCKET, &full)),
        }
        assert!(s3.store().date_version(BUCKET, &full, n, at(*seconds)));
    }
}

#[tokio::test]
async fn a_lake_as_of_a_time_has_what_was_there_then() {
    for direct in WAYS {
        let s3 = S3Server::with_bucket(BUCKET);
        s3.store().enable_versions(BUCKET);
        write(&s3, "d/+ ç%.json", &[(10, Some("one")), (20, Some("two")), (30, None), (40, Some("four"))]);
        write(&s3, "d/e/x.json", &[(25, Some("x"))]);
        write(&s3, "top.json", &[(10, Some("top")), (15, None)]);
        let live = lake(&s3, direct);
        for (seconds, expected) in [
            (5, vec![]),
            (10, vec![("d/+ ç%.json", "one"), ("top.json", "top")]),
            (15, vec![("d/+ ç%.json", "one")]),
            (29, vec![("d/+ ç%.json", "two"), ("d/e/x.json", "x")]),
            (30, vec![("d/e/x.json", "x")]),
            (99, vec![("d/+ ç%.json", "four"), ("d/e/x.json", "x")]),
        ] {
            let then = live.as_of(at(seconds).into()).await.unwrap();
            let listed = list_all(&*then, "").await.unwrap();
            assert_eq!(
                listed.iter().map(|o| o.key.as_str()).collect::<Vec<_>>(),
                expected.iter().map(|e| e.0).collect::<Vec<_>>()
            );
            for (object, (key, body)) in listed.iter().zip(&expected) {
                assert_eq!(then.get_listed(object).await.unwrap(), *body, "{key} at {seconds}");
                assert_eq!(then.get(key).await.unwrap(), *body, "{key} at {seconds}");
                assert!(object.version.is_some() && object.last_modified <= chrono::DateTime::<chrono::Utc>::from(at(seconds)));
            }
            if seconds < 25 {
                assert_eq!(then.get("d/e/x.json").await.unwrap_err().reason, Reason::NotFound);
            }
            assert_eq!(then.put_new("new.json", Bytes::new()).await.unwrap_err().reason, Reason::ReadOnly);
        }
        let then = live.as_of(at(29).into()).await.unwrap();
        let page = then.list("d/", ruminate::lake::Depth::Folders, None).await.unwrap();
        assert_eq!((page.folders, page.objects.len()), (vec!["d/e/".to_owned()], 1));
    }
}

#[tokio::test]
async fn versions_over_many_pages_are_chosen_once_each() {
    let s3 = S3Server::with_bucket(BUCKET);
    s3.store().enable_versions(BUCKET);
    // 7 versions a key: pages of 1,000 end within a key.
    for key in 0..400 {
        let versions: Vec<_> =
            (0..7).map(|n| (n * 10, (n != 5).then_some(["a", "b", "c", "d", "e", "", "g"][n as usize]))).collect();
        write(&s3, &format!("{key:03}.json"), &versions);
    }
    let live = lake(&s3, true);
    for (seconds, body) in [(0, "a"), (35, "d"), (60, "g")] {
        let then = live.as_of(at(seconds).into()).await.unwrap();
        let listed = list_all(&*then, "").await.unwrap();
        assert_eq!(listed.len(), 400);
        assert!(listed.is_sorted_by(|a, b| a.key < b.key));
        for object in listed.iter().step_by(23) {
            assert_eq!(then.get_listed(object).await.unwrap(), body);
        }
    }
    assert!(list_all(&*live.as_of(at(55).into()).await.unwrap(), "").await.unwrap().is_empty(), "all were deleted");
    assert_eq!(list_all(&live, "").await.unwrap().len(), 400);
}

#[tokio::test]
async fn a_bucket_without_versions_refuses_to_be_read_as_of_a_time() {
    let s3 = S3Server::with_bucket(BUCKET);
    let e = lake(&s3, false).as_of(at(0).into()).await.unwrap_err();
    assert_eq!(e.reason, Reason::ReadOnly, "{e}");
    assert!(e.to_string().contains("versioning was never enabled") && !e.to_string().contains('\n'), "{e}");
}
