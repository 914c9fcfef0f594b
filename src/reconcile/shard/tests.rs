//! Tests that shards have the result of a single audit, with in-memory stores.

use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

use super::*;
use crate::cancellation::CancellationToken;
use crate::exchange::memory::Memory;
use crate::job_range::JobRange;
use crate::job_range::{DayLimits, IdLimits, ids_of};
use crate::progress::Progress;
use crate::reconcile::tests::{Scene, record};
use crate::reconcile::{Audit, Drift, DriftWriter, run};
use pipeline::lake::Key;
use pipeline::lake::{Lake, Span};
use pipeline::record::{Record, RecordId};

/// Runs an audit in shards that end with these ids and days.
async fn in_shards(audit: &Audit, ends: &[(u128, NaiveDate)], order: &[usize]) -> (Outcome, Vec<Drift>, Memory) {
    let (exchange, cutoff) = (Memory::default(), Utc::now());
    let mut limits = vec![(None, None)];
    limits.extend(ends.iter().map(|(id, day)| (Some(Uuid::from_u128(*id)), Some(*day))));
    limits.push((None, None));
    let ranges: Vec<JobRange> = limits
        .windows(2)
        .enumerate()
        .map(|(at, limits)| JobRange {
            ids: IdLimits { after: limits[0].0, until: limits[1].0 },
            days: DayLimits { from: limits[0].1, before: limits[1].1 },
            strays: at == 0,
        })
        .collect();
    let mut is_done = vec![false; ranges.len()];
    for at in order.iter().copied().filter(|at| *at < ranges.len()).chain(0..ranges.len()) {
        if !std::mem::replace(&mut is_done[at], true) {
            let shard = AuditShard { range: ranges[at].clone(), cutoff };
            let to = exchange.shard(u32::try_from(at).unwrap());
            let (silent, cancel) = (Progress::Silent, CancellationToken::default());
            judge_shard(audit, &shard, to, &silent, &cancel).await.unwrap().unwrap();
        }
    }
    let shards = Shards {
        ranges: ranges.iter().map(|range| range.ids).collect(),
        exchange: &exchange,
        cutoff,
        lost_snapshots: 0,
    };
    let sink = DriftWriter::new(None).unwrap();
    let (outcome, sink) =
        combine(audit, &shards, sink, &Progress::Silent, &CancellationToken::default()).await.unwrap();
    let found =
        sink.finish(&audit.sort).unwrap().read().unwrap().map(|finding| Drift::from(&finding.unwrap())).collect();
    (outcome, found, exchange)
}

/// Asserts that shards have the result of a single audit, in JSON and finding by finding.
async fn assert_same(audit: &Audit, ends: &[(u128, NaiveDate)], order: &[usize]) -> (Outcome, Memory) {
    let sink = DriftWriter::new(None).unwrap();
    let (single, sink) = run(audit, sink, &Progress::Silent, &CancellationToken::default()).await.unwrap();
    let found = sink.finish(&audit.sort).unwrap();
    let found = found.read().unwrap().map(|finding| Drift::from(&finding.unwrap())).collect::<Vec<_>>();
    let (combined, found_in_shards, exchange) = in_shards(audit, ends, order).await;
    assert_eq!(found_in_shards, found, "the same findings in the same order");
    let json = |mut outcome: Outcome| {
        (outcome.run, outcome.cutoff, outcome.seconds) = (Default::default(), None, 0.0);
        outcome.from_parts = None; // the command adds the shards
        serde_json::to_value(&outcome).unwrap()
    };
    assert_eq!(json(combined.clone()), json(single));
    (combined, exchange)
}

fn id(record: &Record) -> u128 {
    let RecordId::Uuid(bytes) = RecordId::new(&record.id_treated_data) else { panic!() };
    u128::from_be_bytes(bytes)
}

/// Returns the end of the day of a record, as an id, and the next day.
fn end_of_day(record: &Record) -> (u128, NaiveDate) {
    let day = record.reading.data.date_naive().succ_opt().unwrap();
    let midnight = day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_millis();
    (ids_of(u64::try_from(midnight).unwrap() - 1).1, day)
}

