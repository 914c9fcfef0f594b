//! The S3 protocol as a client sees it: responses and errors here, faults in `faults`. `listing` has tests of the pages.

mod client;
mod faults;

use std::io::{self, ErrorKind};
use std::time::{Duration, SystemTime};

use client::{Client, exchange};
use testkit::s3::{Config, Restore, S3Server, StorageClass};

fn lake() -> (S3Server, Client) {
    let server = S3Server::with_bucket("lake");
    let client = Client::of(&server);
    (server, client)
}

#[test]
fn an_object_comes_back_as_it_was_put() -> io::Result<()> {
    let (server, client) = lake();
    let headers = [("content-type", "application/json"), ("x-amz-meta-farm", "um")];
    let put = client.send("PUT", "lake/a/1.json", &[], &headers, "{\"a\":1}")?;
    let got = client.get("lake/a/1.json")?;
    assert_eq!((put.status, got.status, got.body.as_str()), (200, 200, "{\"a\":1}"));
    assert_eq!(got.header("etag"), put.header("etag"));
    assert_eq!((got.header("content-type"), got.header("x-amz-meta-farm")), ("application/json", "um"));
    assert!(got.header("date").ends_with(" GMT") && !got.header("x-amz-request-id").is_empty());
    let part = client.send("GET", "lake/a/1.json", &[], &[("range", "bytes=1-3")], "")?;
    assert_eq!((part.status, part.body.as_str(), part.header("content-range")), (206, "\"a\"", "bytes 1-3/7"));
    let head = client.send("HEAD", "lake/a/1.json", &[], &[], "")?;
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, "7", ""));
    assert_eq!(client.send("DELETE", "lake/a/1.json", &[], &[], "")?.status, 204);
    assert!(server.store().is_empty("lake"));
    Ok(())
}

#[test]
fn a_plain_get_is_answered_as_one_that_s3s_answers() -> io::Result<()> {
    let (server, client) = lake();
    client.send("PUT", "lake/a/ção 1.json", &[], &[("content-type", "application/json")], "{\"a\":1}")?;
    server.store().put("lake", "bare", "x");
    server.store().put("lake", "empty", "");
    let tag = |path: &str| Ok::<_, io::Error>(client.get(path)?.header("etag").to_owned());
    for path in ["lake/a/ção 1.json", "lake/bare", "lake/empty"] {
        for range in [None, Some("bytes=0-2"), Some("bytes=0-99")] {
            let ranged: Vec<_> = range.map(|range| ("range", range)).into_iter().collect();
            let tag = tag(path)?;
            let slow: Vec<_> = ranged.iter().copied().chain([("if-match", tag.as_str())]).collect(); // s3s decides this
            let [mut quick, mut slow] = [ranged, slow].map(|headers| client.send("GET", path, &[], &headers, ""));
            for answer in [&mut quick, &mut slow] {
                let headers = &mut answer.as_mut().expect("an answer").headers;
                for name in ["date", "x-amz-request-id"] {
                    headers.remove(name).expect("of every answer");
                }
            }
            let [quick, slow] = [quick?, slow?];
            assert_eq!((quick.status, quick.headers), (slow.status, slow.headers), "{path} {range:?}");
            assert_eq!(quick.body, slow.body, "{path} {range:?}");
        }
    }
    Ok(())
}

#[test]
fn refusals_are_those_of_s3() -> io::Result<()> {
    let (server, client) = lake();
    server.store().put("lake", "a", "x");
    assert_eq!(client.get("lake/none")?.error(), (404, "NoSuchKey"));
    assert_eq!(client.get("nowhere/a")?.error(), (404, "NoSuchBucket"));
    assert_eq!(client.list("nowhere", &[])?.error(), (404, "NoSuchBucket"));
    assert_eq!(client.put("nowhere/a", "x")?.error(), (404, "NoSuchBucket"));
    assert_eq!(client.list("lake", &[("continuation-token", "zzz")])?.error(), (400, "InvalidArgument"));
    assert_eq!(
        Client { access_key: "AKIAOTHER", ..client.clone() }.get("lake/a")?.error(),
        (403, "InvalidAccessKeyId")
    );
    assert_eq!(Client { secret_key: "no", ..client.clone() }.get("lake/a")?.error(), (403, "SignatureDoesNotMatch"));
    let elsewhere = Client { region: "sa-east-1", ..client.clone() }.get("lake/a")?;
    assert_eq!(elsewhere.error(), (400, "AuthorizationHeaderMalformed"));
    assert!(elsewhere.one("Message").contains("'sa-east-1' is wrong; expecting 'us-east-1'"));
    let unsigned = format!("GET /lake/a HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", client.host);
    assert_eq!(exchange(&client.host, &unsigned)?.error(), (403, "AccessDenied"));
    Ok(())
}

