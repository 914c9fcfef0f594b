//! Replays in shards: all rows are those of a single replay.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testkit::Scene;

use super::{Lake, Order, damaged, plan, run_all};
use crate::store_state;

/// Empties the warehouse, and returns the rows of a replay.
fn emptied(scene: &Scene) {
    scene.sql("DELETE FROM historico_consumo");
}

fn counts(json: &serde_json::Value) -> BTreeMap<String, u64> {
    let names = ["listed", "inserted", "identical", "conflicting", "rejected", "archived", "unreadable", "skipped"];
    names.iter().map(|name| ((*name).to_owned(), json[*name].as_u64().unwrap())).collect()
}

#[test]
fn the_rows_of_a_replay_in_shards_are_those_of_a_single_one() {
    for (lake, orders) in [
        (Lake::New, &[Order::Ascending, Order::Shuffled, Order::Killed][..]),
        (Lake::Legacy, &[Order::Shuffled]),
        (Lake::Mixed, &[Order::Ascending, Order::Killed]),
    ] {
        let scene = damaged(lake, (2, 12, 20), 2);
        emptied(&scene);
        let single = scene.run(&["replay"]);
        single.expect(1, &[]);
        let rows = store_state::rows(&scene);
        assert!(rows.len() > 300);
        for (n, order) in orders.iter().enumerate() {
            for shards in [1, 7] {
                emptied(&scene);
                let run = format!("run{n}-{shards}");
                plan(&scene, "replay", &run, shards, &["--verify"]);
                run_all(&scene, &run, shards, *order);
                let merged = scene.run(&["merge", &run]);
                merged.expect(1, &[("mismatched", 0)]);
                assert!(store_state::rows(&scene) == rows, "{lake:?} {order:?} {shards}");
                let (one, other) = (counts(&single.json), counts(&merged.json));
                if *order == Order::Killed {
                    // Rows of a killed attempt are identical for the next one, unless its journal has them.
                    assert_eq!(one["listed"], other["listed"]);
                    assert_eq!(one["inserted"] + one["identical"], other["inserted"] + other["identical"]);
                } else {
                    assert_eq!(one, other, "{lake:?} {order:?} {shards}");
                }
            }
        }
    }
}

#[test]
fn merging_twice_changes_nothing_and_a_second_run_finds_all_rows() {
    let scene = damaged(Lake::Mixed, (2, 12, 20), 1);
    emptied(&scene);
    plan(&scene, "replay", "run", 3, &[]);
    run_all(&scene, "run", 3, Order::EachTwice);
    let first = scene.run(&["merge", "run"]);
    let rows = store_state::rows(&scene);
    let second = scene.run(&["merge", "run"]);
    assert_eq!(first.code, second.code);
    assert_eq!(second.json["shards"]["count"], 3);
    assert!(second.json["seconds"].as_f64() >= second.json["shards"]["longest_seconds"].as_f64());
    let text = scene.text(&["merge", "run", "--report", "merged.html"]).stdout;
    assert!(text.lines().next().unwrap().contains(" objects in 3 shards of "), "{text}");
    let page = std::fs::read_to_string(scene.path("merged.html")).unwrap();
    assert!(page.contains("ruminate plan replay") && !page.contains("The whole run"));
    assert!(store_state::rows(&scene) == rows);
    plan(&scene, "replay", "again", 3, &[]);
    run_all(&scene, "again", 3, Order::Ascending);
    let again = scene.run(&["merge", "again"]);
    again.expect(1, &[("inserted", 0)]);
    assert!(store_state::rows(&scene) == rows);
}

#[test]
fn a_shard_gets_its_share_of_the_rate() {
    let scene = super::stores(Lake::New, (2, 20, 20));
    emptied(&scene);
    let planned = plan(&scene, "replay", "run", 4, &["--rows-per-second", "200", "--shards-at-once", "2"]);
    let objects = planned["listing"]["objects"].as_u64().unwrap();
    let started = Instant::now();
    super::shard(&scene, "run", 1);
    // A quarter of the rows at 100 rows per second; the first batch does not wait.
    let due = objects as f64 / 4.0 / 100.0 - 1.0;
    assert!(
        started.elapsed() > Duration::from_secs_f64(due),
        "{:?} for {objects} objects, due {due}",
        started.elapsed()
    );
}

#[test]
fn flags_of_an_audit_are_refused_for_a_replay() {
    let scene = super::stores(Lake::New, (1, 4, 4));
    plan(&scene, "replay", "run", 2, &[]);
    for flags in [&["--evidence", "e"][..], &["--drift", "d"], &["--repair", "both"]] {
        let ran = scene.run(&[&["merge", "run"], flags].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains("this run is a replay"), "{ran:#?}");
    }
}
