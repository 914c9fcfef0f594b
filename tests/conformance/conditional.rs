//! Conditional writes, with stores that honour them, ignore them, or answer 501.

use std::sync::Arc;

use pipeline::lake::{ChangeResult, ConditionalWrites, Conditions, Unconditional, head};

use super::*;

const EMULATED: Conditions = Conditions { create: ConditionalWrites::Emulated, change: ConditionalWrites::Emulated };
const FOLDER: &str = "a/historico_diario/";

/// Stores that do not honour conditions, each in its way.
fn unconditional() -> [S3Server; 2] {
    let [ignores, rejects] = [(); 2].map(|()| S3Server::with_bucket(BUCKET));
    ignores.faults().change(|faults| (faults.ignore_if_none_match, faults.ignore_if_match) = (true, true));
    rejects.faults().change(|faults| faults.reject_conditions = true);
    [ignores, rejects]
}

fn puts(s3: &S3Server) -> u64 {
    s3.faults().counts().requests(Op::Put)
}

fn heads(s3: &S3Server) -> u64 {
    s3.faults().counts().requests(Op::Head)
}

#[tokio::test]
async fn every_conformance_check_passes_on_stores_that_do_not_honour_conditions() {
    for s3 in unconditional() {
        let lake = lake(&s3, true);
        conformance::check(&lake).await;
        assert_eq!(lake.conditions(), EMULATED);
        assert_eq!(lake.throttle_stats().retries, 0);
    }
}

#[tokio::test]
async fn many_first_puts_of_one_key_create_it_once() {
    let [ignores, rejects] = unconditional();
    for s3 in [S3Server::with_bucket(BUCKET), ignores, rejects] {
        s3.faults().change(|faults| faults.latency = Duration::from_millis(5));
        let lake = Arc::new(lake(&s3, true));
        let all: Vec<_> = (0..64)
            .map(|n| {
                let lake = Arc::clone(&lake);
                tokio::spawn(async move { lake.put_new("x.json", Bytes::from(format!("body {n}"))).await.unwrap() })
            })
            .collect();
        let mut created = Vec::new();
        for (n, put) in all.into_iter().enumerate() {
            if put.await.unwrap() == PutResult::Created {
                created.push(n);
            }
        }
        assert_eq!(created.len(), 1);
        assert_eq!(lake.get("x.json").await.unwrap(), format!("body {}", created[0]));
    }
}

#[tokio::test]
async fn a_repeat_by_another_process_overwrites_nothing() {
    for s3 in unconditional() {
        let first = lake(&s3, true);
        for n in 0..20 {
            assert_eq!(first.put_new(&format!("{n}"), Bytes::from("first")).await.unwrap(), PutResult::Created);
        }
        let before = list_all(&first, "").await.unwrap();
        let written = puts(&s3);
        let second = lake(&s3, true);
        for n in 0..20 {
            assert_eq!(second.put_new(&format!("{n}"), Bytes::from("second")).await.unwrap(), PutResult::AlreadyExists);
        }
        assert_eq!(list_all(&second, "").await.unwrap(), before);
        assert_eq!(puts(&s3), written, "nothing was even sent");
    }
}

#[tokio::test]
async fn a_store_that_honours_conditions_is_tested_once_and_trusted_then() {
    let s3 = S3Server::with_bucket(BUCKET);
    let lake = lake(&s3, true);
    assert_eq!(lake.conditions().create, ConditionalWrites::Untested);
    assert_eq!(lake.put_new("a", Bytes::from("1")).await.unwrap(), PutResult::Created);
    assert_eq!(lake.conditions().create, ConditionalWrites::Honoured);
    let (written, looked_up) = (puts(&s3), heads(&s3));
    assert_eq!(written, 2, "the object, and its repeat");
    for key in ["b", "c"] {
        assert_eq!(lake.put_new(key, Bytes::from("1")).await.unwrap(), PutResult::Created);
        assert_eq!(lake.put_new(key, Bytes::from("2")).await.unwrap(), PutResult::AlreadyExists);
    }
    assert_eq!((puts(&s3), heads(&s3)), (written + 4, looked_up));
}

#[tokio::test]
async fn a_501_is_never_tried_again() {
    let [_, rejects] = unconditional();
    let lake = lake(&rejects, true);
    assert_eq!(lake.put_new("a", Bytes::from("1")).await.unwrap(), PutResult::Created);
    assert_eq!(puts(&rejects), 2, "once with the condition, once without");
    assert_eq!(lake.put_new("b", Bytes::from("1")).await.unwrap(), PutResult::Created);
    assert_eq!((puts(&rejects), lake.throttle_stats().retries), (3, 0));
}

