//! Files of a run in shards: the plan and its shards, outcomes of shards, exchange files.

use pipeline::lake::memory::Memory;
use ruminate::fleet::{Run, RunStore, exchange_entries, read_outcome};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

use crate::engine::{Target, Verdict, check_reason, ensure, same};
use crate::outcomes::lost;

/// Line between the plan and its shards in an input.
const BETWEEN: &str = "\n---\n";

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    pipeline::hex::hex(&Sha256::digest(bytes))
}

/// Returns the plan of a job with two shards.
fn plan(job: &str, settings: &Value, shards: &[Value]) -> Vec<u8> {
    let warehouse = json!({
        "warehouse": "sqlite:/w.db", "warehouse_identity": "sqlite:/w.db table historico_consumo", "table": "historico_consumo",
        "columns": {"id_treated_data": "VARCHAR(255)", "peso_medio": "FLOAT"}, "lake": "/lake", "lake_identity": "/lake",
    });
    let listing = json!({
        "source": "list", "objects": 3, "bytes": 1200, "by_day": 1, "strays": 0, "first_day": "2023-01-01",
        "last_day": "2023-01-02", "classes": {"STANDARD": {"objects": 3, "bytes": 1200, "restored": 0, "archived": 0}}, "list_requests": 4,
        "get_requests": 3, "request_cost_usd": "0.0001",
    });
    let plan = json!({
        "format": 1, "program": env!("CARGO_PKG_VERSION"), "job": job, "settings": settings, "stores": warehouse,
        "cutoff": "2026-11-22T18:49:03Z", "listing": listing, "shards": shards.len(), "shards_sha256": "",
    });
    let lines: String = shards.iter().map(|shard| format!("{shard}\n")).collect();
    format!("{plan:#}{BETWEEN}{lines}").into_bytes()
}

fn plans() -> Vec<Vec<u8>> {
    let middle = "01856aa0-c7ff-8fff-bfff-ffffffffffff";
    let range = |shard: u32, after: Option<&str>, until: Option<&str>, from: Option<&str>, before: Option<&str>| {
        json!({"shard": shard, "after": after, "until": until, "from": from, "before": before, "strays": shard == 0,
            "objects": 2, "bytes": 600})
    };
    let ranges = [
        range(0, None, Some(middle), None, Some("2023-01-02")),
        range(1, Some(middle), None, Some("2023-01-02"), None),
    ];
    let months = |shard: u32, month: &str| json!({"shard": shard, "months": [{"month": month, "farm": "fazenda_um"}], "strays": shard == 0, "objects": 1, "bytes": 9});
    let replay = json!({
        "farms": ["fazenda_um"], "from": "2023-01-01", "to": null, "processed_until": null, "data_from": null, "data_to": null,
        "parts": "auto", "verify": true, "allow_empty": false, "rows_per_second": 500, "shards_at_once": 2,
        "command": "ruminate plan replay",
    });
    let options = serde_json::to_value(ruminate::reconcile::AuditOptions::default()).unwrap();
    let audit = json!({
        "options": options, "quick": false, "tolerances": ["peso_medio=0.01"], "max_drift": "0.5%", "parts": "never",
        "allow_empty": true,
    });
    let compact = json!({
        "farms": [], "from": null, "to": null, "bodies": "keep", "verification": "sample", "on_deleted": "hold",
        "allow_empty": false, "command": "ruminate plan compact",
    });
    vec![
        plan("replay", &replay, &ranges),
        plan("reconcile", &audit, &ranges),
        plan("compact", &compact, &[months(0, "2022-12"), months(1, "2023-01")]),
    ]
}

const WORDS: &[&str] = &[
    "\"new_setting\": 1,",
    "\"format\": 2,",
    "\"program\": \"9.9.9\",",
    "\"shards\": 4294967295,",
    "\"months\":[],",
    "\"strays\":true,",
    "\"after\":\"01856aa0-c800-883a-837a-29fe66bbec99\",",
    "\"max_drift\": \"1e-9%\",",
    "null",
    "\n---\n",
];

/// Completes a plan with its checksums, as if another program wrote it. One in ten keeps others.
fn seal(bytes: Vec<u8>, rng: &mut fastrand::Rng) -> Vec<u8> {
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (plan, shards) = text.split_once(BETWEEN).unwrap_or((&text, ""));
    let Ok(mut plan) = serde_json::from_str::<Value>(plan) else { return text.into_bytes() };
    if rng.u8(..10) > 0
        && let Some(plan) = plan.as_object_mut()
    {
        plan.insert("shards_sha256".into(), sha256(shards.as_bytes()).into());
    }
    let id = sha256(plan.to_string().as_bytes());
    format!("{}{BETWEEN}{shards}", json!({"plan_id": id, "plan": plan})).into_bytes()
}

