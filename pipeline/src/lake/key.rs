//! Grammar of object keys: `<farm>/<YYYY>/<MM>/<DD>/historico_consumo_<YYYY-MM-DD HH:MM:SS.mmm>[_<id>].json`.
//!
//! Keys without an id were written by the legacy Lambda, under the day of processing. Keys with an id are written by
//! this toolkit, under the day of `data`. All other keys below the prefix are unrecognized.

use std::fmt;

use chrono::{Datelike, NaiveDate, NaiveDateTime};

use crate::record::{Record, Slug, timestamp};

const STEM: &str = "historico_consumo_";
const STAMP: &str = "%Y-%m-%d %H:%M:%S%.3f";
const STAMP_CHARS: usize = 23;
const SUFFIX: &str = ".json";

/// Maximum length of an id in a key, in bytes. A file name holds 255 bytes.
const MAX_ID_BYTES: usize = 200;

/// Folder into which the legacy Lambda wrote every farm except `FazendaUm`.
pub(super) const LEGACY_CATCH_ALL: &str = "fazenda_dois";

/// The farm that the legacy Lambda wrote into its own folder.
const LEGACY_FARM: &str = "FazendaUm";

/// A parsed object key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Folder of the farm.
    pub farm: String,
    /// Day in the path.
    pub day: NaiveDate,
    /// Timestamp in the name, to the millisecond.
    pub stamp: NaiveDateTime,
    /// Id of the record; `None` in legacy keys.
    pub id: Option<String>,
}

impl Key {
    /// Returns the key under which a record is written; `None` if its id is not valid in a key.
    pub fn of(record: &Record) -> Option<Self> {
        let id = &record.id_treated_data;
        let plain =
            !id.is_empty() && id.len() <= MAX_ID_BYTES && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let data = record.reading.data;
        plain.then(|| Self {
            farm: record.reading.slug().as_str().to_owned(),
            day: data.date_naive(),
            stamp: timestamp::truncated(data, 3),
            id: Some(id.clone()),
        })
    }

    /// Parses a key; `None` if it is unrecognized.
    pub fn parse(key: &str) -> Option<Self> {
        let mut parts = key.split('/');
        let farm = parts.next().filter(|farm| !farm.is_empty())?;
        let day = day(parts.next()?, parts.next()?, parts.next()?)?;
        let name = parts.next().filter(|_| parts.next().is_none())?;
        let name = name.strip_prefix(STEM)?.strip_suffix(SUFFIX)?;
        let (stamp, rest) = name.split_at_checked(STAMP_CHARS)?;
        let stamp = timestamp::digits(stamp).filter(|_| stamp.as_bytes().get(10) == Some(&b' '))?;
        let id = match rest.strip_prefix('_') {
            Some(id) if !id.is_empty() => Some(id.to_owned()),
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { farm: farm.to_owned(), day, stamp, id })
    }

    /// Returns true if the path matches the record: the farm's folder, and the day of `data` or of processing.
    ///
    /// Legacy keys of every farm except `FazendaUm` may also be in `fazenda_dois`.
    pub fn fits(&self, record: &Record) -> bool {
        let slug = record.reading.slug();
        let old = self.id.is_none();
        let caught = old && self.farm == LEGACY_CATCH_ALL && record.reading.cod_cliente != LEGACY_FARM;
        let farm = self.farm == slug.as_str() || caught;
        let data = self.day == record.reading.data.date_naive();
        let processed = self.day == record.row_ts.date_naive();
        farm && (data || (old && processed))
    }
}

/// Parses a day from 3 path parts.
pub(super) fn day(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(number(year, 4)?.try_into().ok()?, number(month, 2)?, number(day, 2)?)
}

/// Parses a number of exactly `digits` digits.
pub(super) fn number(text: &str, digits: usize) -> Option<u32> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.day;
        write!(f, "{}/{:04}/{:02}/{:02}/{STEM}", self.farm, day.year(), day.month(), day.day())?;
        write!(f, "{}", self.stamp.format(STAMP))?;
        if let Some(id) = &self.id {
            write!(f, "_{id}")?;
        }
        f.write_str(SUFFIX)
    }
}