#[tokio::test]
async fn lost_answers_double_nothing_where_conditions_are_not_honoured() {
    for s3 in unconditional() {
        s3.faults().change(|faults| faults.lost_answer = Fault::first(1).on(&[Op::Put]));
        let lake = lake(&s3, true);
        for n in 0..5 {
            assert_eq!(lake.put_new(&format!("{n}"), Bytes::from("body")).await.unwrap(), PutResult::Created);
        }
        assert_eq!(s3.store().list(BUCKET, FOLDER).len(), 5);
    }
}

#[tokio::test]
async fn a_change_never_undoes_another_s() {
    for s3 in unconditional() {
        let lake = lake(&s3, true);
        lake.put_new("x", Bytes::from("one")).await.unwrap();
        let token = head(&lake, "x").await.unwrap().unwrap().etag;
        s3.store().put(BUCKET, &format!("{FOLDER}x"), "another's");
        for body in [Some(Bytes::from("ours")), None] {
            assert_eq!(lake.change_if_match("x", &token, body).await.unwrap(), ChangeResult::Conflict);
            assert_eq!(lake.get("x").await.unwrap(), "another's");
        }
        let token = head(&lake, "x").await.unwrap().unwrap().etag;
        assert_eq!(lake.change_if_match("x", &token, Some(Bytes::from("ours"))).await.unwrap(), ChangeResult::Done);
        assert_eq!(lake.conditions(), EMULATED);
        let token = head(&lake, "x").await.unwrap().unwrap().etag;
        assert_eq!(lake.change_if_match("x", &token, None).await.unwrap(), ChangeResult::Done);
        assert!(s3.store().is_empty(BUCKET));
    }
}

#[tokio::test]
async fn what_is_required_and_not_honoured_writes_nothing() {
    for s3 in unconditional() {
        let lake = lake(&s3, true).with_unconditional(Unconditional::Refuse);
        s3.store().put(BUCKET, &format!("{FOLDER}there"), "x");
        for key in ["there", "new"] {
            let e = lake.put_new(key, Bytes::from("y")).await.unwrap_err();
            assert_eq!(e.reason, Reason::Unconditional, "{e}");
        }
        let token = head(&lake, "there").await.unwrap().unwrap().etag;
        let e = lake.change_if_match("there", &token, None).await.unwrap_err();
        assert_eq!(e.reason, Reason::Unconditional, "{e}");
        assert_eq!(s3.store().list(BUCKET, ""), [format!("{FOLDER}there")]);
        assert_eq!(lake.get("there").await.unwrap(), "x");
    }
    let s3 = S3Server::with_bucket(BUCKET);
    let lake = lake(&s3, true).with_unconditional(Unconditional::Refuse);
    assert_eq!(lake.put_new("new", Bytes::from("y")).await.unwrap(), PutResult::Created);
    assert_eq!(lake.conditions(), Conditions::default());
    assert_eq!(s3.store().list(BUCKET, ""), [format!("{FOLDER}new")]);
}

#[tokio::test]
async fn a_store_that_honours_one_condition_only_is_detected() {
    let s3 = S3Server::with_bucket(BUCKET);
    s3.faults().change(|faults| faults.ignore_if_match = true);
    let found = lake(&s3, true).test_conditions().await.unwrap();
    assert_eq!((found.create, found.change), (ConditionalWrites::Honoured, ConditionalWrites::Emulated));
    assert_eq!(found.weakest(), ConditionalWrites::Emulated);
    assert!(s3.store().is_empty(BUCKET));
}

/// S3 answers 403 to HEAD of a missing object to those who may not list.
#[tokio::test]
async fn without_the_right_to_look_up_nothing_is_overwritten() {
    let s3 = S3Server::with_bucket(BUCKET);
    s3.faults().change(|faults| faults.forbid_head = true);
    let trusted = lake(&s3, true);
    assert_eq!(trusted.put_new("x", Bytes::from("1")).await.unwrap(), PutResult::Created);
    assert_eq!(trusted.put_new("x", Bytes::from("2")).await.unwrap(), PutResult::AlreadyExists);
    for s3 in unconditional() {
        s3.faults().change(|faults| faults.forbid_head = true);
        s3.store().put(BUCKET, &format!("{FOLDER}x"), "1");
        let e = lake(&s3, true).put_new("x", Bytes::from("2")).await.unwrap_err();
        assert!(e.reason == Reason::Denied && e.message.contains("s3:ListBucket"), "{e}");
        assert_eq!(s3.store().get(BUCKET, &format!("{FOLDER}x")).unwrap(), "1");
    }
}
