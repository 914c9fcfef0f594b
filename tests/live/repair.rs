//! Repair and undo on real servers: exact to the bit, and never over concurrent changes.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _};
use testkit::s3::{Fault, Injected, Op};
use testkit::{BUCKET, PREFIX, Server};

use crate::store_state::{REPAIR, Stores, UNDO, ended, holding, nudge, repaired, rows, weights_in};

async fn a_thousand_last_bits_are_repaired_and_restored(server: Server) {
    let stores = Stores::new(server, 40, 15).await;
    let (scene, database) = (&stores.scene, &stores.database);
    let ids = database.ids().await;
    let whole = rows(database).await;
    nudge(database, &ids[..1_000]).await;
    let damaged = rows(database).await;
    assert_eq!(damaged.iter().filter(|(id, row)| whole[*id] != **row).count(), 1_000);
    let ran = scene.run(&["reconcile", "--repair", "warehouse", "--undo-file", "undo.ndjson"]);
    ran.expect(1, &[("differing", 1_000)]);
    assert_eq!((repaired(&ran, "updated"), repaired(&ran, "verified"), repaired(&ran, "failed")), (1_000, 1_000, 0));
    let repaired_rows = rows(database).await;
    assert!(repaired_rows == whole, "not every bit came back");
    for (id, weights) in weights_in(&stores.s3) {
        let row = &repaired_rows[&id];
        assert_eq!([&row[4], &row[5], &row[8], &row[9]], [&weights[0], &weights[1], &weights[2], &weights[3]], "{id}");
    }
    stores.is_clean();
    scene.run(&UNDO).expect(0, &[("restored", 1_000), ("modified_since", 0)]);
    assert!(rows(database).await == damaged, "not every bit was given back");
    scene.run(&UNDO).expect(0, &[("restored", 0), ("already_restored", 1_000)]);
    stores.database.drop().await;
}

/// Servers find `ABC` under `abc`: the row gets the lake's spelling, and undo restores its own.
async fn ids_in_capitals_are_repaired_and_restored(server: Server) {
    let stores = Stores::new(server, 5, 5).await;
    let (scene, database) = (&stores.scene, &stores.database);
    let whole = rows(database).await;
    let capitals =
        "UPDATE historico_consumo SET id_treated_data = UPPER(id_treated_data) WHERE cod_cliente = 'FazendaUm'";
    let changed = database.run(capitals).await;
    assert!(changed > 10);
    let damaged = rows(database).await;
    let ran = scene.run(&REPAIR);
    ran.expect(1, &[("differing", changed), ("lake_only", 0), ("warehouse_only", 0)]);
    assert_eq!((repaired(&ran, "updated"), repaired(&ran, "verified")), (changed, changed));
    assert!(rows(database).await == whole);
    stores.is_clean();
    scene.run(&UNDO).expect(0, &[("restored", changed)]);
    assert!(rows(database).await == damaged);
    scene.run(&UNDO).expect(0, &[("restored", 0), ("already_restored", changed), ("modified_since", 0)]);
    assert!(rows(database).await == damaged);
    stores.database.drop().await;
}

