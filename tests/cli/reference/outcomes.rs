//! The page of the JSON outcomes: one table per command.

use std::fmt::Write as _;

use super::types::{Row, Sources};
use super::{cell, repository};

const INTRODUCTION: &str = "\
# JSON outcomes

<!-- Generated: UPDATE_REFERENCE=1 cargo test --test cli reference -->

With `--output json` a command prints one JSON object to stdout and nothing else. Its fields are listed here. `a.b` is the field `b` of
the object `a`; `a[].b` is the field `b` of each element of the list `a`. Fields marked \"may be absent\" are written only if they have a
value. [Accounting](../accounting.md) shows which counts add up, and [exit codes](exit-codes.md) which of them make a run end with 1.
";

/// Commands with the type of their outcome.
const OUTCOMES: [(&str, &str); 17] = [
    ("generate", "ruminate::generate::outcome"),
    ("publish", "ruminate::publish::outcome"),
    ("backfill", "ruminate::backfill::outcome"),
    ("process", "ruminate::process::outcome"),
    ("replay", "ruminate::replay::outcome"),
    ("replay --dry-run", "ruminate::replay::outcome::preview"),
    ("reconcile", "ruminate::reconcile::outcome"),
    ("undo", "ruminate::undo::outcome"),
    ("compact", "ruminate::compact::outcome"),
    ("restore", "ruminate::restore::outcome"),
    ("plan", "ruminate::fleet::outcome"),
    ("shard", "ruminate::fleet::outcome"),
    ("merge with missing shards", "ruminate::fleet::missing_shards"),
    ("bundle", "ruminate::bundle::outcome"),
    ("doctor", "ruminate::doctor::outcome"),
    ("init", "ruminate::init"),
    ("demo", "ruminate::demo::outcome"),
];

/// Commands of the demo whose outcomes are compared with the page.
pub const NAMES: [&str; 5] = ["generate", "publish", "compact", "replay", "reconcile"];

fn rows(name: &str) -> Vec<Row> {
    let (_, module) = OUTCOMES.iter().find(|(known, _)| *known == name).unwrap();
    let root = match name {
        "plan" => "PlanOutcome",
        "shard" => "ShardReport",
        "merge with missing shards" => "MissingShards",
        _ if module.ends_with("preview") => "Preview",
        _ => "Outcome",
    };
    Sources::read(&repository("")).rows(module, root)
}

/// Returns the names of a command's fields that are documented, at the top of its outcome.
pub fn fields(name: &str) -> Vec<String> {
    rows(name).into_iter().map(|row| row.name).filter(|name| !name.contains(['.', '['])).collect()
}

/// Returns the page.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (name, _) in OUTCOMES {
        write!(page, "\n## {name}\n\n").unwrap();
        table(&mut page, &rows(name));
    }
    write!(
        page,
        "\n## Problems\n\nInputs with a problem, one by one: the first thousand, and at least twenty of each kind.\n\n"
    )
    .unwrap();
    table(&mut page, &Sources::read(&repository("")).rows("ruminate::outcome::problems", "Problems"));
    page
}

fn table(page: &mut String, rows: &[Row]) {
    page.push_str("| field | type | meaning |\n| --- | --- | --- |\n");
    for Row { name, kind, doc } in rows {
        writeln!(page, "| `{name}` | {} | {} |", cell(kind), cell(doc)).unwrap();
    }
}
