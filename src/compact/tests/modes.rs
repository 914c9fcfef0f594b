//! Reading with and without parts gives the same result, regardless of changes to the objects after a compaction.

use proptest::prelude::*;

use super::*;

/// Change of an object after the compaction.
#[derive(Debug, Clone, Copy)]
enum Change {
    Overwrite,
    Truncate,
    Delete,
    Copy,
    New,
}

fn changes() -> impl Strategy<Value = Vec<(Change, u32)>> {
    let change = prop_oneof![
        Just(Change::Overwrite),
        Just(Change::Truncate),
        Just(Change::Delete),
        Just(Change::Copy),
        Just(Change::New)
    ];
    prop::collection::vec((change, 0..10_000_u32), 0..12)
}

/// Returns the objects of a random lake.
fn lake() -> impl Strategy<Value = Vec<(u32, u32, u32)>> {
    // Kind, day, number.
    prop::collection::vec((0..4_u32, 1..40_u32, 0..500_u32), 1..120)
}

async fn random_scene(objects: &[(u32, u32, u32)]) -> Scene {
    let scene = Scene::new();
    for &(kind, d, n) in objects {
        let day = day(1 + d / 25, 1 + d % 25);
        let (key, body) = match kind {
            0 => object("FazendaUm", day, n),
            1 => object("São João", day, n),
            2 => legacy(day, n),
            _ => (
                path("fazenda_um", day, &format!("other {n}")),
                [&b"{"[..], b"[1]", b"", b"\xff"][n as usize % 4].to_vec(),
            ),
        };
        let _ = scene.lake.put_new(&key, body.into()).await.unwrap(); // the same object twice
    }
    scene
}

fn apply(scene: &Scene, changes: &[(Change, u32)]) {
    for &(change, n) in changes {
        let keys: Vec<String> = scene.objects().into_keys().collect();
        let Some(key) = keys.get(n as usize % keys.len().max(1)) else { return };
        let body = futures::executor::block_on(scene.store.get(key)).unwrap();
        let copy = |suffix: &str| key.replace(".json", suffix);
        match change {
            Change::Overwrite => scene.store.overwrite(key, object("FazendaUm", day(3, 1), n).1),
            Change::Truncate => scene.store.overwrite(key, body.slice(..body.len() / 2)),
            Change::Delete => drop(scene.store.remove(key)),
            Change::Copy => scene.store.overwrite(&copy("_copy.json"), body),
            Change::New => {
                let (key, body) = object("FazendaUm", day(1 + n % 3, 1 + n % 28), n % 500);
                scene.store.overwrite(&format!("lake/{key}"), body);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn reading_with_and_without_parts_is_the_same_after_any_changes_since_a_compaction(
        objects in lake(), changes in changes(), month_rows in prop_oneof![Just(10_u64), Just(MONTH_ROWS)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let scene = random_scene(&objects).await;
            scene.compact(Compaction { month_rows, ..scene.settings() }).await;
            let before = scene.read(PartsMode::Never).await.0;
            apply(&scene, &changes);
            let (never, none) = scene.read(PartsMode::Never).await;
            let (auto, stats) = scene.read(PartsMode::Auto).await;
            assert_eq!((&auto, none), (&never, None));
            let stats = stats.unwrap();
            assert_eq!((stats.rows + stats.fetched) as usize, never.len());
            assert_eq!(stats.not_trusted, 0, "{stats:?}");

            // Without any GET: the same, except for changed objects.
            let (only, stats) = scene.read(PartsMode::Only).await;
            assert_eq!(stats.unwrap().fetched, 0);
            assert!(only.keys().eq(never.keys()));
            for (key, what) in &only {
                let expected = if what.contains("NotInPart") { "skipped NotInPart" } else { &never[key] };
                assert_eq!(what, expected);
                assert!(what != "skipped NotInPart" || before.get(key) != Some(&never[key]) || before.is_empty() || never[key].contains("Unreadable") || changes.iter().any(|(change, _)| matches!(change, Change::Overwrite | Change::Truncate | Change::Copy | Change::New)), "{key}");
            }

            // Once the parts are up to date, nothing is missing.
            scene.compact(Compaction { month_rows, on_deleted: OnDeleted::Drop, ..scene.settings() }).await;
            let (only, stats) = scene.read(PartsMode::Only).await;
            assert_eq!((&only, stats.unwrap().rows as usize), (&never, never.len()));
        });
    }
}
