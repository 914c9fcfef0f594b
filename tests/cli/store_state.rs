//! State of both embedded stores, bit for bit, for tests that compare it before and after a change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _};
use testkit::Scene;

/// Both stores: every file's bytes, and every row's values, each with its type and its last bit.
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
    pub(crate) rows: BTreeMap<String, Vec<String>>,
}

impl State {
    pub(crate) fn of(scene: &Scene) -> Self {
        let mut files = BTreeMap::new();
        gather(&scene.path("lake"), &mut files);
        Self { files, rows: rows(scene) }
    }

    pub(crate) fn changed_rows(&self, other: &Self) -> usize {
        let ids = self.rows.keys().chain(other.rows.keys()).collect::<BTreeSet<_>>();
        ids.into_iter().filter(|id| self.rows.get(*id) != other.rows.get(*id)).count()
    }

    pub(crate) fn changed_files(&self, other: &Self) -> usize {
        let names = self.files.keys().chain(other.files.keys()).collect::<BTreeSet<_>>();
        names.into_iter().filter(|name| self.files.get(*name) != other.files.get(*name)).count()
    }
}

pub(crate) fn gather(dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else {
            files.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
}

pub(crate) fn rows(scene: &Scene) -> BTreeMap<String, Vec<String>> {
    let url = format!("sqlite:{}", scene.path("w.db").display());
    let found = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("SELECT * FROM historico_consumo").fetch_all(&mut connection).await.unwrap()
    });
    let shown = |row: &sqlx::sqlite::SqliteRow, at: usize| {
        let kind = row.try_get_raw(at).unwrap().type_info().name().to_owned();
        match &*kind {
            "NULL" => kind,
            "REAL" => format!("REAL {:016x}", row.try_get_unchecked::<f64, _>(at).unwrap().to_bits()),
            "INTEGER" => format!("INTEGER {}", row.try_get_unchecked::<i64, _>(at).unwrap()),
            _ => format!("{kind} {}", row.try_get_unchecked::<String, _>(at).unwrap()),
        }
    };
    let all = found.iter().map(|row| (row.get(0), (0..row.len()).map(|at| shown(row, at)).collect()));
    all.collect()
}

/// Runs a dynamic statement; returns the number of changed rows.
pub(crate) fn sql(scene: &Scene, text: &str) -> u64 {
    let url = format!("sqlite:{}", scene.path("w.db").display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap().rows_affected()
    })
}

/// Returns a scene with a lake and a warehouse that agree, of two farms.
pub(crate) fn whole() -> (Scene, u64) {
    let scene = Scene::embedded();
    let count = scene.history(2, 10, 12);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    (scene, count)
}

pub(crate) fn objects_of(scene: &Scene, day: &str) -> Vec<PathBuf> {
    let mut files = BTreeMap::new();
    gather(&scene.path("lake").join(day), &mut files);
    files.into_keys().collect()
}

/// Returns the id in an object's name.
pub(crate) fn id_of(object: &Path) -> String {
    let name = object.file_stem().unwrap().to_str().unwrap();
    name.rsplit('_').next().unwrap().to_owned()
}
