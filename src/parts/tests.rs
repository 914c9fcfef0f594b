//! Parts as files: rows come back exactly, the same rows give the same bytes, and no damage is accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::*;
use pipeline::lake::memory::Memory;
use pipeline::lake::{Key, Lake, ObjectMeta, head};
use pipeline::record::{PARTS, Record};
use testkit::conformance::warehouse::record;

const LAKE: &str = "s3://bucket/lake";

fn day(n: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2023, 1, n).unwrap()
}

fn written_at(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_700_000_000_000_000 + n * 1_000_003).unwrap()
}

/// Returns a row of a farm's day.
fn row(day: NaiveDate, n: u32) -> PartRow {
    let mut record = record(n);
    record.reading.cod_cliente = "FazendaUm".into();
    record.reading.data = day.and_hms_milli_opt(0, 0, n % 60, n % 1_000).unwrap().and_utc();
    record.id_treated_data = pipeline::record::reading_id(&record.reading).to_string();
    let body = Bytes::from(record.object_from_values());
    let key = Key::of(&record).unwrap().to_string();
    let record = Record::parse(&body).unwrap();
    PartRow {
        key,
        etag: format!("{n:032x}"),
        size: body.len() as u64,
        modified: written_at(i64::from(n)),
        content: Content::Record(Box::new(record)),
        body: Some(body),
        extra: None,
    }
}

/// Returns a row whose object holds these bytes.
fn row_of_bytes(day: NaiveDate, name: &str, body: &'static [u8]) -> PartRow {
    let key = format!("fazenda_um/{}/historico_consumo_{day} 00:00:00.000_{name}.json", day.format("%Y/%m/%d"));
    PartRow {
        key,
        content: Content::parse(body),
        body: Some(Bytes::from_static(body)),
        size: body.len() as u64,
        ..row(day, 0)
    }
}

fn name() -> PartName {
    PartName { farm: "fazenda_um".into(), month: Month::of(day(1)), day: None }
}