#[test]
fn a_conditional_put_wins_once_unless_the_fault_is_set() -> io::Result<()> {
    let (server, client) = lake();
    assert_eq!(client.put_new("lake/a", "first")?.status, 200);
    assert_eq!(client.put_new("lake/a", "second")?.error(), (412, "PreconditionFailed"));
    assert_eq!(server.store().get("lake", "a").as_deref(), Some(b"first".as_slice()));
    let wrong = client.send("PUT", "lake/a", &[], &[("if-match", "\"0\"")], "third")?;
    assert_eq!(wrong.error(), (412, "PreconditionFailed"));
    server.faults().change(|d| d.ignore_if_none_match = true);
    assert_eq!(client.put_new("lake/a", "fourth")?.status, 200);
    assert_eq!(server.store().get("lake", "a").as_deref(), Some(b"fourth".as_slice()));
    Ok(())
}

#[test]
fn conditions_are_ignored_or_answered_with_501_according_to_the_settings() -> io::Result<()> {
    let (server, client) = lake();
    client.put("lake/a", "first")?;
    let other = [("if-match", "\"0\"")];
    server.faults().change(|d| d.reject_conditions = true);
    assert_eq!(client.put_new("lake/b", "x")?.error(), (501, "NotImplemented"));
    for method in ["PUT", "DELETE"] {
        assert_eq!(client.send(method, "lake/a", &[], &other, "x")?.error(), (501, "NotImplemented"));
    }
    assert_eq!(server.store().dump("lake", "").len(), 1);
    server.faults().change(|d| (d.reject_conditions, d.ignore_if_match) = (false, true));
    assert_eq!(client.send("PUT", "lake/a", &[], &other, "second")?.status, 200);
    assert_eq!(server.store().get("lake", "a").as_deref(), Some(b"second".as_slice()));
    assert_eq!(client.send("DELETE", "lake/a", &[], &other, "")?.status, 204);
    server.store().put("lake", "a", "third");
    server.faults().change(|d| d.forbid_head = true);
    assert_eq!(client.send("HEAD", "lake/a", &[], &[], "")?.status, 403);
    Ok(())
}

#[test]
fn strange_keys_go_there_and_back_and_list_encoded() -> io::Result<()> {
    let (server, client) = lake();
    let keys = ["k/1+2", "k/12:30", "k/%41", "k/100%", "k/a b", "k/ação/日本", "k/x?y=1#z", "k//", "k/&<>\"'"];
    for key in keys {
        assert_eq!(client.put(&format!("lake/{key}"), key)?.status, 200, "{key}");
        assert_eq!(client.get(&format!("lake/{key}"))?.body, key);
    }
    let listed = client.list("lake", &[("prefix", "k/"), ("encoding-type", "url")])?;
    let expected: Vec<_> = server.store().list("lake", "k/").iter().map(|key| testkit::s3::url_encode(key)).collect();
    assert_eq!(expected.len(), keys.len());
    assert_eq!(listed.all("Key"), expected);
    assert!(listed.all("Key").contains(&"k/a+b") && listed.all("Key").contains(&"k/1%2B2"));
    Ok(())
}

#[test]
fn a_listing_has_pages_common_prefixes_and_archive_states() -> io::Result<()> {
    let (server, client) = lake();
    for n in 0..2_500 {
        server.store().put("lake", &format!("f{}/{n:04}", n % 3), "x");
    }
    let (mut keys, mut pages, mut token) = (0, 0, String::new());
    while pages == 0 || !token.is_empty() {
        let from = [("continuation-token", token.as_str())];
        let page = client.list("lake", if token.is_empty() { &[] } else { &from })?;
        (keys, pages) = (keys + page.all("Key").len(), pages + 1);
        assert_eq!(page.one("IsTruncated") == "true", pages < 3);
        token = page.one("NextContinuationToken").to_owned();
    }
    assert_eq!((keys, pages), (2_500, 3));
    let rolled = client.list("lake", &[("delimiter", "/"), ("start-after", "f0/")])?;
    assert_eq!(rolled.all("CommonPrefixes"), ["<Prefix>f1/</Prefix>", "<Prefix>f2/</Prefix>"]);

    let cold = |restore| {
        server.store().set_storage_class("lake", "f0/0000", StorageClass::Glacier);
        server.store().set_restored("lake", "f0/0000", restore);
        let wanted = [("x-amz-optional-object-attributes", "RestoreStatus")];
        let query = [("list-type", "2"), ("max-keys", "1")];
        Ok::<_, io::Error>((client.send("GET", "lake", &query, &wanted, "")?, client.get("lake/f0/0000")?))
    };
    let (listed, got) = cold(Restore::None)?;
    assert_eq!((listed.one("StorageClass"), listed.one("RestoreStatus")), ("GLACIER", ""));
    assert_eq!(got.error(), (403, "InvalidObjectState"));
    let (listed, got) = cold(Restore::InProgress)?;
    assert_eq!((listed.one("IsRestoreInProgress"), got.status), ("true", 403));
    let (listed, got) = cold(Restore::Until(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)))?;
    assert_eq!(
        (listed.one("IsRestoreInProgress"), listed.one("RestoreExpiryDate")),
        ("false", "2027-01-15T08:00:00.000Z")
    );
    assert_eq!((got.status, got.body.as_str(), got.header("x-amz-storage-class")), (200, "x", "GLACIER"));
    assert_eq!(got.header("x-amz-restore"), "ongoing-request=\"false\", expiry-date=\"Fri, 15 Jan 2027 08:00:00 GMT\"");
    Ok(())
}

