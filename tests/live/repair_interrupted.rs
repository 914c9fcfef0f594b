//! Repairs that are killed, disconnected or concurrent: no partial change, every change has its undo line, and another run
//! completes the repair.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection as _, Executor as _};
use testkit::{MARIADB, MYSQL, PREFIX, Server};

use crate::store_state::{REPAIR, State, Stores, UNDO, ended, holding, repaired, rows};

/// Returns the ids and keys in complete lines of an undo file.
fn recorded(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let name = |line: Value| match line["key"].as_str() {
        Some(key) => format!("{PREFIX}/{key}"),
        None => line["after"]["id_treated_data"].as_str().unwrap().to_owned(),
    };
    lines.map(name).collect()
}

/// At every moment each row and object has its old or its new value, with an undo line. Another run repairs the rest,
/// and the undo file of both runs reverts everything.
async fn a_repair_killed_at_any_moment_can_be_repeated_and_undone(server: Server, kills: u32) {
    let stores = Stores::new(server, 20, 15).await;
    let damaged = stores.damage().await;
    let mut child = stores.scene.start(&REPAIR);
    stores.wait_for_undo(&mut child);
    let started = Instant::now();
    child.wait().unwrap();
    let length = started.elapsed();
    let repaired = stores.state().await;
    stores.is_clean();
    stores.scene.run(&UNDO).expect(0, &[("modified_since", 0)]);
    assert!(stores.state().await == damaged);
    let mut parts = 0;
    for n in 0..kills {
        stores.remove("undo.ndjson");
        let mut child = stores.scene.start(&REPAIR);
        stores.wait_for_undo(&mut child);
        std::thread::sleep(length.mul_f64(f64::from(n) / f64::from(kills)));
        child.kill().unwrap();
        child.wait().unwrap();
        // The server first finishes the work of the killed session.
        while !stores.database.sessions().await.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let now = stores.state().await;
        let changed = changed_completely_and_with_undo_entries(
            &damaged,
            &now,
            &repaired,
            &recorded(&stores.scene.path("undo.ndjson")),
        );
        parts += usize::from(changed > 0 && now != repaired);
        let ran = stores.scene.run(&REPAIR);
        assert!(ran.json["repaired"]["failed"].as_u64().unwrap_or_default() == 0, "{ran:?}");
        assert!(stores.state().await == repaired, "moment {n}: the second run ends with something else");
        let undone = stores.scene.run(&UNDO);
        assert!(matches!(undone.code, Some(0 | 1)), "{undone:?}");
        assert_eq!(
            (&undone.json["modified_since"], &undone.json["not_processed"]),
            (&0.into(), &0.into()),
            "{undone:?}"
        );
        assert!(stores.state().await == damaged, "moment {n}: not all is as it was");
    }
    assert!(parts >= 2, "only {parts} kills came while it was changing things");
    stores.database.drop().await;
}

/// Asserts that each row and object has its old or its new value, and an undo line if it has the new one. Returns the
/// number of new values.
fn changed_completely_and_with_undo_entries(was: &State, is: &State, due: &State, lines: &BTreeSet<String>) -> usize {
    let mut changed = 0;
    for id in was.rows.keys().chain(due.rows.keys()).collect::<BTreeSet<_>>() {
        let [was, is, due] = [was, is, due].map(|state| state.rows.get(id));
        assert!(is == was || is == due, "half repaired: {is:?}");
        assert!(is == was || lines.contains(id), "{id} was changed without its line");
        changed += usize::from(is != was);
    }
    for key in due.objects.keys() {
        let [was, is, due] = [was, is, due].map(|state| state.objects.get(key));
        assert!(is == was || is == due, "{key} is half written");
        assert!(is == was || lines.contains(key), "{key} was written without its line");
        changed += usize::from(is != was);
    }
    assert!(
        is.rows.keys().all(|id| due.rows.contains_key(id))
            && is.objects.keys().all(|key| due.objects.contains_key(key))
    );
    changed
}

/// The connection is closed during the transaction, which waits for another session's lock.
async fn a_disconnected_repair_reports_an_error_or_continues(server: Server) {
    let stores = Stores::new(server, 10, 10).await;
    let damaged = stores.damage().await;
    let id = damaged.rows.keys().nth(30).unwrap();
    let lock = format!("SELECT * FROM historico_consumo WHERE id_treated_data = '{id}' FOR UPDATE");
    let mut other = holding(&stores.database, &lock).await;
    let own = stores.database.sessions().await;
    let mut child = stores.scene.start(&[&REPAIR[..], &["--output", "json"]].concat());
    stores.wait_for_undo(&mut child);
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(300));
        for session in stores.database.sessions().await.into_iter().filter(|session| !own.contains(session)) {
            stores.database.kill(session).await;
        }
    }
    let between = rows(&stores.database).await;
    assert!(between == damaged.rows, "a transaction that was cut off left something");
    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    let ran = ended(child);
    match ran.code {
        Some(1) => assert_eq!(repaired(&ran, "failed"), 0, "{ran:?}"),
        Some(3) => assert!(ran.json["repaired"]["stopped"].is_string(), "{ran:?}"),
        _ => panic!("{ran:?}"),
    }
    stores.scene.run(&REPAIR);
    stores.is_clean();
    stores.scene.run(&UNDO).expect(0, &[("modified_since", 0)]);
    assert!(stores.state().await == damaged);
    stores.database.drop().await;
}

async fn two_repairs_at_once_end_with_the_right_values(server: Server) {
    let stores = Stores::new(server, 10, 10).await;
    let damaged = stores.damage().await;
    stores.scene.run(&REPAIR).expect(1, &[]);
    stores.is_clean();
    let repaired = stores.state().await;
    stores.scene.run(&UNDO).expect(0, &[]);
    for _ in 0..3 {
        let both = ["one", "two"].map(|file| {
            stores.scene.start(&["reconcile", "--repair", "both", "--undo-file", file, "--output", "json"])
        });
        let both = both.map(ended);
        assert!(both.iter().all(|ran| matches!(ran.code, Some(0 | 1))), "{both:#?}");
        let (now, outcomes) = (stores.state().await, both.map(|ran| ran.json));
        assert_eq!(now.other_rows(&repaired), Vec::<String>::new(), "{outcomes:#?}");
        assert_eq!(now.other_objects(&repaired), Vec::<String>::new(), "{outcomes:#?}");
        stores.is_clean();
        for file in ["one", "two"].into_iter().filter(|file| stores.scene.path(file).exists()) {
            stores.scene.run(&["undo", file]).expect(0, &[("modified_since", 0)]);
            stores.remove(file);
        }
        assert!(stores.state().await == damaged);
    }
    stores.database.drop().await;
}

on_both! {
    a_disconnected_repair_reports_an_error_or_continues: live_mysql_a_disconnected_repair_reports_an_error_or_continues, live_mariadb_a_disconnected_repair_reports_an_error_or_continues;
    two_repairs_at_once_end_with_the_right_values: live_mysql_two_repairs_at_once_end_with_the_right_values, live_mariadb_two_repairs_at_once_end_with_the_right_values;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_repair_killed_at_any_moment_can_be_repeated_and_undone() {
    a_repair_killed_at_any_moment_can_be_repeated_and_undone(MYSQL, 12).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_repair_killed_at_any_moment_can_be_repeated_and_undone() {
    a_repair_killed_at_any_moment_can_be_repeated_and_undone(MARIADB, 6).await;
}