/// Tables with other column types: every value is repaired and restored, regardless of its type.
async fn columns_of_every_type_are_repaired_and_restored(server: Server) {
    let stores = Stores::new(server, 5, 6).await;
    let (scene, database) = (&stores.scene, &stores.database);
    let columns = [
        "id_treated_data CHAR(36) NOT NULL",
        "id_raca VARCHAR(99) CHARACTER SET latin1",
        "id_lote TEXT",
        "peso_entrada DOUBLE",
        "peso_medio DECIMAL(12,6)",
        "quantidade_animais SMALLINT",
        "consumo_real FLOAT(9,3)",
        "consumo_meta DOUBLE(14,5)",
        "row_ts TIMESTAMP(6) NULL",
        "data DATETIME(3)",
    ];
    database.run(&format!("ALTER TABLE historico_consumo MODIFY {}", columns.join(", MODIFY "))).await;
    database.run("TRUNCATE TABLE historico_consumo").await;
    scene.run(&["replay"]).expect(0, &[("inserted", stores.count)]);
    stores.is_clean();
    let whole = rows(database).await;
    let of = |day: u32| format!("WHERE data = '2024-01-0{day}'");
    let sets = [
        "peso_entrada = peso_entrada * 1.0000000000000003e0",
        "peso_medio = peso_medio + 0.000001, consumo_meta = consumo_meta - 0.00002",
        "consumo_real = consumo_real + 0.002, row_ts = row_ts - INTERVAL 1 HOUR, id_raca = CONCAT(id_raca, ' \u{e7}')",
        "id_raca = NULL, peso_medio = NULL, row_ts = NULL, consumo_real = NULL, id_lote = CONCAT(id_lote, '\u{1f404} ')",
        "peso_entrada = -1.7976931348623157e308, consumo_meta = 0.00001, quantidade_animais = -7",
    ];
    let mut changed = 0;
    for (day, set) in (1..).zip(sets) {
        changed += database.run(&format!("UPDATE historico_consumo SET {set} {}", of(day))).await;
    }
    changed += database.run(&format!("DELETE FROM historico_consumo {}", of(6))).await;
    assert!(changed > stores.count / 2);
    let damaged = rows(database).await;
    let ran = scene.run(&REPAIR);
    assert_eq!((repaired(&ran, "verified"), repaired(&ran, "failed")), (changed, 0), "{ran:?}");
    assert!(rows(database).await == whole, "not every bit came back");
    stores.is_clean();
    scene.run(&UNDO).expect(0, &[("restored", changed), ("modified_since", 0)]);
    assert!(rows(database).await == damaged, "not every bit was given back");
    scene.run(&UNDO).expect(0, &[("already_restored", changed), ("restored", 0)]);
    stores.database.drop().await;
}

