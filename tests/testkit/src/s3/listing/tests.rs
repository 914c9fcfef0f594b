//! The listing, compared with a naive one that scans every key, and special cases that S3 documents.

use bytes::Bytes;

use super::*;

fn store(keys: &[&str]) -> Objects {
    keys.iter().map(|key| ((*key).to_owned(), Object::new(Bytes::new()))).collect()
}

/// Reads every page. Returns one list of keys, one of common prefixes, and the number of pages.
fn walk(objects: &Objects, query: Query<'_>) -> (Vec<String>, Vec<String>, usize) {
    let (mut keys, mut prefixes, mut pages) = (Vec::new(), Vec::new(), 0);
    let mut token: Option<String> = None;
    loop {
        let got = page(objects, &Query { continuation: token.as_deref(), ..query });
        assert!(got.objects.len() + got.prefixes.len() <= query.max_keys.unwrap_or(MAX_KEYS));
        keys.extend(got.objects.into_iter().map(|(key, _)| key));
        prefixes.extend(got.prefixes);
        pages += 1;
        token = got.next;
        if token.is_none() {
            return (keys, prefixes, pages);
        }
    }
}

/// Returns the same result by reading every key.
fn naive(objects: &Objects, query: Query<'_>) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    for key in objects.keys().filter(|key| key.starts_with(query.prefix)) {
        if query.start_after.is_some_and(|after| key.as_str() <= after) {
            continue;
        }
        match rolled_up(key, &query) {
            Some(whole) if Some(whole) == query.start_after => {}
            Some(whole) if prefixes.last().is_some_and(|last| last == whole) => {}
            Some(whole) => prefixes.push(whole.to_owned()),
            None => keys.push(key.clone()),
        }
    }
    (keys, prefixes)
}

const FARMS: &[&str] = &[
    "README",
    "a/",
    "a/2024/01/x y.json",
    "a/2024/01/z.json",
    "a/2024/02/:.json",
    "a/2025/01/+.json",
    "a0",
    "b/100%.json",
    "b/ação.json",
    "b//double",
    "b/\u{d7ff}/x",
    "b/\u{10ffff}/x",
    "b/\u{10ffff}/y",
    "c",
    "\u{10ffff}\u{10ffff}",
    "日本/1",
];

#[test]
fn every_combination_of_settings_pages_to_what_a_scan_finds() {
    let objects = store(FARMS);
    for prefix in ["", "a", "a/", "a/2024/", "b/", "b/\u{10ffff}", "zzz", "\u{10ffff}"] {
        for delimiter in [None, Some("/"), Some("2024/"), Some("\u{10ffff}"), Some("")] {
            for start_after in
                [None, Some(""), Some("a"), Some("a/"), Some("a/2024/01/z.json"), Some("b/~"), Some("日")]
            {
                for max_keys in [None, Some(1), Some(2), Some(3), Some(7)] {
                    let query = Query { prefix, delimiter, start_after, max_keys, ..Query::default() };
                    let (keys, prefixes, _) = walk(&objects, query);
                    assert_eq!((keys, prefixes), naive(&objects, query), "{query:?}");
                }
            }
        }
    }
}

#[test]
fn a_page_holds_a_thousand_keys_and_2_500_keys_take_three() {
    let keys: Vec<String> = (0..2_500).map(|n| format!("k/{n:05}")).collect();
    let objects = store(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    let first = page(&objects, &Query { max_keys: Some(5_000), ..Query::default() });
    assert_eq!(first.objects.len(), 1_000);
    assert_eq!(walk(&objects, Query::default()), (keys, vec![], 3));
}

#[test]
fn a_page_that_ends_with_the_last_key_is_not_truncated() {
    let objects = store(&["a", "b"]);
    assert_eq!(page(&objects, &Query { max_keys: Some(2), ..Query::default() }).next, None);
    assert_eq!(page(&objects, &Query { max_keys: Some(0), ..Query::default() }).next, None);
    assert!(page(&objects, &Query { max_keys: Some(1), ..Query::default() }).next.is_some());
}

#[test]
fn common_prefixes_count_toward_the_page() {
    let objects = store(&["a/1", "a/2", "b/1", "c"]);
    let query = Query { delimiter: Some("/"), max_keys: Some(2), ..Query::default() };
    let first = page(&objects, &query);
    assert_eq!(first.prefixes, ["a/", "b/"]);
    let second = page(&objects, &Query { continuation: first.next.as_deref(), ..query });
    assert_eq!(second.objects[0].0, "c");
    assert_eq!(second.next, None);
}

#[test]
fn only_own_tokens_are_accepted() {
    let objects = store(&["a", "b"]);
    let token = page(&objects, &Query { max_keys: Some(1), ..Query::default() }).next.expect("a second page");
    assert!(is_token(&token));
    for other in ["", "a", "!!", "AAAA"] {
        assert!(!is_token(other), "{other:?}");
    }
}

#[test]
fn strange_keys_are_encoded_as_s3_encodes_them() {
    for (key, encoded) in [
        ("a/b-c_d.e*f", "a/b-c_d.e*f"),
        ("x y", "x+y"),
        ("12:30+1", "12%3A30%2B1"),
        ("100%", "100%25"),
        ("ação", "a%C3%A7%C3%A3o"),
        ("~&=\"<>\n", "%7E%26%3D%22%3C%3E%0A"),
    ] {
        assert_eq!(url_encode(key), encoded);
    }
}
