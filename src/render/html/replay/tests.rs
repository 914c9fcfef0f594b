//! Tests of the page: recovered, not recovered, stopped, resumed, hostile data, large data.

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::category::ObjectCategory;
use crate::outcome::{CommandOutcome as _, Counter as _, ShardTimes};
use crate::reader::Skip;
use crate::render::html::unbroken::without_marks;
use crate::render::html::{MAX_BYTES, render, write};
use crate::replay::{Counter, DayCounts, ObjectCounts, Outcome, Pause, ReplayOptions, TableSwap};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse().unwrap())
}

fn put(outcome: &mut Outcome, farm: &str, day: NaiveDate, cell: DayCounts) {
    outcome.days.insert((farm.into(), day), cell);
}

const OVERWRITTEN: ObjectCategory = ObjectCategory::Own(Counter::Overwritten);

fn counts(of: &[(Counter, u64)]) -> ObjectCounts {
    let mut counts = ObjectCounts::default();
    of.iter().for_each(|(counter, n)| counts[*counter] = *n);
    counts
}

fn back() -> Outcome {
    let mut outcome = Outcome {
        run_id: "0199a1b2-0000-7000-8000-000000000001".into(),
        command: "ruminate replay --lake s3://fazendas/historico_diario --warehouse 'mysql://ana:***@db/fazendas'"
            .into(),
        lake: "s3://fazendas/historico_diario".into(),
        warehouse: "mysql://ana:***@db/fazendas table historico_consumo".into(),
        options: ReplayOptions { on_conflict: "keep".into(), ..ReplayOptions::default() },
        cutoff: at("2026-11-22T18:53:15Z"),
        method: "LOAD DATA LOCAL INFILE: the server allows it".into(),
        counts: counts(&[(Counter::Listed, 99_764), (Counter::Inserted, 99_000), (Counter::Identical, 764)]),
        seconds: 40.0,
        transactions: 25,
        reading_seconds: 20.0,
        loading_seconds: 60.0,
        newest_row_ts: at("2026-11-22T18:49:03Z"),
        newest_data: at("2026-11-22T12:00:00Z"),
        ..Outcome::default()
    };
    for n in 0..4 {
        let cell = DayCounts::from([(Counter::Listed, 24_941)]);
        put(&mut outcome, "fazenda_um", day("2026-11-19") + Days::new(n), cell);
    }
    outcome.check().unwrap();
    outcome
}

/// Returns an outcome with five objects of every result, with `text` in all places for data.
fn every_category(text: &str) -> Outcome {
    let mut outcome = back();
    outcome.counts[Counter::Conflicting] = 10;
    (
        outcome.counts[Counter::Overwritten],
        outcome.counts[Counter::Rejected],
        outcome.counts[Counter::Archived],
        outcome.counts[Counter::Unreadable],
    ) = (5, 5, 5, 5);
    (outcome.counts[Counter::NotFound], outcome.counts[Counter::Mismatched], outcome.counts[Counter::Verified]) =
        (5, 5, 99_000);
    (outcome.counts[Counter::NotLoaded], outcome.counts[Skip::Unrecognized], outcome.counts[Skip::AfterCutoff]) =
        (5, 5, 5);
    (outcome.counts[Counter::ProcessedLater], outcome.counts[Counter::DataRange], outcome.counts[Skip::FutureDated]) =
        (5, 5, 5);
    outcome.counts[Skip::NotInPart] = 5;
    outcome.counts[Counter::Listed] += 10 + 15 + 35;
    for kind in ObjectCategory::all().into_iter().map(ObjectCategory::name).chain(["skipped"]) {
        (0..5).for_each(|_| outcome.problems.add(kind, text, text));
    }
    let missing = Counter::ALL.iter().copied().filter(|counter| counter.is_missing());
    let mut cell = DayCounts::from([(Counter::Listed, 60), (Counter::DataRange, 30)]);
    missing.for_each(|counter| cell.add(counter, 5));
    put(&mut outcome, text, day("2026-11-20"), cell);
    put(&mut outcome, text, day("2026-11-21"), DayCounts::from([(Counter::Listed, 9), (Counter::DataRange, 9)]));
    outcome.pauses.push(Pause { reason: text.into(), count: 3, seconds: 4.5 });
    outcome.undo_file = Some(text.into());
    outcome.table_swap = Some(TableSwap {
        reason: None,
        shadow: text.into(),
        table: text.into(),
        old: Some(text.into()),
        swapped: true,
        only_in_old: 2,
        added_before_swap: 0,
        caught_up: 7,
    });
    outcome.check().unwrap();
    outcome
}

