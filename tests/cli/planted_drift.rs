//! Drift planted in a lake and its warehouse: an audit finds all of it, and nothing else.

use pipeline::record::Column;
use pipeline::record::row::{ColumnType, TableSchema};
use testkit::planted_drift::{
    Case, Damage, Finding, World, archive, assert_same, found_by_quick, found_in, to_folder, to_s3, to_sqlite,
};
use testkit::s3::S3Server;
use testkit::{BUCKET, Scene};

use std::path::{Path, PathBuf};

/// Returns the column types of SQLite: weights as f64, times to the microsecond.
pub fn schema() -> TableSchema {
    let mut schema = TableSchema::standard();
    for column in Column::ALL {
        match &mut schema.0[column.index()] {
            single @ ColumnType::Float { .. } => *single = ColumnType::Double { decimals: None },
            ColumnType::DateTime { digits } => *digits = 6,
            _ => {}
        }
    }
    schema
}

/// Creates a lake in a directory and its warehouse, undamaged.
fn scene() -> (Scene, World) {
    scene_of(3, 25, 40)
}

fn scene_of(farms: u32, lots: u32, days: u32) -> (Scene, World) {
    let scene = Scene::embedded();
    let world = World::of(&scene, farms, lots, days);
    assert!(world.0.len() >= 2_000, "{}", world.0.len());
    to_folder(&scene.path("lake"), &world.objects());
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[("inserted", world.0.len() as u64)]);
    (scene, world)
}

fn apply(scene: &Scene, damage: &Damage) {
    to_folder(&scene.path("lake"), &damage.objects);
    to_sqlite(&scene.path("w.db"), &damage.sql);
}

/// Finds it without a cache, with a cold and a warm one, and with `--quick` as far as names suffice.
fn is_found(cases: &[Case], share: f64, gaps: usize) {
    let (scene, world) = scene();
    let times = (world.0.len() as f64 * share) as usize / cases.len().max(1);
    let damage = Damage::plant(&world, &schema(), cases, times.max(1), gaps);
    apply(&scene, &damage);
    damage.is_found_by(&scene, &world, &[]);
    let cold = damage.is_found_by(&scene, &world, &["--cache", "cache"]);
    assert_eq!(cold.json["cache"]["hits"], 0);
    let warm = damage.is_found_by(&scene, &world, &["--cache", "cache"]);
    // Unreadable objects are not cached.
    assert_eq!(warm.json["cache"]["misses"], warm.json["unreadable"]);
    assert_eq!(warm.json["hash_totals"], cold.json["hash_totals"]);
    scene.run(&["reconcile", "--quick", "--drift", "quick.ndjson"]);
    assert_same(&found_in(&scene.path("quick.ndjson")), &found_by_quick(&damage.findings), "--quick");
}

#[test]
fn where_nothing_is_planted_nothing_is_found() {
    is_found(&[], 0.0, 0);
}

/// The smallest fraction with every verdict: 0.01 % of these records would be less than one record.
#[test]
fn one_of_each_verdict_is_found_exactly() {
    is_found(&Case::verdicts(), 0.000_1, 1);
}

#[test]
fn one_percent_is_found_exactly() {
    is_found(&Case::all(), 0.01, 2);
}

#[test]
fn half_of_everything_is_found_exactly() {
    is_found(&Case::all(), 0.5, 6);
}

