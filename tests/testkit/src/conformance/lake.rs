//! Suite for [`Lake`]: the behaviour that all back ends share, checked on an empty lake.

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use pipeline::lake::{ChangeResult, Depth, Lake, PutResult, Reason, head, list_all, list_complete};

/// Keys that S3 clients often handle incorrectly: space, colon, plus, percent, accents, an invalid escape.
pub const STRANGE_KEYS: [&str; 7] = [
    "strange/historico_consumo_2026-11-22 18:49:03.457.json",
    "strange/a+b.json",
    "strange/a%20b.json",
    "strange/100%.json",
    "strange/são joão.json",
    "strange/a&b=c?d#e.json",
    "strange/'quoted\".json",
];

/// Runs every check on an empty lake.
pub async fn check(lake: &dyn Lake) {
    clock_is_near_ours(lake).await;
    an_object_is_written_once_and_read_back(lake).await;
    a_missing_object_is_not_found(lake).await;
    strange_keys_survive(lake).await;
    listings_page_and_fold(lake).await;
    one_of_many_writers_wins(lake).await;
    only_the_given_object_is_changed(lake).await;
    a_range_of_a_listed_object_is_read(lake).await;
    a_file_is_written_once_and_replaced_under_its_token(lake).await;
    the_sibling_folder_is_outside(lake).await;
}

async fn clock_is_near_ours(lake: &dyn Lake) {
    lake.put_new("clock/x", Bytes::new()).await.unwrap();
    let skew = (lake.clock().await.unwrap() - chrono::Utc::now()).num_seconds().abs();
    assert!(skew <= 5, "{skew} s");
}

async fn an_object_is_written_once_and_read_back(lake: &dyn Lake) {
    let body = Bytes::from_static("{\"a\":\"ção\"}".as_bytes());
    assert_eq!(lake.put_new("once/a.json", body.clone()).await.unwrap(), PutResult::Created);
    assert_eq!(lake.put_new("once/a.json", Bytes::from_static(b"other")).await.unwrap(), PutResult::AlreadyExists);
    assert_eq!(lake.get("once/a.json").await.unwrap(), body);
    let listed = list_all(lake, "once/").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].key.as_str(), listed[0].size, listed[0].archived), ("once/a.json", body.len() as u64, false));
    assert!(!listed[0].etag.is_empty());
    assert!((listed[0].last_modified - chrono::Utc::now()).num_seconds().abs() <= 5);
}

async fn a_missing_object_is_not_found(lake: &dyn Lake) {
    let e = lake.get("once/missing.json").await.unwrap_err();
    assert_eq!(e.reason, Reason::NotFound, "{e}");
    assert!(e.concerns_one_object());
    assert!(list_all(lake, "nothing/here/").await.unwrap().is_empty());
}

async fn strange_keys_survive(lake: &dyn Lake) {
    for key in STRANGE_KEYS {
        assert_eq!(lake.put_new(key, Bytes::from(key)).await.unwrap(), PutResult::Created, "{key}");
    }
    let mut keys: Vec<String> = list_all(lake, "strange/").await.unwrap().into_iter().map(|o| o.key).collect();
    keys.sort();
    let mut expected = STRANGE_KEYS.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(keys, expected);
    for key in keys {
        assert_eq!(lake.get(&key).await.unwrap(), key.as_bytes(), "{key}");
    }
}

async fn listings_page_and_fold(lake: &dyn Lake) {
    let keys: Vec<String> = (0..1_100).map(|n| format!("many/{:02}/{n:04}.json", n % 3)).collect();
    stream::iter(&keys)
        .for_each_concurrent(16, |key| async move {
            lake.put_new(key, Bytes::from_static(b"{}")).await.unwrap();
        })
        .await;
    lake.put_new("many/top.json", Bytes::new()).await.unwrap();
    let listed: Vec<String> = list_all(lake, "many/").await.unwrap().into_iter().map(|o| o.key).collect();
    assert_eq!(listed.len(), keys.len() + 1);
    assert!(listed.is_sorted(), "in key order");
    let folded = list_complete(lake, "many/", Depth::OneLevel).await.unwrap();
    assert_eq!(folded.folders, ["many/00/", "many/01/", "many/02/"]);
    assert_eq!(folded.objects.iter().map(|o| o.key.as_str()).collect::<Vec<_>>(), ["many/top.json"]);
    assert!(list_complete(lake, "", Depth::OneLevel).await.unwrap().folders.contains(&"many/".to_owned()));
}

async fn one_of_many_writers_wins(lake: &dyn Lake) {
    let puts = (0..12).map(|n| lake.put_new("race/x.json", Bytes::from(format!("{n}"))));
    let created =
        futures::future::join_all(puts).await.into_iter().filter(|put| matches!(put, Ok(PutResult::Created))).count();
    assert_eq!(created, 1);
}

