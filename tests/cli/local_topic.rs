//! `publish --topic local`: what the intake did with each message is counted, named, and sets the exit code.

use testkit::{Ran, Scene};

const PUBLISH: [&str; 4] = ["publish", "--topic", "local", "history.json"];

/// Returns a scene with a history of N readings, and empty stores.
fn ready() -> (Scene, u64) {
    let scene = Scene::embedded();
    let readings = scene.history(1, 10, 2);
    scene.run(&["init"]).expect(0, &[]);
    (scene, readings)
}

/// Asserts the counts of the intake; the others are 0.
#[track_caller]
fn expect_local(ran: &Ran, counts: &[(&str, u64)]) {
    let local = ran.json["local"].as_object().unwrap_or_else(|| panic!("{ran:?}"));
    for name in ["stored", "existing", "conflicting", "rows_refused", "quarantined"] {
        let expected = counts.iter().find(|(known, _)| *known == name).map_or(0, |(_, n)| *n);
        assert_eq!(local[name].as_u64(), Some(expected), "{name}: {ran:?}");
    }
    assert_eq!(counts.iter().map(|(_, n)| n).sum::<u64>(), ran.json["published"].as_u64().unwrap());
}

/// Returns true if a text has an indented line of these words, in columns of any width.
fn has_row(text: &str, words: &str) -> bool {
    text.lines().any(|line| line.starts_with("    ") && line.split_whitespace().eq(words.split(' ')))
}

#[test]
fn new_and_repeated_messages_are_counted_separately_and_are_not_findings() {
    let (scene, readings) = ready();
    let first = scene.run(&PUBLISH);
    first.expect(0, &[("published", readings)]);
    expect_local(&first, &[("stored", readings)]);
    let again = scene.run(&PUBLISH);
    again.expect(0, &[("published", readings)]);
    expect_local(&again, &[("existing", readings)]);
    let text = scene.text(&PUBLISH).stdout;
    assert!(has_row(&text, &format!("already stored {readings}")), "{text}");
}

#[test]
fn a_row_with_other_values_is_a_finding_that_names_the_record() {
    let (scene, readings) = ready();
    scene.run(&PUBLISH).expect(0, &[]);
    assert_eq!(scene.sql("UPDATE historico_consumo SET peso_medio = 1 WHERE rowid = 1"), 1);
    let ran = scene.run(&PUBLISH);
    ran.expect(1, &[("published", readings), ("failed", 0)]);
    expect_local(&ran, &[("existing", readings - 1), ("conflicting", 1)]);
    let problem = &ran.json["problems"]["items"][0];
    assert_eq!(problem["kind"], "conflicting", "{ran:?}");
    assert!(problem["reason"].as_str().unwrap().contains("peso_medio"), "{problem}");
    assert_eq!(problem["key"].as_str().unwrap().len(), 36, "the id of the record: {problem}");
    scene.run(&[&PUBLISH[..], &["--fail-if", "failed > 0"]].concat()).expect(0, &[]);
}

#[test]
fn a_quarantined_message_is_a_finding_that_names_its_place() {
    let (scene, readings) = ready();
    let history = std::fs::read_to_string(scene.path("history.json")).unwrap();
    std::fs::write(scene.path("history.json"), format!("{history}{{broken\n")).unwrap();
    scene.run(&PUBLISH).expect(1, &[("published", readings), ("invalid", 1)]);
    let args = [&PUBLISH[..], &["--send-invalid", "--report", "page.html"]].concat();
    let ran = scene.run(&args);
    ran.expect(1, &[("published", readings + 1), ("invalid", 0)]);
    expect_local(&ran, &[("existing", readings), ("quarantined", 1)]);
    let key = ran.json["problems"]["items"][0]["key"].as_str().unwrap().to_owned();
    assert!(scene.path("quarentena").join(&key).exists(), "{key}");
    assert_eq!(ran.json["local"]["quarantine"].as_str(), scene.path("quarentena").to_str());
    let page = std::fs::read_to_string(scene.path("page.html")).unwrap();
    assert!(page.contains("<b>Intake</b>") && page.contains("1 quarantined") && page.contains("id=\"intake\""));
    let text = scene.text(&args).stdout;
    assert!(has_row(&text, "quarantined 1") && text.contains("quarantined messages are stored in"), "{text}");
    assert!(text.ends_with("\nexit code 1: 1 message was quarantined or in conflict\n"), "{text}");
    let text = scene.text(&PUBLISH).stdout;
    assert!(text.ends_with("\nexit code 1: 1 message was not published\n"), "{text}");
    let text = scene.text(&[&PUBLISH[..], &["--fail-if", "invalid > 0; failed > 0"]].concat()).stdout;
    assert!(text.ends_with("\nexit code 1: 1 of 2 conditions of --fail-if failed\n"), "{text}");
    let text = scene.text(&[&PUBLISH[..], &["--fail-if", "failed > 0"]].concat()).stdout;
    assert!(!text.contains("exit code"), "{text}");
}
