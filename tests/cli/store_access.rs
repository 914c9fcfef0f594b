//! What a bucket, its keys and the session permit: checksums, encryption, objects that cannot be read, credentials that
//! expire and clocks that differ.

use std::time::Duration;

use testkit::s3::{Op, Policy, S3Server, SessionEnd};
use testkit::{BUCKET, PREFIX, Scene};

fn embedded(s3: &S3Server) -> (Scene, u64) {
    let scene = Scene::embedded().with_s3(s3);
    let count = scene.history(1, 40, 3);
    scene.run(&["init"]).expect(0, &[]);
    (scene, count)
}

fn policy(s3: &S3Server, policy: Policy) {
    s3.faults().change(|faults| faults.policy = policy);
}

#[test]
fn a_bucket_with_object_lock_accepts_every_write() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, count) = embedded(&s3);
    policy(&s3, Policy { require_checksum: true, ..Policy::default() });
    scene.run(&["backfill", "history.json"]).expect(0, &[("written", count)]);
    std::fs::write(scene.path("bad.json"), "not a reading\n").unwrap();
    scene.run(&["backfill", "bad.json"]).expect(1, &[("rejected", 1)]);
    assert_eq!(s3.store().list(BUCKET, "quarentena/").len(), 1);
    let removed = s3.store().list(BUCKET, PREFIX)[0].clone();
    s3.store().remove(BUCKET, &removed);
    scene.run(&["reconcile", "--repair", "lake"]).expect(1, &[("warehouse_only", 1)]);
    assert_eq!(s3.store().list(BUCKET, PREFIX).len() as u64, count);
    scene.run(&["doctor"]).expect(0, &[]);
}

#[test]
fn a_bucket_that_requires_encryption_headers_gets_them() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, count) = embedded(&s3);
    let key = "arn:aws:kms:us-east-1:123456789012:key/lake";
    policy(&s3, Policy { require_sse: Some(("aws:kms".into(), key.into())), ..Policy::default() });
    let without = scene.run(&["backfill", "history.json"]);
    assert!(without.code == Some(2) && without.stderr.contains("check credentials and policy"), "{without:#?}");
    assert_eq!(s3.store().len(BUCKET), 0);
    let other = scene.run(&["backfill", "history.json", "--sse", "aws:kms"]);
    assert_eq!(other.code, Some(2), "{other:#?}");
    scene.run(&["backfill", "history.json", "--sse-kms-key-id", key]).expect(0, &[("written", count)]);
    // From the environment and from the config file; also for the quarantine, repairs and the test of the store.
    std::fs::write(scene.path("bad.json"), "not a reading\n").unwrap();
    let config = format!("sse = \"aws:kms\"\nsse-kms-key-id = \"{key}\"\n");
    std::fs::write(scene.path("ruminate.toml"), config).unwrap();
    scene.run(&["backfill", "bad.json"]).expect(1, &[("rejected", 1)]);
    let removed = s3.store().list(BUCKET, PREFIX)[0].clone();
    s3.store().remove(BUCKET, &removed);
    scene.run(&["reconcile", "--repair", "lake"]).expect(1, &[("warehouse_only", 1)]);
    scene.run(&["doctor"]).expect(0, &[]);
    policy(&s3, Policy { require_sse: Some(("AES256".into(), String::new())), ..Policy::default() });
    std::fs::remove_file(scene.path("ruminate.toml")).unwrap();
    let scene = scene.with("RUMINATE_SSE", "AES256");
    scene.run(&["doctor"]).expect(0, &[]);
    let both = scene.run(&["backfill", "history.json", "--sse-kms-key-id", key]);
    assert!(both.code == Some(2) && both.stderr.contains("--sse-kms-key-id"), "{both:#?}");
}

