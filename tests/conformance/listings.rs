//! Listings that a store or a proxy spoils: an incomplete one is an error, never a shorter listing.

use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::lake::s3::S3;
use pipeline::lake::{Depth, Error, Lake, Reason, Span, list_all, list_complete, scan_partitions};
use testkit::s3::{ListingFault, Op, REGION, S3Server, SECRET_KEY, Versioning};

use crate::{BUCKET, QUICK, config, lake};

/// Number of objects in the folder `d/`.
const OBJECTS: usize = 24;

/// Starts a server with objects in several folders, five keys per page, and a fault.
async fn faulty(fault: ListingFault) -> (S3Server, S3) {
    let s3 = S3Server::with_bucket(BUCKET);
    s3.store().set_versioning(BUCKET, Versioning::Enabled);
    let lake = lake(&s3, false);
    for n in 0..OBJECTS {
        lake.put_new(&format!("d/{n:02}.json"), Bytes::new()).await.unwrap();
        lake.put_new(&format!("f{n:02}/2023/01/01/a.json"), Bytes::new()).await.unwrap();
    }
    s3.faults().change(|faults| (faults.listing, faults.page_keys) = (fault, Some(5)));
    (s3, lake)
}

/// Returns the errors of the listings by objects, by folders, and as of now.
async fn errors(lake: &S3) -> [Error; 3] {
    let then = lake.as_of(DateTime::<Utc>::from(SystemTime::now())).await.unwrap();
    [
        list_all(lake, "d/").await.unwrap_err(),
        list_complete(lake, "", Depth::OneLevel).await.unwrap_err(),
        list_all(&*then, "d/").await.unwrap_err(),
    ]
}

#[tokio::test]
async fn a_listing_that_continues_without_a_token_is_an_error() {
    let (_s3, lake) = faulty(ListingFault::NoToken).await;
    for e in errors(&lake).await {
        assert!(e.reason == Reason::Other && e.message.contains("its listing continues"), "{e}");
    }
    let (_s3, lake) = faulty(ListingFault::OnlyVersion1).await;
    let e = list_all(&lake, "d/").await.unwrap_err();
    assert!(e.message.contains("does not support ListObjectsV2"), "{e}");
}

#[tokio::test]
async fn a_page_without_is_truncated_is_followed_or_an_error() {
    let (s3, lake) = faulty(ListingFault::NoIsTruncated).await;
    assert_eq!(list_all(&lake, "d/").await.unwrap().len(), OBJECTS);
    // A full last page may not be the last one.
    s3.faults().change(|faults| faults.page_keys = Some(OBJECTS));
    let e = list_all(&lake, "d/").await.unwrap_err();
    assert!(e.message.contains("continues"), "{e}");
}

#[tokio::test]
async fn a_truncated_listing_is_read_again_and_then_an_error() {
    let (s3, lake) = faulty(ListingFault::Cut).await;
    s3.faults().reset_counts();
    let e = list_all(&lake, "d/").await.unwrap_err();
    assert!(e.reason == Reason::Network && e.message.contains("truncated"), "{e}");
    assert_eq!(s3.faults().counts().requests(Op::List), u64::from(QUICK.max_attempts));
    let then = lake.as_of(DateTime::<Utc>::from(SystemTime::now())).await.unwrap();
    let e = list_all(&*then, "d/").await.unwrap_err();
    assert!(e.reason == Reason::Network && e.message.contains("truncated"), "{e}");
    s3.faults().change(|faults| faults.listing = ListingFault::None);
    assert_eq!(list_all(&lake, "d/").await.unwrap().len(), OBJECTS);
}

#[tokio::test]
async fn a_listing_that_repeats_its_pages_ends_with_an_error() {
    let (_s3, lake) = faulty(ListingFault::IgnoredToken).await;
    for e in errors(&lake).await {
        assert!(e.reason == Reason::Other && e.message.contains("repeats pages"), "{e}");
    }
}

#[tokio::test]
async fn a_token_on_the_last_page_is_ignored() {
    let (_s3, lake) = faulty(ListingFault::TokenAtEnd).await;
    assert_eq!(list_all(&lake, "d/").await.unwrap().len(), OBJECTS);
}

#[tokio::test]
async fn a_name_that_is_listed_twice_is_used_once() {
    for fault in [ListingFault::Doubled, ListingFault::Overlap] {
        let (_s3, lake) = faulty(fault).await;
        let keys: Vec<String> = list_all(&lake, "d/").await.unwrap().into_iter().map(|object| object.key).collect();
        assert!(keys.len() == OBJECTS && keys.is_sorted_by(|a, b| a < b), "{fault:?}: {keys:?}");
        assert_eq!(list_complete(&lake, "", Depth::OneLevel).await.unwrap().folders.len(), OBJECTS + 1, "{fault:?}");
        let scan = scan_partitions(&lake, &Span::default()).await.unwrap();
        assert_eq!((scan.partitions.len(), scan.unrecognized.count()), (OBJECTS, OBJECTS as u64), "{fault:?}");
    }
}

#[tokio::test]
async fn keys_are_read_as_the_store_encodes_them() {
    let s3 = S3Server::with_bucket(BUCKET);
    let keys = ["a b.json", "a%20b.json", "a+b.json", "ção.json"];
    for fault in [ListingFault::None, ListingFault::NotEncoded, ListingFault::EncodingNotNamed] {
        for prefix in ["a+b", "50% c"] {
            s3.faults().change(|faults| faults.listing = fault);
            let lake = S3::new(&config(&s3, REGION, SECRET_KEY), BUCKET, prefix, QUICK);
            for key in keys {
                lake.put_new(key, Bytes::new()).await.unwrap();
            }
            let found: Vec<String> = list_all(&lake, "").await.unwrap().into_iter().map(|it| it.key).collect();
            assert_eq!(found, keys, "{fault:?} {prefix}");
        }
    }
}