/// An object in an archive tier is not a finding, and its row is not compared.
#[test]
fn archived_objects_are_counted_and_the_rest_is_found_exactly() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    let world = World::of(&scene, 2, 10, 10);
    to_s3(&s3, &world.objects());
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[("inserted", world.0.len() as u64)]);
    let damage = Damage::plant(&world, &schema(), &[Case::all(), vec![Case::Archived]].concat(), 3, 1);
    to_s3(&s3, &damage.objects);
    archive(&s3, &damage.archived);
    to_sqlite(&scene.path("w.db"), &damage.sql);
    for more in [&[][..], &["--cache", "cache"], &["--cache", "cache"]] {
        damage.is_found_by(&scene, &world, more);
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A lake whose objects have the names, sizes and times of another lake, with the cache of that other lake.
#[test]
fn a_cache_of_another_lake_is_ignored_even_under_the_name_of_this_one() {
    let (scene, world) = scene();
    assert!(
        std::process::Command::new("cp")
            .args(["-a", "lake", "other"])
            .current_dir(scene.home.path())
            .status()
            .unwrap()
            .success()
    );
    let mut damage = Damage::default();
    for key in &world.drawn()[..9] {
        let (record, path) = (&world.0[key], scene.path("other").join(key));
        let written = std::fs::metadata(&path).unwrap().modified().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let of = |raca: &str| format!("\"id_raca\":\"{raca}\"");
        let raca = &record.reading.id_raca;
        let changed = text.replace(&of(raca), &of(&"x".repeat(raca.len())));
        assert!(changed != text && changed.len() == text.len());
        std::fs::write(&path, changed).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        damage.add_differing(record, key, "id_raca");
        damage.found(Finding::new("forged_id", &record.id_treated_data, Some(key), &[]));
    }
    scene.run(&["reconcile", "--cache", "cache"]).expect(0, &[]);
    let other = ["--lake", "other", "--cache", "other-cache"];
    damage.is_found_by(&scene, &world, &other);
    let dir = |cache: &str| std::fs::read_dir(scene.path(cache)).unwrap().next().unwrap().unwrap().path();
    let (of_lake, of_other) = (dir("cache"), dir("other-cache"));
    assert_ne!(of_lake.file_name(), of_other.file_name());
    let count = files(&of_other).len();
    std::fs::remove_dir_all(&of_other).unwrap();
    std::fs::rename(of_lake, of_other).unwrap();
    let audit = damage.is_found_by(&scene, &world, &other);
    assert_eq!(audit.json["cache"]["invalid_files"], count, "{:?}", audit.json["cache"]);
    assert_eq!(damage.is_found_by(&scene, &world, &other).json["cache"]["misses"], 0);
}

#[test]
fn a_cache_on_a_full_disk_does_not_affect_the_audit() {
    let (scene, world) = scene_of(2, 300, 5);
    let damage = Damage::plant(&world, &schema(), &Case::verdicts()[..3], 1, 0);
    apply(&scene, &damage);
    damage.is_found_by(&scene, &world, &["--cache", "cache"]);
    let mut sizes: Vec<u64> = files(&scene.path("cache")).iter().map(|file| file.metadata().unwrap().len()).collect();
    sizes.sort_unstable();
    let max = (sizes[sizes.len() / 2] / 512) * 512;
    std::fs::remove_dir_all(scene.path("cache")).unwrap();
    let drift = scene.path("drift.ndjson");
    let audit = scene.run_on_full_disk(max, &["reconcile", "--cache", "cache", "--drift", "drift.ndjson"]);
    damage.is_reported_by(&audit, &found_in(&drift), &world, "on a full disk");
    let fits = sizes.iter().filter(|&&size| size <= max).count() as u64;
    let of = |name: &str| audit.json["cache"][name].as_u64().unwrap();
    assert!(of("write_failures") > 0 && of("write_failures") + of("files_written") == sizes.len() as u64, "{audit:?}");
    assert_eq!(of("files_written"), fits, "{sizes:?} {max}");
    let left = files(&scene.path("cache"));
    assert_eq!(left.len() as u64, fits, "nothing half-written is left: {left:?}");
    let again = damage.is_found_by(&scene, &world, &["--cache", "cache"]);
    assert_eq!(
        (again.json["cache"]["write_failures"].as_u64(), again.json["cache"]["invalid_files"].as_u64()),
        (Some(0), Some(0))
    );
}

/// A full disk during any sort ends the audit with a suggestion and without findings.
#[test]
fn a_full_sort_disk_ends_the_audit_with_an_error_that_names_it() {
    let (scene, world) = scene();
    let disk = scene.path("sort");
    std::fs::create_dir(&disk).unwrap();
    let full = |what: &str| {
        let args = ["reconcile", "--sort-memory", "1MB", "--sort-dir", "sort", "--drift", "drift.ndjson"];
        let ran = scene.run_on_full_disk(65_536, &args);
        assert_eq!((ran.code, &*ran.stdout), (Some(2), ""), "{what}: {ran:?}");
        assert!(ran.stderr.contains("--sort-dir") && ran.stderr.contains("File too large"), "{what}: {ran:?}");
        assert!(!scene.path("drift.ndjson").exists() && files(&disk).is_empty(), "{what}: something is left");
    };
    full("the lake");
    // So few objects that they need no disk.
    let objects = files(&scene.path("lake"));
    objects[900..].iter().for_each(|object| std::fs::remove_file(object).unwrap());
    full("rows without an object");
    scene.sql("UPDATE historico_consumo SET id_treated_data = 'by hand ' || id_treated_data");
    full("other ids");
    assert!(world.0.len() > 2_000);
}
