//! Files of findings and expectations: drift files, baselines, truth files, journals of a publish run.

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read as _};

use ruminate::compression::open_decompressed;
use ruminate::publish::JournalFile;
use ruminate::reader::{ObjectSelection, RecordSelection};
use ruminate::reconcile::{Baseline, Drift, DriftKind};
use ruminate::truth::{self, Entry, Expectation, Totals};
use serde_json::json;

use crate::corpus::{Chunks, compressed};
use crate::engine::{Target, Verdict, check_reason, ensure, same};

const KEY: &str =
    "fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_01856aa0-c800-883a-837a-29fe66bbec99.json";
const ID: &str = "01856aa0-c800-883a-837a-29fe66bbec99";

fn drifts() -> Vec<u8> {
    let mut lines = Vec::new();
    for (at, kind) in DriftKind::ALL.into_iter().enumerate() {
        let key = (at % 3 > 0).then(|| KEY.to_owned());
        let drift = Drift::new(kind, format!("{ID}{at}"), key).with_field("peso_medio", json!(1.5), json!("1.5"));
        serde_json::to_writer(&mut lines, &drift.with_reason("why")).unwrap();
        lines.push(b'\n');
    }
    lines
}

const WORDS: &[&str] = &[
    "\"kind\":\"lake_only\",",
    "\"kind\":\"other\",",
    "\"id\":null,",
    "\"key\":\"\",",
    "\"fields\":{},",
    "\"samples\":[",
    "\"stopped\":null",
    "{\"totals\":",
    "\"ruminate_truth\":",
    "\"expect\":\"stored\",",
    "\"ids\":18446744073709551615",
    "\n\n",
];

#[test]
fn a_drift_file_selects_the_same_objects_in_chunks_of_any_size() {
    let outcome = json!({"samples": [{"kind": "lake_only", "id": ID, "key": KEY, "fields": {}}], "stopped": null, "lake_only": 1});
    let corpus = vec![drifts(), format!("{outcome:#}").into_bytes(), format!("{outcome}\n").into_bytes()];
    let name = "findings::a_drift_file_selects_the_same_objects_in_chunks_of_any_size";
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("drift.ndjson");
    Target { words: WORDS, ..Target::new(name, 4_000, corpus) }.run(|bytes| {
        std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        if let Err(e) = Baseline::read(&path) {
            check_reason(&format!("{e:#}"))?;
        }
        drift(bytes)
    });
}

fn drift(bytes: &[u8]) -> Verdict {
    let chunked = || BufReader::with_capacity(16, Chunks(Cursor::new(bytes.to_vec()), 3));
    let objects = ObjectSelection::read(bytes);
    same("objects in chunks", &ObjectSelection::read(chunked()), &objects)?;
    let records = RecordSelection::read(bytes);
    same("records in chunks", &RecordSelection::read(chunked()), &records)?;
    for why in [objects.err(), records.as_ref().err().cloned()].into_iter().flatten() {
        check_reason(&why)?;
    }
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(drift) = serde_json::from_slice::<Drift>(line) {
            let written = serde_json::to_vec(&drift).map_err(|e| e.to_string())?;
            same("a finding", &serde_json::from_slice(&written).map_err(|e| e.to_string())?, &drift)?;
        }
    }
    Ok(records.is_ok())
}

/// A truth file with every kind of line.
fn truth_file() -> Vec<u8> {
    let history = BTreeMap::from([("farms".to_owned(), "2".to_owned())]);
    let mut writer = truth::Writer::new(Vec::new(), history).unwrap();
    let id = Some(ID.parse().unwrap());
    let plain = Entry {
        file: Some("FazendaUm_Consumo_20230101.json".into()),
        line: 7,
        id,
        fault: None,
        kind: None,
        sha256: None,
        expect: Expectation::Stored,
    };
    let sha256 = Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into());
    for entry in [
        plain.clone(),
        Entry { fault: Some(truth::REPEAT.into()), line: 8, ..plain.clone() },
        Entry {
            fault: Some("malformed".into()),
            kind: Some("cut \"é\"".into()),
            id: None,
            sha256,
            expect: Expectation::Quarantined,
            ..plain.clone()
        },
        Entry { id: None, fault: Some("oversized".into()), expect: Expectation::Oversized, ..plain.clone() },
        Entry { file: None, line: 0, fault: Some("dropped".into()), expect: Expectation::Undelivered, ..plain },
    ] {
        writer.write(&entry).unwrap();
    }
    writer.finish().unwrap().1
}

#[test]
fn a_truth_file_is_the_same_after_it_was_written_again() {
    let newer =
        String::from_utf8(truth_file()).unwrap().replacen("{\"ruminate_truth\":2", "{\"ruminate_truth\":3,\"x\":1", 1);
    let name = "findings::a_truth_file_is_the_same_after_it_was_written_again";
    Target { words: WORDS, seal: compressed, ..Target::new(name, 5_000, vec![truth_file(), newer.into_bytes()]) }
        .run(truth);
}

