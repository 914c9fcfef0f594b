//! State of both stores, bit for bit, for tests that damage and repair them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _};
use testkit::s3::S3Server;
use testkit::{BUCKET, Database, PREFIX, Ran, Scene, Server};

pub const REPAIR: [&str; 5] = ["reconcile", "--repair", "both", "--undo-file", "undo.ndjson"];
pub const UNDO: [&str; 2] = ["undo", "undo.ndjson"];

/// The columns of weights.
pub const WEIGHTS: [&str; 4] = ["peso_entrada", "peso_medio", "consumo_real", "consumo_meta"];

/// Rows by id in their exact spelling, with the bits of the values.
pub type Rows = BTreeMap<String, Vec<String>>;

/// Both stores.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub rows: Rows,
    pub objects: BTreeMap<String, Bytes>,
}

impl State {
    pub async fn of(database: &Database, s3: &S3Server) -> Self {
        Self { rows: rows(database).await, objects: s3.store().dump(BUCKET, PREFIX) }
    }

    /// Returns the rows that differ, with both states.
    pub fn other_rows(&self, due: &Self) -> Vec<String> {
        let ids: BTreeSet<_> = self.rows.keys().chain(due.rows.keys()).collect();
        let other = ids.into_iter().filter(|id| self.rows.get(*id) != due.rows.get(*id));
        other.map(|id| format!("{id}: {:?}, not {:?}", self.rows.get(id), due.rows.get(id))).collect()
    }

    /// Returns the objects that differ, with both states.
    pub fn other_objects(&self, due: &Self) -> Vec<String> {
        let keys: BTreeSet<_> = self.objects.keys().chain(due.objects.keys()).collect();
        let other = keys.into_iter().filter(|key| self.objects.get(*key) != due.objects.get(*key));
        other.map(|key| format!("{key}: {:?}, not {:?}", self.objects.get(key), due.objects.get(key))).collect()
    }
}

/// Reads all rows by the binary protocol: the response to a statement without an argument would be text with six
/// digits.
pub async fn rows(database: &Database) -> Rows {
    let mut connection = MySqlConnection::connect(&database.url()).await.unwrap();
    let found = sqlx::query("SELECT * FROM historico_consumo WHERE ? = 1").bind(1).fetch_all(&mut connection).await;
    connection.close().await.unwrap();
    found.unwrap().iter().map(|row| (row.get(0), (0..row.len()).map(|at| shown(row, at)).collect())).collect()
}

fn shown(row: &MySqlRow, at: usize) -> String {
    fn any<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
        value.map_or("NULL".to_owned(), show)
    }
    if let Ok(single) = row.try_get::<Option<f32>, _>(at) {
        return any(single, |value| format!("f32 {:08x}", value.to_bits()));
    }
    if let Ok(double) = row.try_get::<Option<f64>, _>(at) {
        return any(double, |value| format!("f64 {:016x}", value.to_bits()));
    }
    if let Ok(whole) = row.try_get::<Option<i64>, _>(at) {
        return any(whole, |value| value.to_string());
    }
    if let Ok(time) = row.try_get::<Option<DateTime<Utc>>, _>(at) {
        return any(time, |value| value.to_string());
    }
    // Also of a DECIMAL, which is returned as text.
    any(row.try_get_unchecked::<Option<String>, _>(at).unwrap(), |value| value)
}

/// Weights in the objects as the bits of an f32: id → one value per column of [`WEIGHTS`].
#[allow(clippy::cast_possible_truncation, reason = "what a FLOAT column does")]
pub fn weights_in(s3: &S3Server) -> BTreeMap<String, Vec<String>> {
    let all = s3.store().dump(BUCKET, PREFIX);
    let of = |object: &Value, name: &str| match &object[name] {
        Value::String(text) => text.parse::<f64>().unwrap(),
        number => number.as_f64().unwrap(),
    };
    let shown = |body: &Bytes| {
        let object: Value = serde_json::from_slice(body).unwrap();
        let bits = WEIGHTS.map(|name| format!("f32 {:08x}", (of(&object, name) as f32).to_bits()));
        (object["id_treated_data"].as_str().unwrap().to_owned(), bits.to_vec())
    };
    all.values().map(shown).collect()
}