async fn only_the_given_object_is_changed(lake: &dyn Lake) {
    let key = "changed/são joão 1:2.json";
    lake.put_new(key, Bytes::from_static(b"one")).await.unwrap();
    let token = async || head(lake, key).await.unwrap().unwrap().etag;
    let first = token().await;
    let to = |body: &'static str| Some(Bytes::from_static(body.as_bytes()));
    assert_eq!(lake.change_if_match(key, &first, to("another")).await.unwrap(), ChangeResult::Done);
    assert_eq!(lake.get(key).await.unwrap(), "another");
    for body in [to("a third"), None] {
        assert_eq!(lake.change_if_match(key, &first, body).await.unwrap(), ChangeResult::Conflict);
        assert_eq!(lake.get(key).await.unwrap(), "another");
    }
    let second = token().await;
    assert_eq!(lake.change_if_match(key, &second, None).await.unwrap(), ChangeResult::Done);
    assert_eq!(lake.get(key).await.unwrap_err().reason, Reason::NotFound);
    assert_eq!(head(lake, key).await.unwrap(), None);
    assert_eq!(lake.change_if_match(key, &second, to("from nothing")).await.unwrap(), ChangeResult::Conflict);
    assert_eq!(lake.get(key).await.unwrap_err().reason, Reason::NotFound);
}

async fn a_range_of_a_listed_object_is_read(lake: &dyn Lake) {
    let key = "range/são joão 1:2.json";
    let body: Vec<u8> = (0..100_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    lake.put_new(key, Bytes::from(body.clone())).await.unwrap();
    let listed = head(lake, key).await.unwrap().unwrap();
    let size = listed.size;
    for range in [0..0, 0..1, 0..size, 99..70_001, size - 1..size, size..size] {
        let expected = &body[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert_eq!(lake.get_range(&listed, range.clone()).await.unwrap(), expected, "{range:?}");
    }
    for range in [size - 1..size + 1, size + 1..size + 2] {
        assert!(lake.get_range(&listed, range.clone()).await.is_err(), "{range:?}");
    }
    // The result must not be a mix of two objects.
    lake.change_if_match(key, &listed.etag, Some(Bytes::from_static(b"other"))).await.unwrap();
    assert_eq!(lake.get_range(&listed, 0..2).await.unwrap_err().reason, Reason::NotFound);
    let other = head(lake, key).await.unwrap().unwrap();
    assert_eq!(lake.get_range(&other, 1..3).await.unwrap(), "th");
    lake.change_if_match(key, &other.etag, None).await.unwrap();
    assert_eq!(lake.get_range(&other, 0..2).await.unwrap_err().reason, Reason::NotFound);
}

async fn a_file_is_written_once_and_replaced_under_its_token(lake: &dyn Lake) {
    let key = "file/são joão 1:2.parquet";
    let dir = tempfile::tempdir().unwrap();
    let file = |content: &[u8]| {
        let path = dir.path().join(content.len().to_string());
        std::fs::write(&path, content).unwrap();
        path
    };
    let (large, small) = (vec![7; 3_000_000], b"{}".to_vec());
    match lake.put_file(key, &file(&large), None).await {
        // Files are not written to a store that does not check conditions.
        Err(e) if e.reason == Reason::Unconditional => {
            assert_eq!(head(lake, key).await.unwrap(), None);
            return;
        }
        put => assert_eq!(put.unwrap(), ChangeResult::Done),
    }
    assert_eq!(lake.get(key).await.unwrap(), large);
    assert_eq!(lake.put_file(key, &file(&small), None).await.unwrap(), ChangeResult::Conflict);
    let first = head(lake, key).await.unwrap().unwrap().etag;
    assert_eq!(lake.put_file(key, &file(&small), Some(&first)).await.unwrap(), ChangeResult::Done);
    assert_eq!(lake.put_file(key, &file(&large), Some(&first)).await.unwrap(), ChangeResult::Conflict);
    assert_eq!(lake.get(key).await.unwrap(), small);
    let second = head(lake, key).await.unwrap().unwrap().etag;
    lake.change_if_match(key, &second, None).await.unwrap();
    assert_eq!(lake.put_file(key, &file(&large), Some(&second)).await.unwrap(), ChangeResult::Conflict);
    assert_eq!(head(lake, key).await.unwrap(), None);
    assert!(lake.put_file(key, &dir.path().join("missing"), None).await.is_err());
    assert_eq!(head(lake, key).await.unwrap(), None);
}

async fn the_sibling_folder_is_outside(lake: &dyn Lake) {
    let sibling_lake = lake.sibling("quarentena");
    assert_eq!(sibling_lake.put_new("2026/11/22/x.json", Bytes::from_static(b"{}")).await.unwrap(), PutResult::Created);
    assert_eq!(sibling_lake.get("2026/11/22/x.json").await.unwrap(), "{}");
    assert!(lake.get("quarentena/2026/11/22/x.json").await.is_err());
    assert!(list_all(lake, "").await.unwrap().iter().all(|object| !object.key.contains("quarentena")));
}
