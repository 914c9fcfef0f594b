//! Histories with every fault, checked with their truth files: ingested into S3 and a server, first intact and then damaged.

use std::collections::BTreeMap;

use pipeline::record::QUARANTINE;
use ruminate::truth::{self, Expectation, Totals};
use serde_json::Value;
use testkit::s3::S3Server;
use testkit::{BUCKET, Database, MOTO, MYSQL, PREFIX, Ran, Scene, Server, server};

use crate::end_to_end::{ended, listen};
use crate::moto::sns;

/// Every fault at once. Oversized readings are few, because each has a quarter of a megabyte.
const FAULTS: &str = "duplicate=0.03,late=0.05,out_of_order=0.05,missing_day=0.05,malformed=0.06,corrected=0.05,\
                      oversized=0.004,unknown_farm=0.03,missing=0.05,zero=0.03";

/// Location in the truth file: file, line and fault.
type At = (Option<String>, u64, Option<String>);

/// A history with its truth, and empty stores.
struct Proved {
    s3: S3Server,
    database: Database,
    scene: Scene,
    /// Ids by expectation, or hashes of malformed messages.
    by_expectation: BTreeMap<Expectation, BTreeMap<String, At>>,
    totals: Totals,
}

impl Proved {
    async fn new(server: Server, lots: &str) -> Self {
        let database = Database::new(server).await;
        let s3 = S3Server::with_bucket(BUCKET);
        let scene = Scene::new().with_s3(&s3).with("RUMINATE_WAREHOUSE", &database.url());
        scene.run(&["init"]).expect(0, &[]);
        let herd = ["generate", "--farms", "3", "--lots", lots, "--days", "10", "--start", "2026-01-01", "--seed", "6"];
        let made = ["--faults", FAULTS, "--out", "history.ndjson.zst", "--truth", "truth.ndjson.gz"];
        scene.run(&[&herd[..], &made].concat()).expect(0, &[]);
        let mut by_expectation: BTreeMap<Expectation, BTreeMap<String, At>> = BTreeMap::new();
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map(ToString::to_string);
        let (_, totals) = truth::read_file(&scene.path("truth.ndjson.gz"), |line| {
            let name = line.id.map(|id| id.to_string()).or_else(|| text(&line.sha256)).unwrap();
            let at = (text(&line.file), line.line, text(&line.fault));
            by_expectation.entry(line.expect).or_default().entry(name).or_insert(at);
            Ok(())
        })
        .unwrap();
        assert_eq!(totals.faults.len(), FAULTS.split(',').count(), "too few readings for every fault: {totals:?}");
        Self { s3, database, scene, by_expectation, totals }
    }

    fn of(&self, expect: Expectation) -> u64 {
        self.by_expectation[&expect].len() as u64
    }

    fn publish(&self, more: &[&str]) -> Ran {
        self.scene.run(&[&["publish", "--topic", "local", "history.ndjson.zst"], more].concat())
    }

    fn prove(&self, code: i32, more: &[(&str, u64)]) -> Value {
        let flags = ["--truth", "truth.ndjson.gz", "--drift", "drift.ndjson", "--report", "page.html"];
        let ran = self.scene.run(&[&["reconcile"], &flags[..]].concat());
        let found = &ran.json["truth"];
        let sums = [
            ("lines", self.totals.lines),
            ("expected", self.of(Expectation::Stored)),
            ("undelivered", self.of(Expectation::Undelivered)),
        ];
        for (name, count) in sums.iter().chain(more) {
            assert_eq!(found[name], *count, "{name}: {found:#}");
        }
        assert_eq!((ran.code, found["passed"].as_bool()), (Some(code), Some(code == 0)), "{ran:?}");
        found.clone()
    }

    /// Findings of the last audit that only the truth file reveals: kind and id (or reason, without an id), with the location.
    fn findings(&self) -> BTreeMap<(String, String), At> {
        let text = std::fs::read_to_string(self.scene.path("drift.ndjson")).unwrap();
        let drifts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let own = |value: &Value| value.as_str().map(str::to_owned);
        drifts
            .filter(|drift| drift["kind"].as_str().unwrap().starts_with("truth_"))
            .map(|drift| {
                let name = own(&drift["id"]).or_else(|| own(&drift["reason"])).unwrap();
                let by_expectation = &drift["truth"];
                let at = (
                    own(&by_expectation["file"]),
                    by_expectation["line"].as_u64().unwrap_or_default(),
                    own(&by_expectation["fault"]),
                );
                ((own(&drift["kind"]).unwrap(), name), at)
            })
            .collect()
    }

    /// Returns the key of the first object with this text in its name.
    fn key(&self, part: &str) -> String {
        let keys = self.s3.store().list(BUCKET, "");
        keys.into_iter().find(|key| key.contains(part)).unwrap()
    }
}

