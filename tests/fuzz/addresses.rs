//! Texts that name something: object keys, stores, topics, farms, times, and the values of flags with their own grammar.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use pipeline::lake::{Key, LakeUrl, Partition};
use pipeline::record::{DateOrder, Slug, timestamp};
use pipeline::warehouse::{TableName, WarehouseUrl};
use ruminate::herd::{Faults, Part};
use ruminate::parts::{Month, PartName};
use ruminate::publish::{FailIf, Rate, Speedup, Stages};
use ruminate::reconcile::{Budget, Tolerance};
use ruminate::topic::TopicAddress;
use ruminate::units;

use crate::engine::{Target, Verdict, check_reason, ensure, same};
use crate::values::TIMES;

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Checks that a text is parsed, printed and parsed again to the same value, and returns it.
fn printed<T>(text: &str) -> Result<Option<T>, String>
where
    T: FromStr<Err: ToString> + Display + PartialEq + Debug,
{
    match text.parse::<T>() {
        Ok(value) => {
            let shown = value.to_string();
            let again =
                shown.parse::<T>().map_err(|e| format!("{shown:?} of {value:?} is rejected: {}", e.to_string()))?;
            same("printed and parsed again", &again, &value)?;
            Ok(Some(value))
        }
        Err(why) => check_reason(&why.to_string()).map(|()| None),
    }
}

#[test]
fn a_key_is_the_same_text_after_it_was_parsed() {
    let corpus = texts(&[
        "fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_01856aa0-c800-883a-837a-29fe66bbec99.json",
        "fazenda_dois/2026/11/22/historico_consumo_2026-11-22 18:49:03.454.json",
        "fazenda_um/2023/01/01/x",
        "fazenda=fazenda_um/mes=2023-01/parte.parquet",
        "fazenda=fazenda_um/mes=2023-01/dia=07/parte.parquet",
        "quarentena/2023/01/01/0f1f4d5c.json",
    ]);
    let words = &["historico_consumo_", ".json", "/2024/02/29/", "T", "_", "fazenda=", "mes=", "dia=", "0000", "9999"];
    let name = "addresses::a_key_is_the_same_text_after_it_was_parsed";
    Target { words, ..Target::new(name, 20_000, corpus) }.run(key);
}

fn key(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(false) };
    let key = Key::parse(text);
    if let Some(key) = &key {
        same("the text of a key", &key.to_string().as_str(), &text)?;
        let partition = Partition::of_key(text).ok_or("a key has no partition")?;
        same("the day of a key", &partition.day, &key.day)?;
    }
    if let Some(partition) = Partition::of_key(text) {
        ensure(text.starts_with(&partition.prefix()), || format!("{:?} is not its prefix", partition.prefix()))?;
    }
    let part = PartName::parse(text);
    if let Some(part) = &part {
        same("the text of a part's name", &part.key().as_str(), &text)?;
    }
    Ok(key.is_some() || part.is_some())
}

#[test]
fn an_address_is_the_same_after_it_was_printed() {
    let corpus = texts(&[
        "s3://historico-consumo-fazendas/historico_diario",
        "s3://my.bucket/a/b/",
        "s3://arn:aws:s3:sa-east-1:123456789012:accesspoint/lake-audit/historico_diario",
        "file:///var/lake",
        "./lake/a:b",
        "mysql://ana:s3gr%40do@db.example:3307/fazendas?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fetc%2Fca.pem",
        "mariadb://root@[::1]/fazendas?useSSL=true",
        "sqlite:w.db",
        "arn:aws:sns:sa-east-1:123456789012:historico-consumo.fifo",
        "local",
        "historico_consumo",
    ]);
    let words =
        &["s3://", "file://", "arn:aws:s3:", "mysql://", "sqlite:", "@", "%40", "?ssl-mode=", "&", "#", "//", "~", "'"];
    let name = "addresses::an_address_is_the_same_after_it_was_printed";
    Target { words, ..Target::new(name, 15_000, corpus) }.run(address);
}

fn address(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(false) };
    let mut accepted = printed::<LakeUrl>(text)?.is_some() | printed::<TopicAddress>(text)?.is_some();
    if let Ok(table) = text.parse::<TableName>() {
        same("the table", &table.as_str(), &text)?;
    }
    match text.parse::<WarehouseUrl>() {
        Ok(url) => {
            accepted = true;
            let open = url.without_password();
            let again = open.parse::<WarehouseUrl>().map_err(|e| format!("{open:?} is rejected: {e}"))?;
            same("without its password", &again.without_password(), &open)?;
            same("the identity", &again.identity("t"), &url.identity("t"))?;
        }
        Err(why) => check_reason(&why)?,
    }
    Ok(accepted)
}

#[test]
fn a_time_is_the_same_after_it_was_written() {
    let corpus = texts(TIMES).into_iter().chain(texts(&["2023-01-01 00:00:00 UTC", "Fazenda São João", "2026-11"]));
    let name = "addresses::a_time_is_the_same_after_it_was_written";
    Target::new(name, 20_000, corpus.collect()).run(time);
}

fn time(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(false) };
    printed::<Month>(text)?;
    for order in [DateOrder::DayFirst, DateOrder::MonthFirst] {
        let _ = order.rewrite(text);
    }
    if let Ok(slug) = Slug::of(text) {
        same("the folder of a folder's name", &Slug::of(slug.as_str()), &Ok(slug.clone()))?;
    }
    let Some(at) = timestamp::parse(text) else { return Ok(false) };
    if !timestamp::in_range(at) {
        return Ok(true);
    }
    for written in [timestamp::as_row_ts(at), timestamp::as_farm(at), timestamp::as_canonical(at)] {
        same("written and parsed", &timestamp::parse(&written), &Some(at))?;
    }
    for digits in 0..=6 {
        let (down, near) = (timestamp::truncated(at, digits), timestamp::rounded(at, digits));
        ensure(down <= near, || format!("{at:?} with {digits} digits: {down} and {near}"))?;
    }
    Ok(true)
}

#[test]
fn a_flag_is_the_same_after_it_was_printed() {
    let corpus = texts(&[
        "2000/s",
        "90000/m",
        "ramp:0-5000/s:60s,hold:2000/s:10m,sine:1000-5000/s:60s:10m",
        "p99 > 500ms; failed > 0.1%",
        "peso_medio=0.01",
        "row_ts=1.5s",
        "0.7%",
        "25",
        "duplicate=1%,late=0.5%",
        "2/7",
        "1d",
        "512MiB",
        "10x",
    ]);
    let words = &["/s", "/h", "-", ":", ";", ",", "%", "ms", "hold:", "ramp:", "p50", " >= ", "=", "all", "1e9", "GiB"];
    let name = "addresses::a_flag_is_the_same_after_it_was_printed";
    Target { words, ..Target::new(name, 15_000, corpus) }.run(flag);
}

fn flag(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(false) };
    let mut accepted = printed::<Budget>(text)?.is_some() | printed::<Tolerance>(text)?.is_some();
    accepted |= printed::<Rate>(text)?.is_some() | printed::<Stages>(text)?.is_some();
    accepted |= printed::<Speedup>(text)?.is_some() | printed::<FailIf>(text)?.is_some();
    accepted |= printed::<Faults>(text)?.is_some() | printed::<Part>(text)?.is_some();
    let _ = units::size(text);
    match units::duration(text) {
        Ok(_) => accepted = true,
        Err(why) => check_reason(&why)?,
    }
    Ok(accepted)
}