/// Changes one weight of each of N rows by one unit in the last place, up or down, rotating the columns.
pub async fn nudge(database: &Database, ids: &[String]) {
    let mut connection = MySqlConnection::connect(&database.url()).await.unwrap();
    let mut within = connection.begin().await.unwrap();
    for (n, id) in ids.iter().enumerate() {
        let column = WEIGHTS[n % 4];
        let sql = format!("SELECT {column} FROM historico_consumo WHERE id_treated_data = ?");
        let was: f32 = sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_one(&mut *within).await.unwrap();
        let now = f32::from_bits(if n % 8 < 4 { was.to_bits() + 1 } else { was.to_bits() - 1 });
        let sql = format!("UPDATE historico_consumo SET {column} = ? WHERE id_treated_data = ?");
        let done = sqlx::query(AssertSqlSafe(sql)).bind(now).bind(id).execute(&mut *within).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    }
    within.commit().await.unwrap();
    connection.close().await.unwrap();
}

/// Waits for the next second: a row of the same second as the audit's start is not compared without its object.
pub fn past_the_second() {
    std::thread::sleep(Duration::from_millis(1_100));
}

/// Returns a lake and a warehouse that agree.
pub struct Stores {
    pub s3: S3Server,
    pub database: Database,
    pub scene: Scene,
    pub count: u64,
}

impl Stores {
    pub async fn new(server: Server, lots: u32, days: u32) -> Self {
        let database = Database::new(server).await;
        let s3 = S3Server::with_bucket(BUCKET);
        let scene = Scene::new().with_s3(&s3).with("RUMINATE_WAREHOUSE", &database.url());
        scene.run(&["init"]).expect(0, &[]);
        let count = scene.history(2, lots, days);
        scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
        past_the_second();
        Self { s3, database, scene, count }
    }

    pub async fn state(&self) -> State {
        State::of(&self.database, &self.s3).await
    }

    /// Deletes many rows, changes as many by their last bits or to NULL, and deletes objects of some others. Returns
    /// the state.
    pub async fn damage(&self) -> State {
        let ids = self.database.ids().await;
        let many = ids.len() * 9 / 20;
        let list = |ids: &[String]| format!("'{}'", ids.join("', '"));
        let lost = list(&ids[..many]);
        self.database.run(&format!("DELETE FROM historico_consumo WHERE id_treated_data IN ({lost})")).await;
        nudge(&self.database, &ids[many..2 * many]).await;
        let some = list(&ids[many..many + 20]);
        let set = "id_raca = NULL, quantidade_animais = NULL, row_ts = NULL";
        self.database.run(&format!("UPDATE historico_consumo SET {set} WHERE id_treated_data IN ({some})")).await;
        let keys = self.s3.store().list(BUCKET, PREFIX);
        for id in ids[2 * many..].iter().take(50) {
            self.s3.store().remove(BUCKET, keys.iter().find(|key| key.contains(id.as_str())).unwrap()).unwrap();
        }
        self.state().await
    }

    pub fn is_clean(&self) {
        self.scene.run(&["reconcile"]).expect(0, &[("matched", self.count)]);
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.scene.path(name)).ok();
    }

    /// Waits until the repair writes into its undo file, which it does right before its first change.
    pub fn wait_for_undo(&self, child: &mut Child) {
        let until = Instant::now() + Duration::from_secs(60);
        while std::fs::metadata(self.scene.path("undo.ndjson")).map_or(0, |meta| meta.len()) == 0 {
            assert!(Instant::now() < until && child.try_wait().unwrap().is_none(), "no undo file");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

pub fn repaired(ran: &Ran, name: &str) -> u64 {
    ran.json["repaired"][name].as_u64().unwrap_or_else(|| panic!("{name}: {ran:#?}"))
}

pub fn ended(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().unwrap())
}

/// Returns a separate session with an open transaction, in which this statement was executed.
pub async fn holding(database: &Database, sql: &str) -> MySqlConnection {
    let mut connection = MySqlConnection::connect(&database.url()).await.unwrap();
    connection.execute("START TRANSACTION").await.unwrap();
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection
}
