//! Connections that a server, a load balancer or a proxy closes without a response: the requests are sent again, and every
//! result is that of a run without faults.

use testkit::s3::{Fault, Injected, S3Server, Settings};
use testkit::{BUCKET, Ran, Scene};

use crate::compact::same_parts_despite;
use crate::publish::{history, publish};
use crate::sns_stub::stub_with;

/// Closes the connections of some requests.
fn close_some(faults: &mut Settings) {
    faults.close = Fault::rate(0.05);
}

fn closed(s3: &S3Server) -> u64 {
    s3.faults().counts().injected(Injected::Closed)
}

#[test]
fn a_backfill_a_replay_and_an_audit_send_the_requests_again() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    let count = scene.history(2, 50, 2);
    scene.run(&["init"]).expect(0, &[]);
    s3.faults().change(close_some);
    scene.run(&["backfill", "history.json"]).expect(0, &[("written", count), ("inserted", count)]);
    let by_backfill = closed(&s3);
    scene.sql("DELETE FROM historico_consumo");
    scene.run(&["replay"]).expect(0, &[("listed", count), ("inserted", count)]);
    let by_replay = closed(&s3) - by_backfill;
    scene.run(&["reconcile"]).expect(0, &[("lake_objects", count), ("matched", count)]);
    let by_audit = closed(&s3) - by_backfill - by_replay;
    assert!(by_backfill > 0 && by_replay > 0 && by_audit > 0, "{by_backfill} {by_replay} {by_audit}");
}

#[test]
fn a_check_of_the_stores_sends_each_request_again() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    scene.run(&["init"]).expect(0, &[]);
    s3.faults().change(|faults| faults.close = Fault::first(1));
    scene.run(&["doctor"]).expect(0, &[]);
    assert!(closed(&s3) > 1, "{}", closed(&s3));
}

#[test]
fn a_compaction_writes_the_same_parts() {
    let s3 = same_parts_despite(close_some);
    assert!(closed(&s3) > 0);
}

#[test]
fn a_server_that_closes_every_connection_does_not_point_to_the_settings() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    scene.run(&["init"]).expect(0, &[]);
    s3.faults().change(|faults| faults.close = Fault::always());
    let replay = scene.run(&["replay", "--max-attempts", "2"]);
    let doctor = scene.run(&["doctor"]);
    let (home, sns) = (tempfile::tempdir().unwrap(), stub_with(|faults| faults.close = 1.0));
    history(home.path(), "in.json");
    let publish = Ran::by(publish(home.path(), &sns).arg("in.json"));
    for ran in [replay, doctor, publish] {
        let text = format!("{}{}", ran.stdout, ran.stderr);
        assert_ne!(ran.code, Some(0), "{text}");
        assert!(text.contains("no response: ") && !text.contains("no request can be sent"), "{text}");
    }
}
