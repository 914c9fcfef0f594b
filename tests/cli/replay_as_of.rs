//! `replay --as-of` with the in-process S3 service: objects deleted since then are recovered.

use std::time::{Duration, SystemTime};

use testkit::s3::{S3Server, Versioning};
use testkit::{BUCKET, PREFIX, Scene};

#[test]
fn a_replay_of_the_lake_as_it_was_brings_back_what_was_deleted() {
    let s3 = S3Server::with_bucket(BUCKET);
    s3.store().set_versioning(BUCKET, Versioning::Enabled);
    let scene = Scene::new().with_s3(&s3);
    let warehouse = format!("sqlite:{}", scene.path("w.db").display());
    let scene = scene.with("RUMINATE_WAREHOUSE", &warehouse);
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(2, 10, 3);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);

    // All objects were written an hour ago. Half an hour ago, half of them were deleted and one was replaced by invalid
    // data.
    let ago = |minutes: u64| SystemTime::now() - Duration::from_secs(minutes * 60);
    let keys = s3.store().list(BUCKET, PREFIX);
    assert_eq!(keys.len() as u64, count);
    let date = |key: &str, minutes| {
        let newest = s3.store().versions(BUCKET, key).last().unwrap().id.clone();
        assert!(s3.store().set_version_time(BUCKET, key, &newest, ago(minutes)));
    };
    keys.iter().for_each(|key| date(key, 60));
    for key in keys.iter().step_by(2) {
        s3.store().remove(BUCKET, key).unwrap();
        date(key, 30);
    }
    s3.store().put(BUCKET, &keys[1], "rubbish");
    date(&keys[1], 30);
    let time = |minutes| chrono::DateTime::<chrono::Utc>::from(ago(minutes)).to_rfc3339();

    let again = format!("sqlite:{}", scene.path("again.db").display());
    let scene = scene.with("RUMINATE_WAREHOUSE", &again);
    scene.run(&["init"]).expect(0, &[]);
    let left = count / 2 - 1;
    let now = scene.run(&["replay"]);
    assert_eq!((now.json["inserted"].as_u64(), now.json["unreadable"].as_u64()), (Some(left), Some(1)), "{now:#?}");
    let early = ["replay", "--as-of", &time(90)];
    let refused = scene.run(&early);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("as it was at "),
        "before the first object: {refused:?}"
    );
    let early = scene.run(&[&early[..], &["--allow-empty"]].concat());
    early.expect(0, &[("inserted", 0), ("identical", 0)]);
    let then = scene.run(&["replay", "--verify", "--as-of", &time(45)]);
    then.expect(0, &[("inserted", count - left), ("identical", left), ("unreadable", 0), ("verified", count)]);
}

/// Stores list whole seconds or milliseconds: the view is the same, and includes the second that was given.
#[test]
fn the_second_of_a_point_in_time_is_included_on_every_store() {
    for listed_milliseconds in [false, true] {
        let s3 = S3Server::with_bucket(BUCKET);
        s3.faults().change(|faults| faults.listed_milliseconds = listed_milliseconds);
        s3.store().set_versioning(BUCKET, Versioning::Enabled);
        let scene = Scene::embedded().with_s3(&s3);
        scene.run(&["init"]).expect(0, &[]);
        let count = scene.history(1, 6, 2);
        scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
        let hour_ago = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() - 3_600;
        let at = |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(hour_ago * 1_000 + millis);
        let keys = s3.store().list(BUCKET, PREFIX);
        let date = |key: &str, millis| {
            let newest = s3.store().versions(BUCKET, key).last().unwrap().id.clone();
            assert!(s3.store().set_version_time(BUCKET, key, &newest, at(millis)));
        };
        // All are written in one second; in the next one, one is deleted and one is replaced.
        keys.iter().zip([0, 1, 700, 999].into_iter().cycle()).for_each(|(key, millis)| date(key, millis));
        s3.store().remove(BUCKET, &keys[0]).unwrap();
        date(&keys[0], 1_000);
        s3.store().put(BUCKET, &keys[1], "rubbish");
        date(&keys[1], 1_400);
        let time = |millis| chrono::DateTime::<chrono::Utc>::from(at(millis)).to_rfc3339();
        let preview = scene.run(&["replay", "--as-of", &time(0).replace("+00:00", "Z"), "--dry-run"]);
        preview.expect(0, &[("objects", count)]);
        scene.run(&["replay", "--as-of", &time(0)]).expect(0, &[("listed", count), ("identical", count)]);
        let next = scene.run(&["replay", "--as-of", &time(1_000)]);
        next.expect(1, &[("listed", count - 1), ("identical", count - 2), ("unreadable", 1)]);
        if listed_milliseconds {
            let exact = scene.run(&["replay", "--as-of", &time(1_200)]);
            exact.expect(0, &[("listed", count - 1), ("identical", count - 1)]);
        }
    }
}

#[test]
fn a_point_in_time_in_the_future_is_refused_and_now_is_the_present() {
    let s3 = S3Server::with_bucket(BUCKET);
    s3.store().set_versioning(BUCKET, Versioning::Enabled);
    let scene = Scene::embedded().with_s3(&s3);
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(1, 3, 2);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    let now = SystemTime::now();
    let text = |at: SystemTime| chrono::DateTime::<chrono::Utc>::from(at).to_rfc3339();
    scene.run(&["replay", "--as-of", &text(now)]).expect(0, &[("listed", count), ("identical", count)]);
    let soon = text(now + Duration::from_secs(30));
    scene.run(&["replay", "--as-of", &soon]).expect(0, &[("listed", count), ("skipped", 0)]);
    let ran = scene.run(&["replay", "--as-of", &text(now + Duration::from_secs(365 * 86_400))]);
    assert!(ran.code == Some(2) && ran.stderr.contains("is in the future, the lake's clock shows"), "{ran:#?}");
    assert_eq!(ran.stderr.trim().lines().count(), 1, "{ran:#?}");
}

#[test]
fn a_lake_without_versions_is_rejected_in_one_line() {
    let s3 = S3Server::with_bucket(BUCKET);
    let on_s3 = Scene::new().with_s3(&s3);
    let warehouse = format!("sqlite:{}", on_s3.path("w.db").display());
    let on_s3 = on_s3.with("RUMINATE_WAREHOUSE", &warehouse);
    let embedded = Scene::embedded();
    std::fs::create_dir(embedded.path("lake")).unwrap();
    for scene in [on_s3, embedded] {
        scene.run(&["init"]).expect(0, &[]);
        let ran = scene.run(&["replay", "--as-of", "2026-01-01T00:00:00Z"]);
        assert!(ran.code.is_some_and(|code| code != 0) && ran.stderr.contains("versions"), "{ran:#?}");
        assert_eq!(ran.stderr.trim().lines().count(), 1, "{ran:#?}");
    }
}