async fn checked_intact_and_damaged(server: Server) {
    let history = Proved::new(server, "25").await;
    let (broken, refused) = (history.of(Expectation::Quarantined), history.of(Expectation::Oversized));
    history.publish(&[]);
    let withheld = [("quarantined_expected", broken), ("quarantined_withheld", broken), ("oversized", refused)];
    assert_eq!(history.prove(0, &withheld)["ingest_path"], "publish");
    history.publish(&["--send-invalid"]);
    assert_eq!(
        history.prove(0, &[("quarantined_found", broken), ("oversized_stored", 0)])["ingest_path"],
        "send-invalid"
    );

    // Of every tenth id, in turn the row, the object, or both are deleted.
    let mut expected = BTreeMap::new();
    for (n, (id, at)) in history.by_expectation[&Expectation::Stored].iter().step_by(10).enumerate() {
        if n % 3 != 1 {
            let sql = format!("DELETE FROM historico_consumo WHERE id_treated_data = '{id}'");
            assert_eq!(history.database.run(&sql).await, 1);
        }
        if n % 3 != 0 {
            history.s3.store().remove(BUCKET, &history.key(id)).unwrap();
        }
        expected.insert(("truth_missing".to_owned(), id.clone()), at.clone());
    }
    let lost = expected.len() as u64;
    // Rows are inserted for an undelivered reading and for one that is in no truth file.
    let (never, at) = history.by_expectation[&Expectation::Undelivered].first_key_value().unwrap();
    for (id, at) in [(never.as_str(), at.clone()), ("0189a0f0-0000-8000-8000-000000000000", (None, 0, None))] {
        let rest = "id_curral, id_raca, id_lote, peso_entrada, peso_medio, quantidade_animais, dia_confinamento, \
                    consumo_real, consumo_meta, data, cod_cliente, row_ts";
        let from = format!("SELECT '{id}', {rest} FROM historico_consumo LIMIT 1");
        history.database.run(&format!("INSERT INTO historico_consumo (id_treated_data, {rest}) {from}")).await;
        expected.insert(("truth_unexpected".to_owned(), id.to_owned()), at);
    }
    let (hash, at) = history.by_expectation[&Expectation::Quarantined].last_key_value().unwrap();
    history.s3.store().remove(BUCKET, &history.key(hash)).unwrap();
    let counts = [
        ("missing", lost),
        ("missing_in_warehouse", lost - (lost + 1) / 3),
        ("missing_in_lake", lost - lost.div_ceil(3)),
        ("unexpected", 2),
        ("unexpected_unlisted", 1),
        ("quarantined_missing", 1),
    ];
    history.prove(1, &counts);
    let mut found = history.findings();
    let kept = found.iter().find(|((_, name), _)| name.contains(hash)).map(|(key, at)| (key.clone(), at.clone()));
    let (key, output) = kept.unwrap();
    assert_eq!((key.0.as_str(), &output), ("truth_missing", at));
    found.remove(&key);
    assert!(found == expected, "{found:#?}\n{expected:#?}");
    let page = std::fs::read_to_string(history.scene.path("page.html")).unwrap();
    assert!(page.contains("Failed.</b>") && page.contains(never), "the page reports it");

    // Ingesting the history again repairs everything except the unexpected rows, which are never deleted.
    history.publish(&["--send-invalid"]);
    history.prove(1, &[("missing", 0), ("quarantined_missing", 0), ("unexpected", 2)]);
    assert!(!history.s3.store().list(BUCKET, PREFIX).is_empty());
    history.database.drop().await;
}

on_both! {
    checked_intact_and_damaged: live_mysql_a_history_with_every_fault_is_proved, live_mariadb_a_history_with_every_fault_is_proved;
}

/// The complete stream: file → `publish` → SNS (moto) → HTTP → `process --listen` → S3 and MySQL.
#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL and RUMINATE_TEST_MOTO"]
async fn live_mysql_moto_a_history_with_every_fault_that_streamed_is_proved() {
    let moto = server(MOTO.variable);
    let history = Proved::new(MYSQL, "12").await;
    let topic = sns(&moto).create_topic().name(&history.database.name).send().await.unwrap().topic_arn.unwrap();
    let messages = history.totals.lines - history.totals.oversized;
    let (listener, address) = listen(&history.scene, messages);
    sns(&moto).subscribe().topic_arn(&topic).protocol("http").endpoint(&address).send().await.unwrap();
    let sender = [("AWS_ENDPOINT_URL", moto.as_str()), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y")];
    let sender = sender.iter().fold(Scene::new(), |scene, (name, value)| scene.with(name, value));
    let file = history.scene.path("history.ndjson.zst").display().to_string();
    let sent = sender.run(&["publish", &file, "--topic", &topic, "--send-invalid"]);
    assert_eq!(sent.json["published"], messages, "{sent:?}");
    let taken = ended(listener);
    assert_eq!(taken.json["messages"], messages, "{taken:?}");
    let broken = history.of(Expectation::Quarantined);
    let found = history.prove(0, &[("quarantined_found", broken), ("oversized", history.of(Expectation::Oversized))]);
    assert_eq!(found["ingest_path"], "send-invalid");
    assert!(history.s3.store().list(BUCKET, "").iter().filter(|key| key.contains(QUARANTINE)).count() as u64 == broken);
    sns(&moto).delete_topic().topic_arn(&topic).send().await.unwrap();
    history.database.drop().await;
}
