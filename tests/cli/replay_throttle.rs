//! Throttling of a replay: pauses, limits that change during the run, and signals that are lost.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use testkit::{Ran, wait_for};

use crate::replay::{lost, number, sql};

/// The run pauses for a file, then for a rate limit that is raised in the config file during the run.
#[test]
fn a_run_reports_its_pauses_and_follows_limits_in_the_config_file() {
    let scene = lost();
    std::fs::write(scene.path("pause"), "").unwrap();
    std::fs::write(scene.path("ruminate.toml"), "rows-per-second = 5\n").unwrap();
    let started = Instant::now();
    let args = ["replay", "--pause-file", "pause", "--output", "json"];
    let mut child =
        scene.command(&args).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let output = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("paused"))).unwrap().unwrap();
    assert!(output.contains("pause file pause exists"), "{output}");
    std::fs::remove_file(scene.path("pause")).unwrap();
    wait_for("rows are written", || scene.rows() > 0);
    std::fs::write(scene.path("ruminate.toml"), "rows-per-second = 5000\n").unwrap();
    let logged: Vec<String> = lines.map_while(Result::ok).collect();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success(), "{logged:?}");
    assert!(logged.iter().any(|line| line.contains("throttle limits changed") && line.contains("5000")), "{logged:?}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["inserted"].as_u64(), Some(52));
    let pauses = json["pauses"].as_array().unwrap();
    let reasons: Vec<&str> = pauses.iter().map(|pause| pause["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["pause file", "rows per second"]);
    assert!(started.elapsed() < Duration::from_secs(30), "the raised limit was not applied");
}

#[test]
fn limits_without_an_effect_are_rejected() {
    let scene = lost();
    let replica = format!("sqlite:{}", scene.path("w.db").display());
    for (flags, message) in [
        (&["--max-replica-lag", "5s"][..], "add --replica URL"),
        (&["--max-replica-lag", "5s", "--dry-run"], "add --replica URL"),
        (&["--max-replica-lag", "5s", "--replica", &replica], "it is not a replica"),
        (&["--max-replica-lag", "nan", "--replica", &replica], "is not a duration"),
        (&["--max-threads-running", "0"], "0 is not in 1.."),
        (&["--max-threads-running", "9"], "it does not report running threads"),
    ] {
        let ran = scene.run(&[&["replay"], flags].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(message), "{flags:?}: {ran:?}");
    }
}

/// The table of the throttle query is dropped while the run waits for its rate limit.
#[test]
fn a_lost_signal_is_waited_for_until_the_unavailable_timeout() {
    let scene = lost();
    sql(&scene, "CREATE TABLE pausa (n INT)");
    let query = "SELECT COUNT(*) FROM pausa";
    let args =
        ["--throttle-query", query, "--rows-per-second", "10", "--connections", "1", "--unavailable-timeout", "2s"];
    let started = Instant::now();
    let child = scene.start(&[&["replay", "--output", "json"], &args[..]].concat());
    wait_for("rows are written", || scene.rows() > 0);
    sql(&scene, "DROP TABLE pausa");
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert!(ran.code == Some(3) && started.elapsed() < Duration::from_secs(30), "{ran:?}");
    let stopped = ran.json["stopped"].as_str().unwrap();
    assert!(stopped.contains("--unavailable-timeout") && stopped.contains(query), "{stopped}");
    assert_eq!(ran.stderr.matches("WARN paused: ").count(), 1, "{}", ran.stderr);
    scene.run(&["replay", "--resume"]).expect(0, &[("listed", 52)]);
}

/// The batch is split to find the rejected rows, and counts once for the rate limit.
#[test]
fn rows_rejected_by_another_key_are_reported_and_count_once_for_the_rate() {
    let scene = lost();
    sql(&scene, "CREATE UNIQUE INDEX strange ON historico_consumo (data)");
    let ran = scene.run(&["replay", "--rows-per-second", "26"]);
    ran.expect(1, &[("inserted", 4), ("rejected", 48)]);
    let reason = ran.json["problems"]["items"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("another unique index"), "{reason}");
    assert!(number(&ran, "seconds") < 4.0, "52 rows at 26 per second: {ran:?}");
    scene.run(&["replay"]).expect(1, &[("identical", 4), ("rejected", 48)]);
}

#[test]
fn a_throttle_query_can_only_read() {
    let (scene, count) = crate::store_state::whole();
    let before = crate::store_state::rows(&scene);
    for query in [
        "DELETE FROM historico_consumo",
        "PRAGMA user_version = 7",
        "SELECT 0; DELETE FROM historico_consumo",
        "WITH x AS (SELECT 1) DELETE FROM historico_consumo",
    ] {
        let ran = scene.run(&["replay", "--throttle-query", query]);
        assert_eq!(ran.code, Some(2), "{query}: {ran:?}");
        std::fs::write(scene.path("ruminate.toml"), format!("throttle_query = \"{query}\"")).unwrap();
        assert_eq!(scene.run(&["replay"]).code, Some(2), "{query}");
        std::fs::remove_file(scene.path("ruminate.toml")).unwrap();
        assert!(crate::store_state::rows(&scene) == before, "{query}");
    }
    let query = "SELECT count(*) > 1000000 FROM historico_consumo -- rows";
    scene.run(&["replay", "--throttle-query", query]).expect(0, &[("identical", count)]);
}
