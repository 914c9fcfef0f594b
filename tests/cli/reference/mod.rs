//! The generated pages of `docs/reference`: every flag, from clap; every field of an outcome, from the types that serialize it.
//!
//! `UPDATE_REFERENCE=1 cargo test --test cli reference` writes the pages. Without it the tests fail if a committed page does not
//! match the code.

use std::fs;
use std::path::{Path, PathBuf};

use testkit::Scene;

mod commands;
mod outcomes;
mod types;

/// Returns a path of the repository.
pub(super) fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a generated page with the committed one, or writes it if that is requested.
fn expect(name: &str, page: &str) {
    let path = repository("docs/reference").join(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differing = committed.lines().zip(page.lines()).find(|(one, other)| one != other);
    assert!(
        committed == page,
        "docs/reference/{name} does not match the code: run UPDATE_REFERENCE=1 cargo test --test cli reference\n{differing:#?}"
    );
}

/// Returns a text for a cell of a table.
fn cell(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut escaped = String::new();
    // Markdown reads <FILE> as a tag, but not in a code span.
    for (n, part) in text.split('`').enumerate() {
        if n > 0 {
            escaped.push('`');
        }
        let part = part.replace('|', "\\|");
        escaped.push_str(&if n % 2 == 0 { part.replace('<', "&lt;").replace('*', "\\*") } else { part });
    }
    escaped
}

#[test]
fn the_page_of_commands_matches_clap() {
    expect("commands.md", &commands::page());
}

#[test]
fn the_page_of_outcomes_is_what_the_types_serialize() {
    expect("outcomes.md", &outcomes::page());
}

#[test]
fn real_outcomes_have_no_field_that_the_page_lacks() {
    let scene = Scene::new();
    let demo = scene.run(&["demo"]);
    demo.expect(0, &[]);
    let mut outcomes = vec![("demo", demo.json.clone())];
    for step in demo.json["steps"].as_array().unwrap() {
        let last = step["commands"].as_array().and_then(|commands| commands.last()?.as_str());
        let command = last.unwrap_or_default().split(' ').nth(1).unwrap_or_default();
        if let Some(known) = outcomes::NAMES.iter().find(|known| **known == command) {
            outcomes.push((*known, step["outcome"].clone()));
        }
    }
    let stores = ["--lake", "demo/lake", "--warehouse", "sqlite:demo/warehouse.db"];
    let further: [(&str, &[&str]); 5] = [
        ("replay --dry-run", &["replay", "--dry-run"]),
        ("backfill", &["backfill", "demo/histories/FazendaUm_Consumo_20260101.json"]),
        ("restore", &["restore", "--to", "restored"]),
        ("doctor", &["doctor"]),
        ("init", &["init"]),
    ];
    for (name, args) in further {
        let of_the_lake = match name {
            "init" => &stores[2..],
            "restore" => &stores[..2],
            _ => &stores[..],
        };
        outcomes.push((name, scene.run(&[args, of_the_lake].concat()).json));
    }
    assert!(outcomes.len() >= 7, "{outcomes:?}");
    for (name, outcome) in outcomes {
        let known = outcomes::fields(name);
        let fields = outcome.as_object().unwrap_or_else(|| panic!("{name}: {outcome}"));
        for field in fields.keys() {
            assert!(known.iter().any(|known| known == field), "{name}: {field} is not documented");
        }
    }
}