fn head(html: &str) -> &str {
    &html[html.find("<h1>").unwrap()..html.find("</header>").unwrap()]
}

#[test]
fn a_recovered_warehouse_is_shown_first() {
    let html = without_marks(&render(&back()).unwrap());
    let head = head(&html);
    assert!(head.contains("Warehouse recovered"), "{head}");
    assert!(head.contains("99,764 of 99,764 records are in the warehouse"), "{head}");
    assert!(head.contains("newest processed 2026-11-22 18:49 UTC"), "{head}");
    assert!(html.contains("verdict clean") && html.contains("Every record that was read is in the warehouse"));
    assert!(html.contains("4 min 12 s before the cutoff"), "the recovery point has its distance");
    assert!(html.contains("all fully recovered"));
    assert!(!html.contains("class=\"group\"") && !html.contains("id=\"changed\""));
}

#[test]
fn a_requested_part_is_not_shown_as_the_whole() {
    let mut outcome = back();
    outcome.options.processed_until = at("2026-11-22T18:50:00Z");
    let html = without_marks(&render(&outcome).unwrap());
    assert!(head(&html).contains("Everything requested was recovered"));
    assert!(html.contains("Records processed after 2026-11-22 18:50:00 UTC were not replayed"));
    assert!(!html.contains("Warehouse recovered"));
}

#[test]
fn every_category_is_in_the_breakdown_and_missing_records_have_a_section() {
    let outcome = every_category("fazenda_dois/2026/11/20/x.json");
    let html = render(&outcome).unwrap();
    assert!(head(&html).contains("30 records not recovered"), "{}", head(&html));
    for category in ObjectCategory::all() {
        assert!(html.contains(&format!("<code>{}</code>", category.name())), "{}", category.name());
        let section = format!("<section id=\"{}\"", category.name());
        let expected = ObjectCategory::missing().contains(&category) || category == OVERWRITTEN;
        assert_eq!(html.contains(&section), expected, "{}", category.name());
        assert_eq!(html.contains(&format!("href=\"#{}\"", category.name())), expected, "{}", category.name());
    }
    for text in ["25 of 50", "5 conflicting, 5 rejected", "skipped", "Waiting: fazenda_dois", "RENAME TABLE"] {
        let text = text.replace("25 of 50", "<b>5</b> <span class=\"bar\">of</span> <b>30</b>");
        assert!(html.contains(&text), "{text}");
    }
}

#[test]
fn the_breakdown_adds_up_on_the_page() {
    let outcome = every_category("x");
    let html = render(&outcome).unwrap();
    let breakdown = &html[html.find("<div class=\"breakdown\">").unwrap()..];
    let breakdown = &breakdown[..breakdown.find("</p>").unwrap()];
    let parts: u64 = breakdown
        .split("<span class=\"nb\">")
        .skip(1)
        .map(|part| part.split(' ').next().unwrap().replace(',', "").parse::<u64>().unwrap())
        .sum();
    assert_eq!(parts, outcome.counts[Counter::Listed], "{breakdown}");
    assert!(breakdown.contains("99,824 objects ="), "{breakdown}");
}

#[test]
fn a_run_that_stopped_claims_nothing() {
    let mut outcome = back();
    outcome.stopped = Some("the server went away".into());
    for (run, how) in [("0199a1b2", "with --resume"), ("", "again")] {
        outcome.run_id = run.into();
        let html = without_marks(&render(&outcome).unwrap());
        assert!(head(&html).contains("Stopped early") && head(&html).contains("99,764 records are recovered so far"));
        let todo = format!("To resume, run the same command {how}.");
        assert!(!html.contains("Warehouse recovered") && html.contains(&todo), "{todo}");
        assert!(html.contains("verdict stopped"));
    }
}

#[test]
fn a_resumed_run_shows_no_rate_of_what_it_did_not_do() {
    let mut outcome = back();
    let whole = "99,764 objects, 4,988&#x2f;s";
    assert!(render(&outcome).unwrap().contains(whole));
    outcome.resumed = true;
    let html = render(&outcome).unwrap();
    assert!(!html.contains(whole) && html.contains(", resumed") && html.contains("those of the last session"));
}

