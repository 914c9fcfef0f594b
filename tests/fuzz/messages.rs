//! Messages of farms, and objects of the lake.

use pipeline::lake::Key;
use pipeline::printable;
use pipeline::record::row::{Row, TableSchema};
use pipeline::record::{Column, IdCheck, Reading, Record, Rules, canonical, reading_id};

use crate::corpus::{self, FIELDS, compressed};
use crate::engine::{Target, Verdict, check_reason, ensure, same};

#[test]
fn a_message_is_the_same_reading_in_every_form() {
    let name = "messages::a_message_is_the_same_reading_in_every_form";
    Target { words: FIELDS, ..Target::new(name, 6_000, corpus::messages()) }.run(message);
}

fn message(bytes: &[u8]) -> Verdict {
    let parsed = Reading::parse(bytes);
    same("parsed again", &Reading::parse(bytes), &parsed)?;
    let reading = match parsed {
        Ok(reading) => reading,
        Err(why) => {
            let why = why.to_string();
            check_reason(&why)?;
            ensure(!why.chars().any(printable::is_control), || format!("control characters in {why:?}"))?;
            return Ok(false);
        }
    };
    let id = reading_id(&reading);
    let form = canonical(&reading);
    ensure(serde_json::from_str::<Vec<serde_json::Value>>(&form).is_ok_and(|form| form.len() == 10), || form)?;
    let record = Record::from_reading(reading.clone(), Rules::default(), corpus::processed());
    ensure(record.check_id() == IdCheck::Proven, || format!("{:?}", record.check_id()))?;
    let object = record.object(bytes).map_err(|e| format!("the message is accepted and has no object: {e}"))?;
    for object in [object, record.object_from_values()] {
        let stored = Record::parse(&object).map_err(|e| format!("its object is rejected: {e}"))?;
        same("the record in its object", &stored, &record)?;
        let copy = Reading::parse(&object).map_err(|e| format!("its object is rejected as a message: {e}"))?;
        same("the reading in its object", &copy, &reading)?;
        same("its id", &reading_id(&copy), &id)?;
    }
    let key = Key::of(&record).ok_or("its record has no key")?;
    same("its key", &Key::parse(&key.to_string()), &Some(key.clone()))?;
    ensure(key.fits(&record), || format!("the key {key} does not fit"))?;
    Ok(true)
}

#[test]
fn an_object_is_the_same_record_after_it_was_written_again() {
    let name = "messages::an_object_is_the_same_record_after_it_was_written_again";
    Target { words: FIELDS, seal: compressed, ..Target::new(name, 5_000, corpus::objects()) }.run(object);
}

fn object(bytes: &[u8]) -> Verdict {
    let parsed = Record::parse(bytes);
    same("parsed again", &Record::parse(bytes), &parsed)?;
    let mut record = match parsed {
        Ok(record) => record,
        Err(why) => {
            check_reason(&why.to_string())?;
            return Ok(false);
        }
    };
    let written = record.object_from_values();
    same("the record in its values", &Record::parse(&written), &Ok(record.clone()))?;
    same("the values of its values", &Record::parse(&written).map(|record| record.object_from_values()), &Ok(written))?;
    let replaced =
        record.object_with_columns(bytes, &Column::ALL).map_err(|e| format!("no column can be replaced: {e}"))?;
    same("the record with replaced columns", &Record::parse(&replaced), &Ok(record.clone()))?;
    let unknown = Record::unknown_members(bytes);
    same("other members", &Record::unknown_members(&replaced), &unknown)?;
    rows(&record)?;
    record.reading.peso_medio = (record.reading.peso_medio + 1.0).min(1e30);
    record.mark_repaired();
    let repaired = record.object_with_columns(bytes, &[Column::PesoMedio]).map_err(|e| e.to_string())?;
    same("the repaired record", &Record::parse(&repaired), &Ok(record.clone()))?;
    ensure(record.check_id() != IdCheck::Forged, || "a repaired record counts as forged".into())?;
    Ok(true)
}

/// Checks that a row agrees with its record, and is the same after it was a record.
fn rows(record: &Record) -> Result<(), String> {
    let schema = TableSchema::standard();
    let row = record.to_row(&schema);
    let differences = record.differences(&row, &schema);
    ensure(differences.is_empty(), || format!("the row of a record differs: {differences:?}"))?;
    let again: Option<Row> = row.to_record().map(|record| record.to_row(&schema));
    ensure(again.as_ref().is_none_or(|again| *again == row), || format!("{again:?} is not {row:?}"))
}