#[test]
fn an_object_whose_key_is_disabled_is_unreadable_and_the_run_continues() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, count) = embedded(&s3);
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    let locked = s3.store().list(BUCKET, PREFIX)[7].clone();
    policy(&s3, Policy { disabled_keys: [locked].into(), ..Policy::default() });
    scene.sql("DELETE FROM historico_consumo");
    let replay = scene.run(&["replay"]);
    replay.expect(1, &[("listed", count), ("inserted", count - 1), ("unreadable", 1)]);
    assert!(replay.stdout.contains("KMS.DisabledException"), "{replay:#?}");
    let audit = scene.run(&["reconcile"]);
    audit.expect(1, &[("matched", count - 1), ("unreadable", 1)]);
    scene.run(&["replay", "--resume"]).expect(1, &[("identical", count - 1), ("unreadable", 1)]);
}

#[test]
fn if_no_object_can_be_read_the_run_stops_and_does_not_name_them_all() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, count) = embedded(&s3);
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    assert!(count > 100);
    policy(&s3, Policy { disabled_keys: [PREFIX.to_owned()].into(), ..Policy::default() });
    let ran = scene.run(&["replay", "--concurrency", "4"]);
    assert!(matches!(ran.code, Some(2 | 3)), "{ran:#?}");
    assert!(format!("{}{}", ran.stderr, ran.stdout).contains("50 objects in a row"), "{ran:#?}");
}

#[test]
fn credentials_that_expire_stop_a_run_that_can_be_resumed() {
    for end in [SessionEnd::Expired, SessionEnd::Revoked] {
        let s3 = S3Server::with_bucket(BUCKET);
        let (scene, count) = embedded(&s3);
        scene.run(&["backfill", "history.json"]).expect(0, &[]);
        scene.sql("DELETE FROM historico_consumo");
        // Near the end, where fewer objects remain than the number that stops a run.
        let gets = s3.faults().counts().requests(Op::Get) + count - 20;
        policy(&s3, Policy { session_ends: Some((gets, end)), ..Policy::default() });
        let stopped = scene.run(&["replay"]);
        stopped.expect(3, &[("unreadable", 0)]);
        assert!(stopped.json["stopped"].as_str().is_some_and(|why| why.contains("log in again")), "{stopped:#?}");
        assert!(stopped.json["stopped"].as_str().is_some_and(|why| why.contains("--resume")), "{stopped:#?}");
        policy(&s3, Policy::default());
        scene.run(&["replay", "--resume"]).expect(0, &[("listed", count), ("unreadable", 0)]);

        let gets = s3.faults().counts().requests(Op::Get) + count - 20;
        policy(&s3, Policy { session_ends: Some((gets, end)), ..Policy::default() });
        let audit = scene.run(&["reconcile"]);
        audit.expect(3, &[("unreadable", 0)]);
        assert!(audit.json["stopped"].as_str().is_some_and(|why| why.contains("log in again")), "{audit:#?}");
        policy(&s3, Policy::default());
        scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
        // Expired from the start: there is nothing to resume.
        policy(&s3, Policy { session_ends: Some((0, end)), ..Policy::default() });
        let ran = scene.text(&["replay"]);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
    }
}

#[test]
fn a_clock_that_is_behind_or_ahead_is_named_with_its_difference() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, _) = embedded(&s3);
    s3.faults().change(|faults| {
        faults.clock_ahead = Duration::from_secs(20 * 60 + 5);
        faults.policy = Policy { skewed: true, ..Policy::default() };
    });
    for side in ["behind", "ahead of"] {
        let ran = scene.text(&["replay"]);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains("this machine's clock is 20 min") && ran.stderr.contains(side), "{ran:#?}");
        let doctor = scene.text(&["doctor"]);
        assert_eq!(doctor.code, Some(2), "{doctor:#?}");
        let clock = doctor.stdout.lines().find(|line| line.contains("lake clock")).unwrap();
        assert!(clock.contains("20 min") && clock.contains(side) && clock.contains("set it"), "{clock}");
        s3.faults().change(|faults| {
            faults.clock_behind = Duration::from_secs(20 * 60 + 5);
            faults.clock_ahead = Duration::ZERO;
        });
    }
}