/// Returns true if a folder name is a valid farm folder. [`Slug`] returns such a name unchanged.
pub(super) fn is_farm_folder(name: &str) -> bool {
    Slug::of(name).is_ok_and(|slug| slug.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Reading, Rules};

    #[test]
    fn legacy_and_new_keys_parse_and_print_alike() {
        for key in [
            "fazenda_um/2026/11/22/historico_consumo_2026-11-22 18:49:03.457.json",
            "fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_01856aa0-c800-883a-837a-29fe66bbec99.json",
        ] {
            assert_eq!(Key::parse(key).unwrap().to_string(), key);
        }
    }

    fn record(farm: &str) -> Record {
        let message = format!(
            r#"{{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450,"peso_medio":450,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.0,"cod_cliente":"{farm}"}}"#
        );
        let reading = Reading::parse(message.as_bytes()).unwrap();
        Record::from_reading(reading, Rules::default(), timestamp::parse("2026-11-22T18:49:03").unwrap())
    }

    #[test]
    fn only_an_id_that_is_safe_in_a_file_name_has_a_key() {
        let of = |id: &str| Key::of(&Record { id_treated_data: id.into(), ..record("FazendaUm") });
        for id in ["a", "0F1F4D5C-4a7e", &"x".repeat(MAX_ID_BYTES)] {
            let key = of(id).unwrap();
            assert_eq!(key.id.as_deref(), Some(id));
            assert_eq!(Key::parse(&key.to_string()), Some(key), "{id}");
        }
        for id in ["", "a/b", "..", "a b", "á", "a_b", &"x".repeat(MAX_ID_BYTES + 1)] {
            assert_eq!(of(id), None, "{id}");
        }
    }

    #[test]
    fn a_key_fits_the_farm_and_the_day_of_its_record() {
        let fits = |key: &str, farm: &str| Key::parse(key).unwrap().fits(&record(farm));
        let new = |day: &str| format!("{day}/historico_consumo_2023-01-01 00:00:00.000_x.json");
        let legacy = |day: &str| format!("{day}/historico_consumo_2026-11-22 18:49:03.000.json");
        for (key, farm, expected) in [
            (new("fazenda_um/2023/01/01"), "FazendaUm", true),
            (legacy("fazenda_um/2023/01/01"), "FazendaUm", true),
            (legacy("fazenda_um/2026/11/22"), "FazendaUm", true),
            (legacy("fazenda_tres/2026/11/22"), "FazendaTres", true),
            (legacy("fazenda_dois/2026/11/22"), "FazendaTres", true),
            (legacy("fazenda_dois/2023/01/01"), "FazendaTres", true),
            (new("fazenda_um/2026/11/22"), "FazendaUm", false),
            (new("fazenda_um/2023/01/02"), "FazendaUm", false),
            (new("fazenda_dois/2023/01/01"), "FazendaUm", false),
            (new("fazenda_dois/2023/01/01"), "FazendaTres", false),
            (legacy("fazenda_um/2023/01/02"), "FazendaUm", false),
            (legacy("fazenda_dois/2026/11/22"), "FazendaUm", false),
            (legacy("fazenda_um/2026/11/22"), "FazendaTres", false),
        ] {
            assert_eq!(fits(&key, farm), expected, "{key} {farm}");
        }
    }

    #[test]
    fn other_keys_are_unrecognized() {
        for key in [
            "",
            "readme.txt",
            "fazenda_um/2026/11/22/notes.txt",
            "fazenda_um/2026/11/22/historico_consumo_2026-11-22 18:49:03.457.json.bak",
            "fazenda_um/2026/11/22/historico_consumo_2026-11-22 18:49:03.457_.json",
            "fazenda_um/2026/11/22/historico_consumo_2026-11-22 18:49:03.457+1.json",
            "fazenda_um/2026/11/31/historico_consumo_2026-11-22 18:49:03.457.json",
            "fazenda_um/2026/1/22/historico_consumo_2026-11-22 18:49:03.457.json",
            "fazenda_um/2026/+1/22/historico_consumo_2026-11-22 18:49:03.457.json",
            "fazenda_um/2026/11/22/x/historico_consumo_2026-11-22 18:49:03.457.json",
            "/2026/11/22/historico_consumo_2026-11-22 18:49:03.457.json",
            "fazenda_um/2026/11/22/historico_consumo_é026-11-22 18:49:03.45.json",
        ] {
            assert_eq!(Key::parse(key), None, "{key}");
        }
    }
}
