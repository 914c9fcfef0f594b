//! Planted drift is found despite concurrent writers, killed sessions, bursts of 503 and concurrent audits.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::Utc;
use pipeline::record::Record;
use pipeline::record::row::TableSchema;
use testkit::planted_drift::{assert_same, found_in, insert};
use testkit::s3::{Fault, Op};
use testkit::{BUCKET, MARIADB, MYSQL, PREFIX, Ran, Server};

use super::planted_drift::Stores;

/// Two of seven requests are rejected. Eight rejections in a row, after which a read fails, are not expected.
async fn storm(server: Server) {
    let stores = Stores::of(server, None, (2, 20, 10)).await;
    let damage = stores.damaged(2, 1).await;
    stores.s3.faults().change(|settings| settings.slow_down = Fault::rate(0.3));
    stores.s3.faults().reset_counts();
    damage.is_found_by(&stores.scene, &stores.world, &[]);
    let refused = stores.s3.faults().counts().injected(testkit::s3::Injected::SlowDown);
    assert!(refused > stores.world.0.len() as u64 / 4, "{refused} were refused");
    stores.database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_many_503s_do_not_change_the_findings() {
    storm(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_many_503s_do_not_change_the_findings() {
    storm(MARIADB).await;
}

async fn two_at_once(server: Server) {
    let stores = Stores::of(server, None, (2, 20, 10)).await;
    let damage = stores.damaged(2, 1).await;
    let Stores { scene, world, .. } = &stores;
    let start = |drift| scene.start(&["reconcile", "--cache", "cache", "--drift", drift, "--output", "json"]);
    let drifts = ["one.ndjson", "other.ndjson"];
    for audit in drifts.map(|drift| (start(drift), drift)) {
        let ran = Ran::of(&audit.0.wait_with_output().unwrap());
        damage.is_reported_by(&ran, &found_in(&scene.path(audit.1)), world, audit.1);
    }
    let cache = &damage.is_found_by(scene, world, &["--cache", "cache"]).json["cache"];
    let left = |name: &str| cache[name].as_u64().unwrap();
    assert_eq!(left("misses"), damage.findings.iter().filter(|finding| finding.kind == "unreadable").count() as u64);
    assert_eq!((left("invalid_files"), left("files_written"), left("write_failures")), (0, 0, 0));
    stores.database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_two_audits_with_one_cache_are_both_right() {
    two_at_once(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_two_audits_with_one_cache_are_both_right() {
    two_at_once(MARIADB).await;
}

/// Waits until a condition is true, for half a minute.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Writes to both stores while the audit reads the lake.
async fn writers(server: Server) {
    let stores = Stores::of(server, None, (2, 30, 25)).await;
    let damage = stores.damaged(1, 0).await;
    let Stores { s3, database, scene, world } = &stores;
    let schema = TableSchema::standard();
    let mut tail: Vec<(String, Record)> =
        world.drawn().into_iter().rev().take(240).map(|key| (key.clone(), world.0[&key].clone())).collect();
    let mut take = || tail.split_off(tail.len() - 60);
    let (gone, without_row, without_object, churned) = (take(), take(), take(), take());
    let at = |key: &str| format!("{PREFIX}/{key}");
    let put = |key: &str, record: &Record| s3.store().put(BUCKET, &at(key), record.object_from_values());
    let delete =
        |record: &Record| format!("DELETE FROM historico_consumo WHERE id_treated_data = '{}'", record.id_treated_data);
    // Differences that the writers will remove, and records that are not written yet.
    database.run_all(&without_row.iter().chain(&churned).map(|(_, record)| delete(record)).collect::<Vec<_>>()).await;
    for (key, _) in without_object.iter().chain(&churned) {
        s3.store().remove(BUCKET, &at(key)).unwrap();
    }
    s3.faults().change(|settings| settings.latency = Duration::from_millis(40));
    s3.faults().reset_counts();
    let args = ["reconcile", "--concurrency", "8", "--drift", "drift.ndjson", "--output", "json"];
    let mut child = scene.start(&args);
    until("the lake is being read", || s3.faults().counts().requests(Op::Get) >= 100).await;
    let end = Utc::now();
    for (key, record) in &gone {
        database.run(&delete(record)).await;
        s3.store().remove(BUCKET, &at(key)).unwrap();
    }
    database.run_all(&without_row.iter().map(|(_, record)| insert(record, &schema)).collect::<Vec<_>>()).await;
    without_object.iter().for_each(|(key, record)| put(key, record));
    assert!(child.try_wait().unwrap().is_none(), "the audit still reads");
    let (mut rounds, mut left) = (0, true);
    while left {
        let (key, record) = &churned[rounds % churned.len()];
        // As an intake does: the lake first.
        let new = Record { row_ts: end, ..record.clone() };
        put(key, &new);
        database.run(&insert(&new, &schema)).await;
        database.run(&delete(record)).await;
        s3.store().remove(BUCKET, &at(key)).unwrap();
        (rounds, left) = (rounds + 1, child.try_wait().unwrap().is_none());
    }
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.expect(1, &[("unstable", 0)]);
    assert_same(&found_in(&scene.path("drift.ndjson")), &damage.findings, "while others write");
    assert!(rounds > 5 && ran.json["resolved_on_recheck"].as_u64() >= Some(60), "{rounds} {ran:?}");
    s3.faults().change(|settings| settings.latency = Duration::ZERO);
    scene.run(&["reconcile", "--drift", "drift.ndjson"]).expect(1, &[("unstable", 0), ("resolved_on_recheck", 0)]);
    assert_same(&found_in(&scene.path("drift.ndjson")), &damage.findings, "once they have ended");
    stores.database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_concurrent_writes_are_not_findings() {
    writers(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_concurrent_writes_are_not_findings() {
    writers(MARIADB).await;
}

/// A connection to a server that stalls once, in the middle of a response, and then ends.
struct StallingProxy {
    port: u16,
    /// Port of the stalled session, as the server sees it.
    stalled: Receiver<u16>,
    /// Ends the connection.
    resume: Sender<()>,
}

impl StallingProxy {
    /// Starts a proxy to a port; the first session that receives N bytes stalls.
    fn to(port: u16, max: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let ((expected, stalled), (resume, waits)) = (channel(), channel());
        let once = Arc::new(Mutex::new(Some((expected, waits))));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, once) = (client.unwrap(), Arc::clone(&once));
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || forward(from, to, |_| true));
                std::thread::spawn(move || {
                    let local = server.local_addr().unwrap().port();
                    forward(server, client, |bytes| {
                        let Some((expected, waits)) = (bytes > max).then(|| once.lock().unwrap().take()).flatten()
                        else {
                            return true;
                        };
                        expected.send(local).unwrap();
                        let _ = waits.recv();
                        false
                    });
                });
            }
        });
        Self { port: own, stalled, resume }
    }
}

/// Forwards bytes until the stall.
fn forward(mut from: TcpStream, mut to: TcpStream, mut may: impl FnMut(usize) -> bool) {
    let (mut piece, mut bytes) = ([0; 8_192], 0);
    while let Ok(read) = from.read(&mut piece)
        && read > 0
    {
        bytes += read;
        if !may(bytes) || to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// The scan's session is killed: another continues after the last page.
async fn killed_in_the_scan(server: Server) {
    let stores = Stores::of(server, None, (3, 50, 45)).await;
    let damage = stores.damaged(2, 1).await;
    let Stores { database, world, .. } = &stores;
    assert!(world.0.len() > 6_000, "more than a page and a half: {}", world.0.len());
    let url = database.url();
    let (before, after) = url.rsplit_once(':').unwrap();
    let (port, name) = after.split_once('/').unwrap();
    // Killed before the first page is complete, and after it.
    for (max, continues_after_something) in [(40_000, false), (world.0.len() * 110, true)] {
        let proxy = StallingProxy::to(port.parse().unwrap(), max);
        let around = format!("{before}:{}/{name}", proxy.port);
        let args = ["reconcile", "--drift", "drift.ndjson", "--output", "json", "--warehouse", &around];
        let child: Child = stores.scene.start(&args);
        let local = proxy.stalled.recv_timeout(Duration::from_secs(30)).expect("no session was answered with so much");
        let session = format!(
            "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = '{name}' AND host LIKE '%:{local}'"
        );
        assert!(database.kill(database.count(&session).await).await);
        proxy.resume.send(()).unwrap();
        let ran = Ran::of(&child.wait_with_output().unwrap());
        damage.is_reported_by(&ran, &found_in(&stores.scene.path("drift.ndjson")), world, "killed in the scan");
        assert_eq!(ran.json["snapshots"], 2, "{ran:?}");
        let last: Vec<_> = ran.stderr.lines().filter(|line| line.contains("continuing after")).collect();
        assert_eq!((last.len(), last[0].contains("after nothing")), (1, !continues_after_something), "{ran:?}");
    }
    stores.database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_scan_whose_session_is_killed_continues_and_finds_the_same() {
    killed_in_the_scan(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_scan_whose_session_is_killed_continues_and_finds_the_same() {
    killed_in_the_scan(MARIADB).await;
}