#[test]
fn a_bucket_with_versioning_keeps_what_was_and_lists_it_page_by_page() -> io::Result<()> {
    let (server, client) = lake();
    client.put("lake/k", "before")?;
    assert_eq!(client.send("GET", "lake", &[("versioning", "")], &[], "")?.one("Status"), "");
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(client.send("PUT", "lake", &[("versioning", "")], &[], on)?.status, 200);
    assert_eq!(client.send("GET", "lake", &[("versioning", "")], &[], "")?.one("Status"), "Enabled");
    let id = client.put("lake/k", "first")?.header("x-amz-version-id").to_owned();
    client.put("lake/k", "second")?;
    let gone = client.send("DELETE", "lake/k", &[], &[], "")?;
    assert_eq!(gone.header("x-amz-delete-marker"), "true");
    client.put("lake/a/1", "x")?;
    client.put("lake/a/2", "x")?;
    assert_eq!(client.get("lake/k")?.error(), (404, "NoSuchKey"));
    let get = |id: &str| client.send("GET", "lake/k", &[("versionId", id)], &[], "");
    assert_eq!((get(&id)?.body.as_str(), get("null")?.body.as_str()), ("first", "before"));
    assert_eq!(get("zzz")?.error(), (404, "NoSuchVersion"));
    assert_eq!(get(gone.header("x-amz-version-id"))?.error(), (405, "MethodNotAllowed"));

    let (mut seen, mut marker) = (Vec::new(), (String::new(), String::new()));
    loop {
        let query = [
            ("delimiter", "/"),
            ("key-marker", marker.0.as_str()),
            ("max-keys", "1"),
            ("version-id-marker", marker.1.as_str()),
            ("versions", ""),
        ];
        let page = client.send("GET", "lake", &query, &[], "")?;
        let kind = if page.body.contains("<DeleteMarker>") { "deleted" } else { page.one("Size") };
        let what = if page.body.contains("<CommonPrefixes>") { "folder" } else { kind };
        seen.push((what.to_owned(), page.one("IsLatest").to_owned()));
        if page.one("IsTruncated") != "true" {
            break;
        }
        marker = (page.one("NextKeyMarker").to_owned(), page.one("NextVersionIdMarker").to_owned());
    }
    let expected = [("folder", ""), ("deleted", "true"), ("6", "false"), ("5", "false"), ("6", "false")];
    assert_eq!(seen, expected.map(|(what, latest)| (what.to_owned(), latest.to_owned())));
    let deleted = gone.header("x-amz-version-id");
    assert_eq!(client.send("DELETE", "lake/k", &[("versionId", deleted)], &[], "")?.status, 204);
    assert_eq!(client.get("lake/k")?.body, "second", "without its marker it is back");
    assert_eq!(server.store().versions("lake", "k").len(), 3);
    Ok(())
}

#[test]
fn a_server_that_was_dropped_is_gone_and_its_store_can_be_served_again_on_its_port() -> io::Result<()> {
    let (server, client) = lake();
    client.put("lake/a", "x")?;
    let (store, port) = (server.store().clone(), server.port());
    drop(server);
    let refused = client.get("lake/a").expect_err("the server is stopped");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let again = S3Server::try_start(Config { port, store, ..Config::default() })?;
    assert_eq!(client.get("lake/a")?.body, "x");
    assert_eq!(again.port(), port);
    Ok(())
}

#[test]
fn a_server_can_be_dropped_inside_an_async_test() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { drop(S3Server::with_bucket("lake")) });
}