#[test]
fn a_merged_replay_shows_its_shards_and_what_a_merge_can_do() {
    let mut outcome = back();
    (outcome.shards, outcome.seconds) = (ShardTimes::of([10.0, 30.0, 20.0]), 31.0);
    let (html, text) = (without_marks(&render(&outcome).unwrap()), outcome.to_string());
    let times = "3 shards of 60.00 s in total, the longest 30.00 s, and a merge of 1.00 s";
    assert_eq!(text.lines().next().unwrap(), format!("replay: 99,764 objects in {times}"));
    for part in [times, "All shards, added up", "The longest shard", "The merge", "ruminate plan replay"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.contains("added up over all shards, which may have run at the same time"));
    assert!(html.contains("when the run was planned") && html.contains("<dt>Plan</dt>"), "{html}");
    outcome.counts[Counter::Listed] += 2;
    outcome.counts[Counter::Archived] += 1;
    outcome.counts[Counter::Conflicting] += 1;
    (0..60).for_each(|n| outcome.problems.add("skipped", n.to_string(), "why"));
    outcome.stopped = Some("interrupted".into());
    let (html, text) = (without_marks(&render(&outcome).unwrap()), outcome.to_string());
    assert!(text.ends_with("to resume, run the same command again\n"), "{text}");
    assert!(text.contains("\nplan ") && text.contains("with -v each shard logs its own)"), "{text}");
    for merged in
        ["replay again with a new plan", "a single <code class=\"flag\">ruminate replay --on-conflict overwrite</code>"]
    {
        assert!(html.contains(merged), "{merged}: {html}");
    }
    // What only a single run has or can do.
    for single in [
        "The whole run",
        "shows the plan without changing anything",
        "objects, 4,988&#x2f;s",
        "when the run started",
        "<dt>Run</dt>",
        "-v logs",
        "--resume",
        "then run the same command again",
        "had not been listed when it stopped",
        "Objects that were not listed yet",
    ] {
        assert!(!html.contains(single) && !text.contains(single), "{single}");
    }
}

#[test]
fn a_replay_that_recovered_nothing_is_not_a_success() {
    let html = render(&Outcome::default()).unwrap();
    assert!(head(&html).contains("Nothing recovered") && head(&html).contains("check the address"));
    assert!(!html.contains("verdict clean") && html.contains("there is no recovery point"));
    let mut unrecognized = Outcome { counts: counts(&[(Counter::Listed, 3)]), ..Outcome::default() };
    unrecognized.counts[Skip::Unrecognized] = 3;
    assert!(render(&unrecognized).unwrap().contains("No object has a recognized name: check the prefix"));
    let skipped =
        Outcome { counts: counts(&[(Counter::Listed, 3), (Counter::ProcessedLater, 3)]), ..Outcome::default() };
    let html = without_marks(&render(&skipped).unwrap());
    assert!(html.contains("The filters exclude 3 records processed after --processed-until"));
    let mut late = Outcome { counts: counts(&[(Counter::Listed, 3)]), ..Outcome::default() };
    late.counts[Skip::AfterCutoff] = 3;
    assert!(render(&late).unwrap().contains("All of 3 objects were skipped: check the options"));
    let unnamed = Outcome { counts: counts(&[(Counter::NotFound, 3)]), ..Outcome::default() };
    assert!(head(&render(&unnamed).unwrap()).contains("3 records not recovered"));
}

#[test]
fn a_new_table_that_was_not_swapped_in_is_no_success() {
    let mut outcome = back();
    outcome.table_swap = Some(TableSwap {
        shadow: "historico_consumo_new".into(),
        reason: Some("<i>3 records are missing".into()),
        ..TableSwap::default()
    });
    let html = render(&outcome).unwrap();
    assert!(head(&html).contains("not yet swapped in") && html.contains("the table in use is unchanged"));
    assert!(html.contains("Reason: &lt;i&gt;3 records are missing"));
    assert!(!html.contains("RENAME TABLE"));
}

