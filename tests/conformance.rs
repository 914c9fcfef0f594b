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

fn lake(s3: &S3Server) -> S3 {
    S3::new(&config(s3, REGION, SECRET_KEY), BUCKET, "a/historico_diario", QUICK)
}

#[tokio::test]
async fn every_check_of_conformance_holds_on_s3() {
    let s3 = S3Server::with_bucket(BUCKET);
    conformance::check(&lake(&s3)).await;
    assert!(s3.store().list(BUCKET, "a/quarentena/").len() == 1);
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
    let s3 = S3Server::with_bucket(BUCKET);
    let lake = lake(&s3);
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
}

#[tokio::test]
async fn what_will_not_pass_is_named() {
    let s3 = S3Server::with_bucket(BUCKET);
    let reason = async |lake: S3| lake.clock().await.unwrap_err();
    let e = reason(S3::new(&config(&s3, REGION, SECRET_KEY), "nobody", "x", QUICK)).await;
    assert_eq!(e.reason, Reason::NoLake, "{e}");
    let e = reason(S3::new(&config(&s3, REGION, "wrong"), BUCKET, "x", QUICK)).await;
    assert_eq!(e.reason, Reason::Denied, "{e}");
    let e = S3::new(&config(&s3, "sa-east-1", SECRET_KEY), BUCKET, "x", QUICK).get("a").await.unwrap_err();
    assert_eq!(e.reason, Reason::WrongRegion, "{e}");
}

#[tokio::test]
async fn archived_objects_are_told_apart_and_restored_ones_read() {
    let s3 = S3Server::with_bucket(BUCKET);
    let lake = lake(&s3);
    for key in ["cold.json", "thawed.json", "warm.json"] {
        lake.put_new(key, Bytes::from_static(b"{}")).await.unwrap();
    }
    let full = |key: &str| format!("a/historico_diario/{key}");
    s3.store().set_storage_class(BUCKET, &full("cold.json"), StorageClass::Glacier);
    s3.store().set_storage_class(BUCKET, &full("thawed.json"), StorageClass::DeepArchive);
    let until = std::time::SystemTime::now() + Duration::from_secs(86_400);
    s3.store().set_restored(BUCKET, &full("thawed.json"), ruminate_test_s3::Restore::Until(until));
    let archived: Vec<(String, bool)> =
        list_all(&lake, "").await.unwrap().into_iter().map(|o| (o.key, o.archived)).collect();
    assert_eq!(archived, [("cold.json".to_owned(), true), ("thawed.json".into(), false), ("warm.json".into(), false)]);
    assert_eq!(lake.get("cold.json").await.unwrap_err().reason, Reason::Archived);
    assert_eq!(lake.get("thawed.json").await.unwrap(), "{}");
}
