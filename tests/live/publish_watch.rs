//! `publish --watch` over the complete stream: `publish` → SNS (the stub, which delivers) → `process --listen` → S3 and a server,
//! whose rows `publish` polls.

use std::collections::BTreeMap;

use ruminate::truth::{self, Expectation};
use testkit::s3::S3Server;
use testkit::sns::{SnsStub, TOPIC};
use testkit::{BUCKET, Database, Scene, Server};

use crate::end_to_end::{ended, listen};

const HERD: [&str; 4] = ["farms=2", "lots=30", "days=4", "start=2026-01-01"];
const FAULTS: &str = "duplicate=0.05,corrected=0.1,late=0.1,malformed=0.05,missing=0.05";

/// Expectations of the truth file for a farm: delivered lines, distinct ids, and ids by fault.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    delivered: u64,
    ids: u64,
    faults: BTreeMap<String, u64>,
}

fn expected_of(scene: &Scene, farm: &str) -> Expected {
    let mut expected = Expected::default();
    let read = truth::read_file(&scene.path("first.gz"), |line| {
        let is_of = line.file.as_deref().is_some_and(|file| file.starts_with(farm));
        if is_of && line.expect == Expectation::Stored {
            expected.delivered += 1;
            if line.fault.as_deref() != Some("duplicate") {
                expected.ids += 1;
                *expected.faults.entry(line.fault.as_deref().unwrap_or("none").to_owned()).or_default() += 1;
            }
        }
        Ok(())
    });
    read.unwrap();
    expected
}

async fn watched_to_its_end(server: Server) {
    let database = Database::new(server).await;
    let (s3, sns) = (S3Server::with_bucket(BUCKET), SnsStub::with_topic(TOPIC));
    let stores = Scene::new().with_s3(&s3).with("RUMINATE_WAREHOUSE", &database.url());
    stores.run(&["init"]).expect(0, &[]);
    let sender = sns.env().into_iter().fold(Scene::new(), |scene, (name, value)| scene.with(name, &value));
    let sender = sender.with("RUMINATE_WAREHOUSE", &database.url());
    let publish = |files: &[&str], wait: &str, fail_if: &str| {
        let flags = ["--topic", TOPIC, "--rate", "400/s", "--watch", "--watch-timeout", wait, "--truth", "truth.gz"];
        sender.run(&[&["publish"], files, &flags[..], &["--fail-if", fail_if, "--report", "page.html"]].concat())
    };
    // The truth first, to count how many will arrive; publish writes the same one.
    let herd = HERD.map(|flag| format!("--{flag}"));
    let herd = herd.iter().map(String::as_str).chain(["--faults", FAULTS, "--out", "history", "--truth", "first.gz"]);
    sender.run(&["generate"].into_iter().chain(herd).collect::<Vec<_>>()).expect(0, &[]);

    // Only one farm is delivered: the other's readings never arrive, and each is reported.
    let (one, two) = (expected_of(&sender, "FazendaUm"), expected_of(&sender, "FazendaDois"));
    assert!(one.ids > 50 && two.ids > 50 && two.faults.len() == 3, "{one:?} {two:?}");
    let (listener, address) = listen(&stores, one.delivered);
    sns.subscribe(TOPIC, &address, &[("FilterPolicy", r#"{"cod_cliente": ["FazendaUm"]}"#)]).unwrap();
    let conditions = "lag_p99 > 30s; lag_p50 <= 0ms; missing > 0";
    let ran = publish(&["--generate", &format!("{},{FAULTS}", HERD.join(","))], "3s", conditions);
    let read = |name: &str| std::fs::read(sender.path(name)).unwrap();
    assert!(read("first.gz") == read("truth.gz"), "the truth that generate writes");
    ended(listener).expect(0, &[("messages", one.delivered), ("processed", one.ids)]);
    ran.expect(1, &[("published", one.delivered + two.delivered), ("dropped", 0), ("failed", 0)]);
    let (lag, passed) = (&ran.json["lag"], |n: usize| ran.json["conditions"][n]["passed"].as_bool().unwrap());
    assert_eq!([passed(0), passed(1), passed(2)], [true, true, false], "{lag:#}");
    let counts = ["watched", "arrived", "missing", "already_present"].map(|name| lag[name].as_u64().unwrap());
    assert_eq!(counts, [one.ids + two.ids, one.ids, two.ids, 0], "{lag:#}");
    let truth = &lag["truth"];
    let counts = ["ids", "arrived", "missing"].map(|name| truth[name].as_u64().unwrap());
    assert_eq!(counts, [one.ids + two.ids, one.ids, two.ids], "{truth:#}");
    assert_eq!(truth["missing_by_fault"], serde_json::to_value(&two.faults).unwrap());
    let readings = truth["missing_readings"].as_array().unwrap();
    assert_eq!(readings.len() as u64, two.ids.min(100));
    assert!(readings.iter().all(|reading| reading["file"].as_str().unwrap().starts_with("FazendaDois_Consumo_2026")));
    let page = std::fs::read_to_string(sender.path("page.html")).unwrap();
    assert!(page.contains("<h3>Ground truth</h3>") && page.contains(readings[0]["id"].as_str().unwrap()));

    // Both are delivered from the written files: existing rows are not part of the lag, and all readings arrive.
    let (listener, address) = listen(&stores, one.delivered + two.delivered);
    sns.delete_topic(TOPIC);
    sns.create_topic(TOPIC).unwrap();
    sns.subscribe(TOPIC, &address, &[]).unwrap();
    let mut files: Vec<_> =
        std::fs::read_dir(sender.path("history")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let files: Vec<_> = files.iter().map(|path| path.to_str().unwrap()).collect();
    let ran = publish(&files, "30s", "missing > 0; failed > 0");
    ended(listener).expect(0, &[("processed", two.ids), ("duplicates", one.delivered + two.delivered - two.ids)]);
    ran.expect(0, &[]);
    let lag = &ran.json["lag"];
    assert_eq!(
        (lag["missing"].as_u64(), lag["truth"]["arrived"].as_u64()),
        (Some(0), Some(one.ids + two.ids)),
        "{lag:#}"
    );
    database.drop().await;
}

on_both! {
    watched_to_its_end: live_mysql_a_load_test_is_watched_to_its_end, live_mariadb_a_load_test_is_watched_to_its_end;
}
