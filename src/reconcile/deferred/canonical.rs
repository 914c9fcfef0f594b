//! Canonical name of an object, from its farm and its id alone.

use chrono::DateTime;

use crate::sort::OrderedId;
use pipeline::lake::Key;
use pipeline::record::row::Row;
use pipeline::record::{Column, Record, RecordId, Slug};

/// Returns the bytes of an id that a shard may compare: of version 8, in its usual spelling.
pub(in crate::reconcile) fn judgeable_id(id: &OrderedId) -> Option<[u8; 16]> {
    let OrderedId::Uuid(bytes) = id else { return None };
    RecordId::Uuid(*bytes).data_millis().map(|_| *bytes)
}

/// Returns the key of the object with an id of version 8 in a farm's folder.
pub(in crate::reconcile) fn canonical_key(farm: &str, id: [u8; 16]) -> String {
    key_of(farm, id).map_or_else(String::new, |key| key.to_string())
}

fn key_of(farm: &str, id: [u8; 16]) -> Option<Key> {
    let id = RecordId::Uuid(id);
    let at = DateTime::from_timestamp_millis(id.data_millis()?)?.naive_utc();
    Some(Key { farm: farm.to_owned(), day: at.date(), stamp: at, id: Some(id.text().into_owned()) })
}

/// Returns true if a key is canonical for an id, and its record has the time of the id. Only the farm's folder may
/// differ.
pub(super) fn fits(key: &str, id: [u8; 16], record: Option<&Record>) -> bool {
    let Some(path) = Key::parse(key) else { return false };
    let is_canonical = key_of(&path.farm, id).is_some_and(|canonical| canonical == path);
    let millis = RecordId::Uuid(id).data_millis();
    is_canonical && record.is_none_or(|record| Some(record.reading.data.timestamp_millis()) == millis)
}

/// Returns the folder of a row's farm.
pub(super) fn farm_of(row: &Row) -> Option<String> {
    Slug::of(row.text(Column::CodCliente)?).ok().map(|slug| slug.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tests::record;
    use pipeline::record::row::TableSchema;

    fn id_of(record: &Record) -> [u8; 16] {
        judgeable_id(&OrderedId::new(&record.id_treated_data)).unwrap()
    }

    #[test]
    fn the_canonical_key_follows_from_farm_and_id() {
        for n in 0..200 {
            let record = record(n);
            let (key, id) = (Key::of(&record).unwrap().to_string(), id_of(&record));
            assert!(fits(&key, id, Some(&record)) && fits(&key, id, None), "{key}");
            let farm = farm_of(&record.to_row(&TableSchema::standard())).unwrap();
            assert_eq!(canonical_key(&farm, id), key);
        }
    }

    #[test]
    fn an_object_with_another_name_time_or_id_is_not_in_place() {
        let record = record(1);
        let (key, id) = (Key::of(&record).unwrap(), id_of(&record));
        let later = Key { stamp: key.stamp + chrono::TimeDelta::seconds(1), ..key.clone() };
        let elsewhere = Key { day: key.day.succ_opt().unwrap(), ..key.clone() };
        let legacy = Key { id: None, ..key.clone() };
        for other in [later, elsewhere, legacy] {
            assert!(!fits(&other.to_string(), id, Some(&record)), "{other}");
        }
        let mut moved = record.clone();
        moved.reading.data += chrono::TimeDelta::hours(1);
        assert!(!fits(&key.to_string(), id, Some(&moved)));
        assert!(fits(&Key { farm: "other".into(), ..key }.to_string(), id, Some(&record)), "any folder of a farm");
        let random = OrderedId::new("01856aa0-c800-483a-837a-29fe66bbec99");
        assert_eq!(judgeable_id(&random), None);
    }
}