fn sorted(rows: impl IntoIterator<Item = PartRow>) -> Vec<PartRow> {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

fn rows() -> Vec<PartRow> {
    let days = (1..4).flat_map(|d| (0..40).map(move |n| row(day(d), d * 1_000 + n)));
    let others = [
        row_of_bytes(day(2), "empty", b""),
        row_of_bytes(day(2), "latin", b"{\"nome\":\"s\xe3o\"}"),
        row_of_bytes(day(2), "no json ç'\"+%20", b"{\"a\":"),
        row_of_bytes(day(2), "other", b"{\"a\":1}"),
    ];
    sorted(days.chain(others))
}

fn encode(rows: &[PartRow], bodies: bool) -> Vec<u8> {
    let mut writer = PartWriter::new(Vec::new(), &name(), LAKE, bodies).unwrap();
    rows.iter().for_each(|row| writer.push(row).unwrap());
    writer.finish(&BTreeMap::from([(day(2), 3)])).unwrap().out
}

/// Replaces the file of the part, and opens it.
async fn opened(file: Vec<u8>) -> Result<Arc<Part>, Distrust> {
    let parts = Memory::default().sibling(PARTS);
    parts.put_new(&name().key(), file.into()).await.unwrap();
    let meta = head(&*parts, &name().key()).await.unwrap().unwrap();
    Part::open(parts, meta, &name(), LAKE).await.map(Arc::new)
}

async fn decoded(part: &Arc<Part>, wanted: Wanted) -> Result<Vec<PartRow>, Distrust> {
    part.load(part.all_rows(), wanted).await?;
    let rows = PartRows::new(Arc::clone(part), Arc::default(), part.all_rows(), wanted);
    let rows: Vec<_> = CompleteRows(rows).collect();
    part.failure().map_or(Ok(rows), Err)
}

#[tokio::test]
async fn rows_come_back_exactly_with_and_without_their_bodies() {
    let rows = rows();
    let part = opened(encode(&rows, true)).await.unwrap();
    assert_eq!(decoded(&part, Wanted::Everything).await.unwrap(), rows);
    let without: Vec<_> = rows.iter().map(|row| PartRow { body: None, ..row.clone() }).collect();
    assert_eq!(decoded(&part, Wanted::Data).await.unwrap(), without);
    let footer = part.footer();
    assert_eq!((footer.rows, footer.days.len(), footer.bodies), (124, 3, true));
    let second = footer.day(day(2)).unwrap();
    assert_eq!((second.first_row, second.rows, second.rejected, second.listed), (40, 44, 4, 47));
    assert_eq!(footer.cutoff, rows.iter().map(|row| row.modified).max());
}

#[tokio::test]
async fn a_row_without_its_body_keeps_fields_that_are_no_columns_and_bodies_without_a_record() {
    let body = r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":1,"peso_medio":2,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"5","dia_confinamento":"6","consumo_real":9,"cod_cliente":"FazendaUm","nota":{"ração":[1, 2.50]},"consumo_meta":6,"id_treated_data":"x","row_ts":"2026-11-22T18:49:03","outro":null}"#;
    let record = PartRow::new(row(day(1), 1).meta(), Content::parse(body.as_bytes()), Bytes::from(body));
    assert!(record.content.is_record());
    let without = record.without_body();
    assert_eq!((without.body, without.extra.as_deref()), (None, Some(r#"{"nota":{"ração":[1, 2.50]},"outro":null}"#)));
    assert_eq!(row(day(1), 1).without_body().extra, None);
    assert_eq!(row_of_bytes(day(1), "x", b"[]").without_body().body, Some(Bytes::from_static(b"[]")));
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let rows = rows();
    assert_eq!(encode(&rows, true), encode(&rows, true));
    let mut other = rows.clone();
    other[3].etag = "x".into();
    assert_ne!(encode(&rows, true), encode(&other, true));
}

#[test]
fn keys_out_of_order_or_of_another_month_are_rejected() {
    let mut writer = PartWriter::new(Vec::new(), &name(), LAKE, true).unwrap();
    let rows = rows();
    writer.push(&rows[1]).unwrap();
    for wrong in [&rows[0], &rows[1], &row(NaiveDate::from_ymd_opt(2023, 2, 1).unwrap(), 1)] {
        assert_eq!(writer.push(wrong).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
}

/// A day's rows are read in any order and from any window, across row groups.
#[tokio::test]
async fn days_are_read_in_any_order_across_pages_and_row_groups() {
    let counts = [900_u32, 1, 20_000, 15_000, 300, 2_047];
    let days = counts.iter().zip(1..).flat_map(|(count, d)| (0..*count).map(move |n| row(day(d), n)));
    let rows = sorted(days);
    let part = opened(encode(&rows, true)).await.unwrap();
    assert_eq!(part.footer().groups.len(), 2, "more rows than a row group has");
    let windows = Arc::new(WindowCache::default());
    for d in [3_usize, 1, 6, 2, 5, 4, 3] {
        let facts = part.footer().day(day(d as u32)).unwrap().clone();
        assert_eq!(facts.rows, u64::from(counts[d - 1]));
        let expected = &rows[facts.first_row as usize..][..facts.rows as usize];
        let (of_day, cache) = (part.rows_of(&facts), Arc::clone(&windows));
        part.load(of_day.clone(), Wanted::Data).await.unwrap();
        let mut matching =
            Matching::new(super::windows::Contents(PartRows::new(Arc::clone(&part), cache, of_day, Wanted::Data)));
        for row in expected {
            assert_eq!(matching.take(&row.meta()).as_ref(), Some(&row.content), "{}", row.key);
        }
        assert!(matching.is_used_up());
    }
}

#[tokio::test]
async fn objects_that_changed_or_are_new_are_not_taken_from_a_part() {
    let rows = rows();
    let part = opened(encode(&rows, true)).await.unwrap();
    part.load(part.all_rows(), Wanted::Data).await.unwrap();
    let known = PartRows::new(Arc::clone(&part), Arc::default(), part.all_rows(), Wanted::Data);
    let mut matching = Matching::new(super::windows::Contents(known));
    let mut taken = 0;
    for (n, row) in rows.iter().enumerate() {
        let meta = row.meta();
        let listed = match n % 5 {
            0 => ObjectMeta { etag: "other".into(), ..meta },
            1 => ObjectMeta { size: meta.size + 1, ..meta },
            2 => ObjectMeta { key: format!("{}x", meta.key), ..meta },
            3 => continue, // deleted
            _ => meta,
        };
        let found = matching.take(&listed);
        assert_eq!(found.is_some(), n % 5 == 4, "{n}");
        taken += usize::from(found.is_some());
    }
    assert_eq!(taken, rows.len() / 5);
    let (gone, changed) = matching.finish();
    assert_eq!((gone + changed + taken as u64) as usize, rows.len());
}

/// For every byte that is changed: the rows are those that were written, or none.
#[tokio::test]
async fn no_damaged_byte_and_no_truncation_gives_another_row() {
    let rows = sorted((0..12).map(|n| row(day(1 + n % 2), n)).chain([row_of_bytes(day(1), "x", b"\xff")]));
    let whole = encode(&rows, true);
    let (mut refused, mut unused) = (0, 0);
    let check = async |file: Vec<u8>, what: String| match opened(file).await {
        Err(_) => true,
        Ok(part) => match decoded(&part, Wanted::Everything).await {
            Err(_) => true,
            Ok(read) => {
                assert!(read == rows, "{what} gives other rows");
                false
            }
        },
    };
    // The footer is decoded before it is verified, so most of its bytes are tried: with a step of 1 the result is the
    // same.
    let footer = whole.len() - 6_000;
    for at in (0..footer).step_by(53).chain((footer..whole.len()).step_by(7)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        if check(damaged, format!("byte {at}")).await { refused += 1 } else { unused += 1 }
    }
    for length in [0, 1, 8, 12, whole.len() / 3, whole.len() / 2, whole.len() - 100, whole.len() - 1] {
        assert!(check(whole[..length].to_vec(), format!("{length} bytes")).await, "{length} bytes");
    }
    // Bytes that no reader of rows uses: statistics, page indexes, and texts of the schema's metadata.
    assert!(refused > unused, "{refused} refused, {unused} not used");
}

#[tokio::test]
async fn parts_of_another_lake_place_format_or_with_a_forged_footer_are_not_trusted() {
    let rows = rows();
    let file = encode(&rows, true);
    let parts = Memory::default().sibling(PARTS);
    parts.put_new(&name().key(), file.clone().into()).await.unwrap();
    let meta = head(&*parts, &name().key()).await.unwrap().unwrap();
    let open = async |of: &PartName, lake: &str| Part::open(Arc::clone(&parts), meta.clone(), of, lake).await.err();
    assert_eq!(open(&name(), LAKE).await, None);
    assert_eq!(open(&name(), "s3://bucket/other").await, Some(Distrust::OtherLake(LAKE.into())));
    let elsewhere = PartName { farm: "fazenda_dois".into(), ..name() };
    assert!(matches!(open(&elsewhere, LAKE).await, Some(Distrust::OtherSpan(_))));

    // The rows of this part with the footer of another part and its hash.
    let mut others = rows.clone();
    others[5].etag = "forged".into();
    let forged = encode(&others, true);
    let (mine, theirs) = (footer_of(&file), footer_of(&forged));
    assert_eq!(mine.len(), theirs.len());
    let hash = |text: &str| format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
    let swapped = replaced(&replaced(&file, &mine, &theirs), &hash(&mine), &hash(&theirs));
    let why = match opened(swapped).await {
        Err(why) => why,
        Ok(part) => decoded(&part, Wanted::Data).await.unwrap_err(),
    };
    assert!(matches!(why, Distrust::Damaged(_)), "{why}");

    for (from, to, expected) in [
        ("\"format\":1", "\"format\":9", "format 9"),
        ("\"rows\":124", "\"rows\":125", "do not add up"),
        ("\"first_row\":40", "\"first_row\":41", "do not add up"),
    ] {
        let changed = mine.replacen(from, to, 1);
        assert_ne!(changed, mine, "{from}");
        let without_hash = opened(replaced(&file, &mine, &changed)).await.unwrap_err();
        assert_eq!(without_hash, Distrust::Damaged("its footer was changed".into()));
        let file = replaced(&replaced(&file, &mine, &changed), &hash(&mine), &hash(&changed));
        let why = opened(file).await.unwrap_err();
        assert!(why.to_string().contains(expected), "{why}");
        assert_eq!(why.is_replaceable(), expected != "format 9", "a newer version's part is never replaced");
    }
}

fn footer_of(file: &[u8]) -> String {
    let start = file.windows(10).rposition(|bytes| bytes == b"{\"format\":").unwrap();
    let rest = &file[start..];
    let end = rest.windows(3).position(|bytes| bytes == b"\"}\x00" || bytes == b"\"}\x19").unwrap_or_else(|| {
        // The text ends with the hash of the places, 32 digits.
        rest.windows(10).position(|bytes| bytes == b"\"places\":\"").unwrap() + 10 + 32
    });
    String::from_utf8(rest[..end + 2].to_vec()).unwrap()
}

fn replaced(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = file.windows(from.len()).rposition(|bytes| bytes == from.as_bytes()).unwrap();
    let mut file = file.to_vec();
    file[at..at + to.len()].copy_from_slice(to.as_bytes());
    file
}

#[tokio::test]
async fn rows_of_other_rules_are_parsed_again_from_their_bodies() {
    let rows = rows();
    let rules = |file: &[u8], new: &str| {
        let mine = footer_of(file);
        let changed = mine.replacen(&format!("\"rules\":\"{RULES}\""), &format!("\"rules\":\"{new}\""), 1);
        let hash = |text: &str| format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
        replaced(&replaced(file, &mine, &changed), &hash(&mine), &hash(&changed))
    };
    // The columns differ from the body, as older rules might have.
    let mut older = rows.clone();
    older[0].content = Content::Rejected("older rules did not read this".into());
    let part = opened(rules(&encode(&older, true), "0")).await.unwrap();
    assert_eq!(part.needed(), Wanted::Everything);
    part.load(part.all_rows(), part.needed()).await.unwrap();
    let known = PartRows::new(Arc::clone(&part), Arc::default(), part.all_rows(), part.needed());
    let mut matching = Matching::new(super::windows::Contents(known));
    for row in &rows {
        assert_eq!(matching.take(&row.meta()).as_ref(), Some(&row.content), "{}", row.key);
    }
    let without: Vec<_> = rows.iter().map(|row| row.clone().without_body()).collect();
    let why = opened(rules(&encode(&without, false), "0")).await.unwrap_err();
    assert_eq!(why, Distrust::OtherRules("0".into()));
}

#[tokio::test]
async fn a_catalog_contains_split_months_and_its_lake() {
    let parts = Memory::default().sibling(PARTS);
    let month = Month::of(day(1));
    assert!(!Catalog::read(&*parts, LAKE).await.unwrap().is_by_day("a", month));
    Catalog::create(&*parts, LAKE).await.unwrap();
    Catalog::split(&*parts, LAKE, "a", month).await.unwrap();
    Catalog::split(&*parts, LAKE, "b", month).await.unwrap();
    Catalog::create(&*parts, LAKE).await.unwrap();
    let catalog = Catalog::read(&*parts, LAKE).await.unwrap();
    assert!(catalog.is_by_day("a", month) && catalog.is_by_day("b", month) && !catalog.is_by_day("c", month));
    let e = Catalog::read(&*parts, "s3://bucket/other").await.unwrap_err();
    assert!(e.message.contains(LAKE), "{e}");
    assert_eq!(TimeDelta::days(30), month.last_day() - month.first_day());
}