fn truth(bytes: &[u8]) -> Verdict {
    let entries = |chunk: usize| {
        let mut entries = Vec::<String>::new();
        let open = open_decompressed(Chunks(Cursor::new(bytes.to_vec()), chunk)).map_err(|e| e.to_string())?;
        let read = truth::read(open, |entry| {
            entries.push(serde_json::to_string(entry)?);
            Ok(())
        });
        read.map(|(header, totals)| (header, totals, entries)).map_err(|e| format!("{e:#}"))
    };
    let whole = entries(usize::MAX);
    same("in chunks of 5 bytes", &entries(5), &whole)?;
    let (header, totals, lines) = match whole {
        Ok(found) => found,
        Err(why) => {
            check_version(bytes, &why)?;
            return check_reason(&why).map(|()| false);
        }
    };
    let (mut writer, mut sums) =
        (truth::Writer::new(Vec::new(), header.history.clone()).map_err(|e| e.to_string())?, Totals::default());
    for line in &lines {
        let entry: Entry<'_> = serde_json::from_str(line).map_err(|e| e.to_string())?;
        sums.add(&entry);
        writer.write(&entry).map_err(|e| e.to_string())?;
    }
    same("the totals", &sums, &totals)?;
    let (_, written) = writer.finish().map_err(|e| e.to_string())?;
    let mut again = Vec::new();
    let read = truth::read(&*written, |entry| {
        again.push(serde_json::to_string(entry)?);
        Ok(())
    });
    same("written and read again", &read.map_err(|e| format!("{e:#}"))?, &(header, totals))?;
    same("the lines", &again, &lines)?;
    Ok(true)
}

/// Checks that a file of another version is rejected because of its version, regardless of its other content.
fn check_version(bytes: &[u8], why: &str) -> Result<(), String> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = serde_json::from_slice::<serde_json::Value>(first).unwrap_or_default();
    let version = first.get("ruminate_truth").and_then(serde_json::Value::as_u64);
    let is_other = version.is_some_and(|version| version != u64::from(truth::VERSION));
    ensure(!is_other || why.contains("version"), || format!("version {version:?} is rejected because {why}"))
}

#[test]
fn a_journal_of_a_publish_run_is_the_same_after_it_was_written_again() {
    let journal = |version: u32, completed: serde_json::Value| {
        let run = json!({"topic": "local", "source": ["a.json\t12\t1", "b.json\t7\t2"]});
        json!({"ruminate_publish_journal": version, "run": run, "completed": completed}).to_string().into_bytes()
    };
    let corpus = vec![
        journal(2, json!({"below": 3, "above": {"5": 7, "9": 12}})),
        journal(2, json!({"below": 0, "above": {}})),
        journal(3, json!({"ranges": []})),
    ];
    let name = "findings::a_journal_of_a_publish_run_is_the_same_after_it_was_written_again";
    Target { words: &["\"above\":{", "\"5\":7,", "\"below\":"], ..Target::new(name, 10_000, corpus) }.run(journal_file);
}

fn journal_file(bytes: &[u8]) -> Verdict {
    match JournalFile::parse(bytes) {
        Ok(journal) => {
            journal.completed_count();
            let written = serde_json::to_vec(&journal).map_err(|e| e.to_string())?;
            let again = JournalFile::parse(&written).map_err(|e| format!("written and rejected: {e:#}"))?;
            same("written and read again", &again, &journal)?;
            Ok(true)
        }
        Err(e) => check_reason(&format!("{e:#}")).map(|()| false),
    }
}

#[test]
fn decompressed_content_is_the_same_in_chunks_of_any_size() {
    let lines: Vec<Vec<u8>> = vec![drifts(), truth_file(), b"{}".to_vec()];
    let name = "findings::decompressed_content_is_the_same_in_chunks_of_any_size";
    Target { seal: |bytes, rng| compressed(compressed(bytes, rng), rng), ..Target::new(name, 5_000, lines) }.run(
        |bytes| {
            let content = |chunk: usize| {
                let mut content = Vec::new();
                let read = open_decompressed(Chunks(Cursor::new(bytes.to_vec()), chunk))
                    .and_then(|mut input| input.read_to_end(&mut content));
                (read.map_err(|e| e.to_string()).map(drop), content)
            };
            let (whole, chunks) = (content(usize::MAX), content(3));
            same("its end in chunks of 3 bytes", &chunks.0, &whole.0)?;
            // Damage is found earlier if more is decompressed at once.
            let is_prefix = chunks.1.starts_with(&whole.1);
            ensure(is_prefix && (whole.0.is_err() || chunks.1.len() == whole.1.len()), || {
                "the content differs".into()
            })?;
            Ok(whole.0.is_ok())
        },
    );
}