/// Dates that do not exist, which a server without strict mode stores: each is a finding, and repairable.
async fn dates_that_do_not_exist_are_found_and_repaired(server: Server) {
    let stores = Stores::new(server, 5, 3).await;
    let (scene, database) = (&stores.scene, &stores.database);
    let whole = rows(database).await;
    let mut lax = sqlx::MySqlConnection::connect(&database.url()).await.unwrap();
    lax.execute("SET SESSION sql_mode = ''").await.unwrap();
    let ids = database.ids().await;
    for (id, date) in ids.iter().zip(["0000-00-00", "2024-00-00", "2024-01-00 01:02:03"]) {
        let sql = format!("UPDATE historico_consumo SET data = '{date}' WHERE id_treated_data = '{id}'");
        assert_eq!(lax.execute(sqlx::AssertSqlSafe(sql)).await.unwrap().rows_affected(), 1);
    }
    scene.run(&["reconcile"]).expect(1, &[("differing", 3), ("warehouse_only", 0), ("lake_only", 0)]);
    scene.run(&["replay"]).expect(1, &[("conflicting", 3)]);
    let ran = scene.run(&REPAIR);
    ran.expect(1, &[("differing", 3)]);
    assert_eq!((repaired(&ran, "updated"), repaired(&ran, "verified"), repaired(&ran, "failed")), (3, 3, 0), "{ran:?}");
    assert!(rows(database).await == whole);
    for id in &ids[..2] {
        let sql = format!("UPDATE historico_consumo SET data = '0000-00-00' WHERE id_treated_data = '{id}'");
        lax.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
    scene.run(&["replay", "--on-conflict", "overwrite"]).expect(0, &[("overwritten", 2)]);
    assert!(rows(database).await == whole);
    stores.database.drop().await;
}

/// A row that another changes after the audit has read it, before the repair can: the other's value stays.
async fn a_concurrently_changed_row_is_not_overwritten(server: Server) {
    let stores = Stores::new(server, 5, 10).await;
    let ids = stores.database.ids().await;
    nudge(&stores.database, &ids[..30]).await;
    let changed = format!("UPDATE historico_consumo SET consumo_real = 3.5 WHERE id_treated_data = '{}'", ids[7]);
    let mut other = holding(&stores.database, &changed).await;
    let mut child = stores.scene.start(&[&REPAIR[..], &["--output", "json"]].concat());
    stores.wait_for_undo(&mut child);
    std::thread::sleep(Duration::from_millis(200));
    other.execute("COMMIT").await.unwrap();
    other.close().await.unwrap();
    let theirs = rows(&stores.database).await[&ids[7]].clone();
    let ran = ended(child);
    ran.expect(1, &[("differing", 30)]);
    assert_eq!((repaired(&ran, "updated"), repaired(&ran, "failed")), (29, 1), "{ran:?}");
    let problem = ran.json["repaired"]["problems"].to_string();
    assert!(problem.contains(&ids[7]) && problem.contains("another process"), "{problem}");
    assert_eq!(rows(&stores.database).await[&ids[7]], theirs);
    stores.scene.run(&["reconcile"]).expect(1, &[("differing", 1), ("matched", stores.count - 1)]);
    stores.scene.run(&UNDO).expect(1, &[("restored", 29), ("modified_since", 1)]);
    assert_eq!(rows(&stores.database).await[&ids[7]], theirs);
    stores.database.drop().await;
}

/// Another process writes the object between the check and the change: `If-Match` fails, and its version stays.
async fn a_concurrently_changed_object_is_not_overwritten(server: Server) {
    let stores = Stores::new(server, 5, 5).await;
    let id = &stores.database.ids().await[3];
    let set = format!("UPDATE historico_consumo SET consumo_real = 3.5 WHERE id_treated_data = '{id}'");
    assert_eq!(stores.database.run(&set).await, 1);
    let key = stores.s3.store().list(BUCKET, PREFIX).into_iter().find(|key| key.contains(id.as_str())).unwrap();
    let trusted = [&REPAIR[..], &["--trust", "warehouse", "--output", "json"]].concat();
    // The change is rejected at first, until the other process has written.
    stores.s3.faults().change(|faults| faults.slow_down = Fault::always().on(&[Op::Put]));
    let child = stores.scene.start(&trusted);
    let until = Instant::now() + Duration::from_secs(60);
    while stores.s3.faults().counts().injected(Injected::SlowDown) == 0 {
        assert!(Instant::now() < until, "no PUT within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
    let theirs = [&stores.s3.store().get(BUCKET, &key).unwrap()[..], b"\n"].concat();
    stores.s3.store().put(BUCKET, &key, theirs.clone());
    stores.s3.faults().change(|faults| faults.slow_down = Fault::default());
    let ran = ended(child);
    ran.expect(1, &[("differing", 1)]);
    assert_eq!((repaired(&ran, "objects_replaced"), repaired(&ran, "failed")), (0, 1), "{ran:?}");
    assert!(ran.json["repaired"]["problems"].to_string().contains("the object changed in the meantime"), "{ran:?}");
    assert_eq!(stores.s3.store().get(BUCKET, &key).unwrap(), theirs);
    stores.scene.run(&UNDO).expect(1, &[("modified_since", 1), ("restored", 0)]);
    assert_eq!(stores.s3.store().get(BUCKET, &key).unwrap(), theirs);
    // Without a concurrent change it succeeds, even if the response is lost.
    stores.remove("undo.ndjson");
    stores.s3.faults().change(|faults| faults.lost_answer = Fault::first(1).on(&[Op::Put]));
    let ran = stores.scene.run(&trusted[..trusted.len() - 2]);
    assert_eq!((repaired(&ran, "objects_replaced"), repaired(&ran, "verified")), (1, 1), "{ran:?}");
    stores.s3.store().remove(BUCKET, &stores.s3.store().list(BUCKET, PREFIX)[0]).unwrap();
    let ran = stores.scene.run(&REPAIR);
    assert_eq!((repaired(&ran, "objects_written"), repaired(&ran, "verified")), (1, 1), "{ran:?}");
    stores.s3.faults().change(|faults| faults.lost_answer = Fault::default());
    stores.is_clean();
    stores.database.drop().await;
}

on_both! {
    dates_that_do_not_exist_are_found_and_repaired: live_mysql_dates_that_do_not_exist_are_found_and_repaired, live_mariadb_dates_that_do_not_exist_are_found_and_repaired;
    columns_of_every_type_are_repaired_and_restored: live_mysql_columns_of_every_type_are_repaired_and_restored, live_mariadb_columns_of_every_type_are_repaired_and_restored;
    a_thousand_last_bits_are_repaired_and_restored: live_mysql_a_thousand_last_bits_are_repaired_and_restored, live_mariadb_a_thousand_last_bits_are_repaired_and_restored;
    ids_in_capitals_are_repaired_and_restored: live_mysql_ids_in_capitals_are_repaired_and_restored, live_mariadb_ids_in_capitals_are_repaired_and_restored;
    a_concurrently_changed_row_is_not_overwritten: live_mysql_a_concurrently_changed_row_is_not_overwritten, live_mariadb_a_concurrently_changed_row_is_not_overwritten;
    a_concurrently_changed_object_is_not_overwritten: live_mysql_a_concurrently_changed_object_is_not_overwritten, live_mariadb_a_concurrently_changed_object_is_not_overwritten;
}