/// Returns the limits of five shards. The day of record `n` is `n % 30 + 1` of January.
fn cuts() -> Vec<(u128, NaiveDate)> {
    let mut cuts = vec![end_of_day(&record(9)), end_of_day(&record(19)), end_of_day(&record(24))];
    // The 15th is divided in the middle of one millisecond.
    let middle = record(14);
    cuts.insert(1, (id(&middle), middle.reading.data.date_naive()));
    cuts
}

async fn scene() -> Scene {
    let scene = Scene::new().await;
    for n in 0..1_000 {
        scene.object(&record(n));
        scene.row(&record(n));
    }
    scene
}

#[tokio::test]
async fn clean_stores_leave_nothing_and_need_no_natural_keys_of_undivided_days() {
    let scene = scene().await;
    let (outcome, exchange) = assert_same(&scene.audit(), &cuts(), &[3, 1]).await;
    assert_eq!(outcome[crate::reconcile::Counter::Matched], 1_000);
    for stream in ["objects", "rows", "rechecked", "findings"] {
        assert_eq!(exchange.count(stream), 0, "{stream}");
    }
    assert_eq!((exchange.count("judged"), exchange.count("naturals")), (1_000, 1_000));
}

/// Evidence of one id in two shards, in every way: the result of the shard with the id in its range is withdrawn.
#[tokio::test]
async fn an_object_in_another_part_withdraws_the_result_of_its_id() {
    let scene = scene().await;
    let elsewhere = |of: &Record, day: &Record| {
        let path = Key { day: day.reading.data.date_naive(), ..Key::of(of).unwrap() };
        path.to_string()
    };
    // A copy in the path of another day, with the same values and with other values.
    scene.object_at(&elsewhere(&record(10), &record(29)), &record(10));
    let mut other = record(20);
    other.reading.quantidade_animais += 1;
    scene.object_at(&elsewhere(&record(20), &record(29)), &other);
    // A legacy name, which precedes the canonical one in key order and fits the record.
    let legacy = Key { id: None, ..Key::of(&record(600)).unwrap() };
    scene.object_at(&legacy.to_string(), &other_values(&record(600)));
    // An object that was overwritten with the record of another shard.
    scene.object_at(&Key::of(&record(700)).unwrap().to_string(), &record(30));
    // A copy of a differing id, and of an id without a row.
    scene.row(&other_values(&record(40)));
    scene.object_at(&elsewhere(&record(40), &record(800)), &record(40));
    // An unreadable object with the name of another shard's id.
    scene.lake.overwrite(&elsewhere(&record(50), &record(29)), b"{".to_vec());
    for cuts in [cuts(), vec![], cuts()[..1].to_vec()] {
        assert_same(&scene.audit(), &cuts, &[2]).await;
    }
    assert_same(&Audit { quick: true, ..scene.audit() }, &cuts(), &[2]).await;
}

fn other_values(record: &Record) -> Record {
    let mut other = record.clone();
    other.reading.dia_confinamento += 1;
    other
}

/// Extremes of a month belong to an id whose result is withdrawn: the other ids have another minimum and maximum.
#[tokio::test]
async fn totals_do_not_keep_the_values_of_a_withdrawn_result() {
    let scene = scene().await;
    let mut heavy = record(10);
    heavy.reading.peso_medio = 900.0;
    scene.object(&heavy);
    scene.row(&heavy);
    let legacy = Key { id: None, ..Key::of(&heavy).unwrap() };
    scene.object_at(&legacy.to_string(), &record(10));
    let mut cuts = cuts();
    cuts.insert(0, (id(&heavy) - 1, heavy.reading.data.date_naive()));
    cuts.sort();
    assert_same(&scene.audit(), &cuts, &[]).await;
}