#[test]
fn a_requested_farm_without_data_is_named() {
    let mut outcome = back();
    outcome.options.farms = vec!["fazenda_um".into(), "<b>fazenda_zero".into()];
    let html = render(&outcome).unwrap();
    assert!(html.contains("Nothing was listed for &lt;b&gt;fazenda_zero, although requested"));
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "\"'><script>alert(1)</script>&lt;{{ 7*7 }}{% raw %}\u{202e}\0\n</style><!--`";
    let mut outcome = every_category(hostile);
    (outcome.lake, outcome.warehouse, outcome.run_id) = (hostile.into(), hostile.into(), hostile.into());
    (outcome.method, outcome.command) = (hostile.into(), hostile.into());
    outcome.options.farms = vec![hostile.into(), format!("{hostile}2")];
    outcome.options.on_conflict = hostile.into();
    for long in [false, true] {
        if long {
            put(&mut outcome, hostile, day("2027-12-30"), DayCounts::from([(Counter::Listed, 3)])); // calendars
            outcome.stopped = Some(hostile.into());
        }
        let html = render(&outcome).unwrap();
        for raw in ["<script", "alert(1)</", "<!--", "'>", "\u{202e}", "\0"] {
            assert!(!html.contains(raw), "{raw:?}");
        }
        assert!(html.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;"));
        assert!(html.contains("&amp;lt;{{ 7*7 }}{% raw %}"));
        assert_eq!(html.matches("</style>").count(), 1);
    }
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    let html = render(&every_category("x")).unwrap();
    for loads in ["<script", "src=", "<link", "@import", "url(", "http:", "https:", "onclick", "javascript:"] {
        assert!(!html.contains(loads), "{loads}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn ten_thousand_problems_fit_and_no_kind_hides_another() {
    let mut outcome = every_category("x");
    outcome.problems = crate::outcome::Problems::default();
    let worst = "\"".repeat(1_024);
    for category in ObjectCategory::missing().into_iter().chain([OVERWRITTEN]) {
        for n in 0..10_000 {
            outcome.problems.add(category.name(), format!("{} {n} {worst}", category.name()), &worst);
        }
    }
    (outcome.counts[Counter::Rejected], outcome.counts[Counter::Listed]) =
        (10_000, outcome.counts[Counter::Listed] + 9_995);
    outcome.check().unwrap();
    let html = render(&outcome).unwrap();
    assert!(html.len() < MAX_BYTES, "{}", html.len());
    for category in ObjectCategory::missing() {
        assert!(html.contains(&format!("<code class=\"key\">{} 0 ", category.name())), "{}", category.name());
    }
    let rejected = html.matches("<code class=\"key\">rejected ").count();
    let more = crate::render::count(10_000 - rejected as u64);
    assert!(html.contains(&format!("{more} further findings of this kind")), "{rejected} of 10,000 shown");
}

#[test]
fn many_farms_and_days_fit() {
    for (farms, days) in [(10, 3_650), (100, 365), (1_000, 365), (36_500, 1)] {
        let mut outcome = back();
        for farm in 0..farms {
            for n in (0..days).filter(|n| days == 1 || n % 50 != 49) {
                let cell = DayCounts::from([(Counter::Listed, 1_200 + n), (Counter::Rejected, u64::from(n % 9 == 0))]);
                put(
                    &mut outcome,
                    &format!("fazenda_{farm:05}{}", "\"".repeat(100)),
                    day("2022-01-01") + Days::new(n),
                    cell,
                );
            }
        }
        let html = render(&outcome).unwrap();
        assert!(html.len() < MAX_BYTES, "{farms} farms: {}", html.len());
        assert!(html.contains("class=\"months by-") && html.contains("Incomplete days, as a list"));
    }
}

#[test]
fn the_page_and_the_exit_code_agree() {
    let html = render(&every_category("x")).unwrap();
    assert!(html.contains(&format!("exit code {}", every_category("x").exit().code())));
}

#[test]
fn a_file_is_complete_or_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.html");
    write(&path, &back()).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("</html>"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(write(&dir.path().join("none/r.html"), &back()).is_err());
}

#[test]
fn the_terminal_shows_the_same_as_the_page() {
    let text = every_category("x").to_string();
    for line in [
        "  after --processed-until",
        "paused 3 times, 4.50 s in total, for x",
        "newest record recovered: processed 2026-11-22 18:49:03 UTC, 4 min 12 s before the cutoff",
        "undo file: x",
        "x now is the new table; the old one is x",
        "2 rows exist only in the old table",
        "run 0199a1b2-0000-7000-8000-000000000001",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    assert!(!back().to_string().contains("paused"));
}