fn store(files: &[(&str, &[u8])]) -> RunStore {
    let memory = Memory::default();
    for (name, content) in files {
        memory.overwrite(name, content.to_vec());
    }
    RunStore::new(Arc::new(memory))
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.windows(BETWEEN.len()).position(|part| part == BETWEEN.as_bytes());
    at.map_or((bytes, b""), |at| (&bytes[..at], &bytes[at + BETWEEN.len()..]))
}

#[test]
fn a_plan_is_read_completely_or_rejected() {
    let name = "runs::a_plan_is_read_completely_or_rejected";
    let runtime = runtime();
    Target { words: WORDS, seal, ..Target::new(name, 3_000, plans()) }.run(|bytes| {
        let (plan, shards) = split(bytes);
        let open = || {
            runtime
                .block_on(Run::open(store(&[("plan.json", plan), ("shards.jsonl", shards)])))
                .map_err(|e| format!("{e:#}"))
        };
        let shown = |run: &Result<Run, String>| {
            run.as_ref().map(|run| (json!(run.plan), run.shards.clone())).map_err(Clone::clone)
        };
        let run = open();
        same("opened again", &shown(&open()), &shown(&run))?;
        match run {
            Ok(run) => opened(&run, plan, shards).map(|()| true),
            Err(why) => {
                let given: Value = serde_json::from_slice(plan).unwrap_or_default();
                let format = given.pointer("/plan/format").and_then(Value::as_u64);
                let is_other = format.is_some_and(|format| format != 1) && given["plan_id"].is_string();
                ensure(!is_other || why.contains("version"), || {
                    format!("format {format:?} is rejected because {why}")
                })?;
                check_reason(&why).map(|()| false)
            }
        }
    });
}

#[test]
fn a_plan_with_a_setting_of_another_version_is_rejected() {
    let plan = String::from_utf8(plans().swap_remove(0)).unwrap();
    let newer = plan.replacen("\"settings\": {", "\"settings\": { \"new_setting\": 1,", 1);
    assert_ne!(plan, newer);
    let mut rng = fastrand::Rng::with_seed(7);
    for (plan, is_known) in [(plan, true), (newer, false)] {
        let sealed = seal(plan.into_bytes(), &mut rng);
        let (plan, shards) = split(&sealed);
        let run = runtime().block_on(Run::open(store(&[("plan.json", plan), ("shards.jsonl", shards)])));
        let why = run.map(drop).map_err(|e| format!("{e:#}"));
        assert_eq!(why.is_ok(), is_known, "{why:?}");
        assert!(is_known || why.unwrap_err().contains("settings.new_setting"));
    }
}

/// Checks that nothing of an accepted plan was ignored.
fn opened(run: &Run, plan: &[u8], shards: &[u8]) -> Result<(), String> {
    let given: Value = serde_json::from_slice(plan).map_err(|e| e.to_string())?;
    let read = serde_json::to_value(&run.plan).map_err(|e| e.to_string())?;
    ensure(lost(&given["plan"], &read, String::new()).is_none(), || {
        format!("the plan was read without {:?}", lost(&given["plan"], &read, String::new()))
    })?;
    let lines = shards.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for (line, shard) in lines.zip(&run.shards) {
        let given: Value = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        let read = serde_json::to_value(shard).map_err(|e| e.to_string())?;
        let path = lost(&given, &read, String::new());
        ensure(path.is_none(), || format!("shard {} was read without {path:?}", shard.shard))?;
    }
    let mut last = None;
    for shard in &run.shards {
        ensure(last.is_none_or(|last: u32| last + 1 == shard.shard), || {
            format!("shard {} after {last:?}", shard.shard)
        })?;
        last = Some(shard.shard);
    }
    Ok(())
}

/// Returns the outcome of a shard.
fn outcome() -> Value {
    json!({
        "format": 1, "plan_id": "", "shard": 0,
        "result": {"files": [{"stream": "ids", "sha256": "00", "bytes": 12, "entries": 3}], "counts": {"lake_objects": 2}},
        "attempt": {"id": "0191", "source": "command_line", "started_at": "2026-11-22T18:49:03Z", "seconds": 1.5,
            "lost_snapshots": 0, "throttle": {"slow_downs": 0, "retries": 0, "min_concurrency": null}, "detail": {"a": 1}},
        "sha256": "",
    })
}

