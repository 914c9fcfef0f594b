//! Drift planted in S3 and on servers, in tables of every kind: an audit finds all of it, and nothing else.

use pipeline::record::row::{ColumnType, TableSchema};
use pipeline::record::{Column, Record};
use testkit::planted_drift::{
    Case, Damage, Finding, World, archive, assert_same, found_by_quick, found_in, insert, to_s3,
};
use testkit::s3::S3Server;
use testkit::{BUCKET, Database, MARIADB, MYSQL, Scene, Server, create_table};

/// Both stores with a history, undamaged.
pub struct Stores {
    pub s3: S3Server,
    pub database: Database,
    pub scene: Scene,
    pub world: World,
}

impl Stores {
    /// Creates them with a table of `init`, or with another one.
    pub async fn of(server: Server, table: Option<&str>, (farms, lots, days): (u32, u32, u32)) -> Self {
        let database = Database::new(server).await;
        let s3 = S3Server::with_bucket(BUCKET);
        let scene = Scene::new().with_s3(&s3).with("RUMINATE_WAREHOUSE", &database.url());
        let world = World::of(&scene, farms, lots, days);
        to_s3(&s3, &world.objects());
        match table {
            Some(table) => drop(database.run(table).await),
            None => drop(scene.run(&["init"]).expect(0, &[])),
        }
        scene.run(&["replay"]).expect(0, &[("inserted", world.0.len() as u64)]);
        Self { s3, database, scene, world }
    }

    pub async fn apply(&self, damage: &Damage) {
        to_s3(&self.s3, &damage.objects);
        archive(&self.s3, &damage.archived);
        self.database.run_all(&damage.sql).await;
    }

    /// Plants every case N times.
    pub async fn damaged(&self, times: usize, gaps: usize) -> Damage {
        let cases = [Case::all(), vec![Case::Archived]].concat();
        let damage = Damage::plant(&self.world, &TableSchema::standard(), &cases, times, gaps);
        self.apply(&damage).await;
        damage
    }
}

async fn one_percent(server: Server) {
    let stores = Stores::of(server, None, (3, 25, 40)).await;
    let Stores { scene, world, .. } = &stores;
    assert!((2_000..4_000).contains(&world.0.len()));
    let damage = stores.damaged(1, 2).await;
    damage.is_found_by(scene, world, &[]);
    let cold = damage.is_found_by(scene, world, &["--cache", "cache"]);
    assert_eq!(cold.json["cache"]["hits"], 0);
    let warm = damage.is_found_by(scene, world, &["--cache", "cache"]);
    assert_eq!(warm.json["cache"]["misses"], warm.json["unreadable"]);
    scene.run(&["reconcile", "--quick", "--drift", "quick.ndjson"]);
    assert_same(&found_in(&scene.path("quick.ndjson")), &found_by_quick(&damage.findings), "--quick");
    stores.database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_one_percent_is_found_exactly() {
    one_percent(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_one_percent_is_found_exactly() {
    one_percent(MARIADB).await;
}

/// A table with other column types.
struct Table {
    weight: &'static str,
    collation: &'static str,
    /// Further spellings of ids that it contains.
    id_variants: &'static [fn(&str) -> String],
}

fn upper(id: &str) -> String {
    id.to_uppercase()
}

fn padded(id: &str) -> String {
    format!("{id} ")
}

impl Table {
    fn sql(&self) -> String {
        let Self { weight, collation, .. } = self;
        let charset = collation.split('_').next().unwrap();
        format!("{} CHARACTER SET {charset} COLLATE {collation}", create_table("VARCHAR(255)", weight))
    }

    fn schema(&self) -> TableSchema {
        TableSchema(TableSchema::standard().0.map(|holds| match (holds, self.weight) {
            (ColumnType::Float { .. }, "DOUBLE") => ColumnType::Double { decimals: None },
            _ => holds,
        }))
    }

    /// Adds rows and values as in manually edited tables.
    fn by_hand(&self, world: &World, damage: &mut Damage) {
        // Not of days that both sides lose, and not of objects that are already damaged.
        let whole: Vec<String> = world.drawn().into_iter().filter(|key| !damage.objects.contains_key(key)).collect();
        let (mut keys, schema) = (whole.into_iter().rev(), self.schema());
        let mut next = || keys.next().map(|key| (world.0[&key].clone(), key)).unwrap();
        for column in Column::ALL.into_iter().filter(|&column| column != Column::IdTreatedData) {
            let (record, key) = next();
            damage.set_text(&record.id_treated_data, column.name(), "NULL");
            damage.add_differing(&record, &key, column.name());
        }
        let (record, key) = next();
        damage.set_text(&record.id_treated_data, "id_treated_data", &format!("'{}'", padded(&record.id_treated_data)));
        damage.add_differing(&record, &key, "id_treated_data");
        // Of a pen that the lake does not have, so that they duplicate nothing.
        for id in ["a-mao-1", "ÇÃO", "42", "", "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz", " outro"] {
            let mut other = Record { id_treated_data: id.into(), ..next().0 };
            other.reading.id_curral = format!("of {id}");
            damage.sql.push(insert(&other, &schema));
            damage.found(Finding::warehouse_only(id));
            damage.count(&["warehouse_rows"], 1);
        }
        for variant in self.id_variants {
            let (record, _) = next();
            let id = variant(&record.id_treated_data);
            damage.sql.push(insert(&Record { id_treated_data: id.clone(), ..record }, &schema));
            damage.found(Finding::warehouse_only(&id));
            damage.found(Finding::new("logical_duplicate", &id, None, &["id_treated_data"]));
            damage.count(&["warehouse_rows"], 1);
        }
    }
}

async fn hostile_tables(server: Server, tables: &[Table]) {
    for table in tables {
        let stores = Stores::of(server, Some(&table.sql()), (2, 15, 12)).await;
        let mut damage = Damage::plant(&stores.world, &table.schema(), &Case::all(), 2, 1);
        table.by_hand(&stores.world, &mut damage);
        stores.apply(&damage).await;
        damage.is_found_by(&stores.scene, &stores.world, &[]);
        damage.is_found_by(&stores.scene, &stores.world, &["--from", "2023-01-01", "--to", "2025-12-31"]);
        stores.database.drop().await;
    }
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_what_others_did_to_a_table_is_found_exactly() {
    let tables = [
        Table { weight: "FLOAT", collation: "utf8mb4_0900_ai_ci", id_variants: &[padded] },
        Table { weight: "DOUBLE", collation: "utf8mb4_bin", id_variants: &[upper] },
        Table { weight: "FLOAT", collation: "utf8mb4_general_ci", id_variants: &[] },
        Table { weight: "DOUBLE", collation: "latin1_swedish_ci", id_variants: &[] },
    ];
    hostile_tables(MYSQL, &tables).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_what_others_did_to_a_table_is_found_exactly() {
    let tables = [
        Table { weight: "FLOAT", collation: "utf8mb4_unicode_nopad_ci", id_variants: &[padded] },
        Table { weight: "DOUBLE", collation: "utf8mb4_bin", id_variants: &[upper] },
        Table { weight: "FLOAT", collation: "utf8mb4_general_ci", id_variants: &[] },
        Table { weight: "DOUBLE", collation: "latin1_swedish_ci", id_variants: &[] },
    ];
    hostile_tables(MARIADB, &tables).await;
}