#[tokio::test]
async fn one_natural_key_is_found_in_any_two_parts_and_in_one() {
    let scene = scene().await;
    let variant = |n: u32, id: &str| {
        let mut variant = other_values(&record(n));
        variant.id_treated_data = id.to_owned();
        variant
    };
    // Natural keys of a legacy lake, in another shard, in the same shard, on one side only, and of a divided
    // millisecond.
    let random = variant(120, "0f856aa0-c800-483a-837a-29fe66bbec99");
    scene.object_at("fazenda_dois/2025/06/01/historico_consumo_2025-06-01 12:00:00.500.json", &random);
    scene.row(&random);
    for n in [130, 131, 494] {
        for hash in ["0000", "ffff"] {
            let id = record(n).id_treated_data;
            let variant = variant(n, &format!("{}-8{}-bfff-ffffffffffff", &id[..13], &hash[1..]));
            scene.object(&variant);
            scene.row(&variant);
        }
    }
    let one_sided = variant(140, "f0856aa0-c800-483a-837a-29fe66bbec99");
    scene.row(&one_sided);
    let (outcome, _) = assert_same(&scene.audit(), &cuts(), &[4, 0]).await;
    assert_eq!(outcome[crate::reconcile::Counter::LogicalDuplicates], 8);
}

/// Only all shards together show the date that the paths of legacy names follow.
#[tokio::test]
async fn a_window_is_that_of_the_complete_lake() {
    let scene = scene().await;
    for n in 0..40 {
        let mut legacy = record(n);
        legacy.id_treated_data = format!("{:08x}-0000-4000-8000-000000000000", n * 0x0600_0000);
        legacy.row_ts = record(900).reading.data + TimeDelta::hours(1);
        legacy.reading.id_lote = format!("{n}");
        let day = if n == 0 { legacy.reading.data } else { legacy.row_ts };
        let at = day.format("%Y/%m/%d/historico_consumo_%Y-%m-%d %H:%M:%S");
        scene.object_at(&format!("fazenda_dois/{at}.{n:03}.json"), &legacy);
        scene.row(&legacy);
    }
    for (from, to) in [(0, 120), (100, 500), (900, 901), (300, 950)] {
        let day = |n: u32| Some(record(n).reading.data.date_naive());
        let span = Span { from: day(from), to: day(to), ..Span::default() };
        assert_same(&Audit { span, ..scene.audit() }, &cuts(), &[1]).await;
    }
    let span = Span { farms: [record(1).reading.slug()].into(), ..Span::default() };
    assert_same(&Audit { span, ..scene.audit() }, &cuts(), &[1]).await;
}

#[tokio::test]
async fn one_sided_ids_spellings_and_unrecognized_names_are_joined() {
    let scene = scene().await;
    for n in 1_000..1_010 {
        scene.object(&record(n));
    }
    for n in 1_010..1_020 {
        scene.row(&record(n));
    }
    let mut upper = record(1_000);
    upper.id_treated_data = upper.id_treated_data.to_uppercase();
    scene.row(&upper);
    scene.lake.overwrite("notes.txt", b"x".to_vec());
    scene.lake.overwrite("a/2024/13/01/notes.txt", b"x".to_vec());
    let partition = Key::of(&record(500)).unwrap().to_string();
    let (folder, _) = partition.rsplit_once('/').unwrap();
    scene.lake.overwrite(&format!("{folder}/notes.txt"), b"x".to_vec());
    scene.lake.overwrite(&Key::of(&record(501)).unwrap().to_string(), b"{}".to_vec());
    scene.lake.overwrite(&Key::of(&record(1)).unwrap().to_string(), b"{".to_vec());
    let mut broken = record(2);
    broken.consumo_meta *= 1.5;
    scene.object(&broken);
    scene.row(&broken);
    let misfiled = Key { farm: "fazenda_alheia".into(), ..Key::of(&record(3)).unwrap() };
    scene.object_at(&misfiled.to_string(), &record(3));
    for cuts in [cuts(), vec![]] {
        assert_same(&scene.audit(), &cuts, &[]).await;
        assert_same(&Audit { quick: true, ..scene.audit() }, &cuts, &[]).await;
    }
    let tolerances = vec!["quantidade_animais=5".parse().unwrap()];
    assert_same(&Audit { tolerances, lake: Arc::clone(&scene.lake) as Arc<dyn Lake>, ..scene.audit() }, &cuts(), &[])
        .await;
}