#[test]
fn the_outcome_of_a_shard_is_read_completely_or_rejected() {
    let runtime = runtime();
    let planned = plans().swap_remove(0);
    let planned = seal(planned, &mut fastrand::Rng::with_seed(7));
    let (plan, shards) = split(&planned);
    let files = [("plan.json", plan), ("shards.jsonl", shards)];
    let run = runtime.block_on(Run::open(store(&files))).unwrap();
    let sealed = |bytes: &[u8]| match serde_json::from_slice(bytes) {
        Ok(Value::Object(mut outcome)) if outcome.contains_key("sha256") => {
            outcome.remove("sha256");
            let sha256 = sha256(Value::from(outcome.clone()).to_string().as_bytes());
            outcome.insert("sha256".into(), sha256.into());
            Value::from(outcome).to_string().into_bytes()
        }
        _ => bytes.to_vec(),
    };
    let mut outcome = outcome();
    outcome["plan_id"] = run.plan_id.clone().into();
    let mut newer = outcome.clone();
    (newer["format"], newer["attempt"]) = (2.into(), "x".into());
    let corpus = [outcome, newer].map(|outcome| outcome.to_string().into_bytes()).to_vec();
    let words = &["\"new_counter\":1,", "\"format\":2,", "\"entries\":18446744073709551615,", "\"shard\":1,", "{}"];
    let name = "runs::the_outcome_of_a_shard_is_read_completely_or_rejected";
    Target { words, ..Target::new(name, 4_000, corpus) }.run(|bytes| {
        let bytes = &*sealed(bytes);
        let run = Run { store: store(&[("shards/000000/outcome.json", bytes)]), ..run.clone() };
        match runtime.block_on(read_outcome(&run, 0)) {
            Ok(found) => {
                let found = found.ok_or("an outcome that exists is not found")?;
                let given: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
                let read = serde_json::to_value(found).map_err(|e| e.to_string())?;
                let path = lost(&given, &read, String::new());
                ensure(path.is_none(), || format!("the outcome was read without {path:?}"))?;
                Ok(true)
            }
            Err(e) => {
                let why = format!("{e:#}");
                let given: Value = serde_json::from_slice(bytes).unwrap_or_default();
                let is_other = given["format"].as_u64().is_some_and(|format| format != 1);
                ensure(!is_other || why.contains("version") || why.contains("format"), || {
                    format!("format {} is rejected because {why}", given["format"])
                })?;
                check_reason(&why).map(|()| false)
            }
        }
    });
}

/// The header of an exchange file, as its bytes are.
#[derive(Serialize)]
struct Header {
    magic: [u8; 8],
    plan_id: String,
    shard: u32,
    stream: String,
    number: u32,
    entries: u64,
}

/// Returns an exchange file before its compression.
pub fn exchange_file(entries: &[&[u8]]) -> Vec<u8> {
    let header = Header {
        magic: *b"ruminat\x01",
        plan_id: "p".into(),
        shard: 3,
        stream: "ids".into(),
        number: 0,
        entries: entries.len() as u64,
    };
    let header = postcard::to_stdvec(&header).unwrap();
    let mut plain = Vec::new();
    for part in std::iter::once(&header[..]).chain(entries.iter().copied()) {
        plain.extend_from_slice(&u32::try_from(part.len()).unwrap().to_le_bytes());
        plain.extend_from_slice(part);
    }
    plain
}

#[test]
fn an_exchange_file_has_its_entries_or_is_none() {
    let corpus = vec![exchange_file(&[b"one", b"", b"three"]), exchange_file(&[])];
    let seal = |bytes: Vec<u8>, rng: &mut fastrand::Rng| {
        let mut file = zstd::encode_all(&bytes[..], 3).unwrap();
        if rng.u8(..8) == 0 {
            let at = rng.usize(..file.len());
            file[at] ^= 1 << rng.u8(..8);
        }
        file
    };
    let name = "runs::an_exchange_file_has_its_entries_or_is_none";
    Target { seal, ..Target::new(name, 8_000, corpus) }.run(exchange);
}

fn exchange(bytes: &[u8]) -> Verdict {
    let entries = exchange_entries(bytes);
    same("read again", &exchange_entries(bytes), &entries)?;
    let Some(entries) = entries else { return Ok(false) };
    let plain = zstd::decode_all(bytes).map_err(|e| e.to_string())?;
    let size: usize = entries.iter().map(|entry| entry.len() + 4).sum();
    ensure(size <= plain.len(), || format!("{size} bytes of entries in {}", plain.len()))?;
    Ok(true)
}
