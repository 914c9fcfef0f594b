//! Limits on memory and on the decompressed size of a file.

use std::process::Child;
use std::time::Duration;

use ruminate::compression::CompressionFormat;
use testkit::{Ran, Scene};

/// Waits for the end of a command, and returns its result and its maximum memory, in bytes.
fn with_peak(mut child: Child) -> (Ran, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = peak.max(kib.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(20));
    }
    (Ran::of(&child.wait_with_output().unwrap()), peak)
}

/// Writes a small file with lines of 4 MB between valid readings, so that it is not rejected as a whole. Returns the
/// number of readings.
fn huge_lines(scene: &Scene, lines: usize) -> u64 {
    let count = scene.history(1, 60, 6);
    let history = std::fs::read_to_string(scene.path("history.json")).unwrap();
    let huge = format!("{{\"id_curral\":\"{}\"}}\n", "x".repeat(4_000_000));
    let mut compressed = Vec::new();
    let mut readings = history.lines();
    for _ in 0..lines {
        let valid: Vec<&str> = readings.by_ref().take(2).collect();
        CompressionFormat::Zstd.compress(format!("{}\n{huge}", valid.join("\n")).as_bytes(), &mut compressed).unwrap();
    }
    let rest: Vec<&str> = readings.collect();
    CompressionFormat::Zstd.compress(rest.join("\n").as_bytes(), &mut compressed).unwrap();
    assert!(compressed.len() < 2_000_000);
    std::fs::write(scene.path("huge.ndjson.zst"), compressed).unwrap();
    count
}

#[test]
#[cfg(target_os = "linux")]
fn a_small_file_of_huge_lines_takes_little_memory() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let lines = 120;
    let count = huge_lines(&scene, lines);
    let args = ["backfill", "huge.ndjson.zst", "--max-decompression-ratio", "1000000", "--output", "json"];
    let (ran, peak) = with_peak(scene.start(&args));
    ran.expect(1, &[("read", count + lines as u64), ("written", count), ("rejected", lines as u64)]);
    assert!(peak > 0 && peak < 400_000_000, "{peak} bytes for {} MB of lines", lines * 4);
}

#[test]
fn a_file_that_decompresses_to_far_more_than_its_size_is_not_read_to_its_end() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    huge_lines(&scene, 40);
    let ran = scene.run(&["backfill", "huge.ndjson.zst"]);
    let reported = format!("{}{}", ran.stderr, ran.json);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(reported.contains("huge.ndjson.zst") && reported.contains("--max-decompression-ratio"), "{reported}");
    assert!(ran.json["read"].as_u64().unwrap_or(0) < 40, "{ran:?}");
}

#[test]
fn a_lake_with_many_unrecognized_names_is_counted_and_the_first_are_named() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(1, 5, 2);
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    let folder = scene.path("lake/Old Stuff");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..1_200 {
        std::fs::write(folder.join(format!("{n:04}.txt")), "").unwrap();
    }
    for command in ["replay", "reconcile"] {
        let ran = scene.run(&[command]);
        ran.expect(1, &[("skipped_unrecognized", 1_200)]);
        let problems = &ran.json["problems"];
        assert_eq!(problems["items"].as_array().unwrap().len(), 1_000, "{command}");
        assert_eq!((&problems["omitted"], &problems["items"][0]["key"]), (&200.into(), &"Old Stuff/0000.txt".into()));
    }
    scene.run(&["replay"]).expect(1, &[("listed", count + 1_200), ("identical", count)]);
    scene.run(&["reconcile"]).expect(1, &[("lake_objects", count + 1_200), ("matched", count)]);
}
