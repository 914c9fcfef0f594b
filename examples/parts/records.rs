//! Records by number: the same number is the same record, on every machine.

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::lake::Key;
use pipeline::record::{Reading, Record, Rules};
use serde_json::json;
use uuid::Builder;

const FARMS: u64 = 8;
/// Readings of a farm in a day: pens of a large feedlot.
const A_DAY: u64 = 400;
const START: &str = "2020-01-01T00:00:00Z";

/// Kind of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Ids {
    /// Version 8 ids of this toolkit, which start with their time
    Time,
    /// Version 4 (random) ids, under keys without an id, as the legacy Lambda wrote them
    Random,
}

/// A set of records.
#[derive(Debug, Clone, Copy)]
pub struct Herd {
    pub records: u64,
    pub ids: Ids,
    pub one_partition: bool,
}

impl Herd {
    /// Returns all records in the order of time, which with random ids is not the order of ids.
    pub fn all(self) -> impl Iterator<Item = Record> {
        (0..self.records).map(move |n| self.record(n))
    }

    fn record(self, n: u64) -> Record {
        let chance = mixed(n);
        let (farm, data) = self.place(n);
        let tenth = |from: u64, width: u64, shift: u32| (from * 10 + (chance >> shift) % (width * 10)) as f64 / 10.0;
        let message = json!({
            "id_curral": format!("2855170000{:04}", chance % 500),
            "id_raca": if chance.is_multiple_of(3) { "28551700000020" } else { "9000001" },
            "id_lote": format!("2855170001{:04}", n / FARMS % 500),
            "peso_entrada": tenth(170, 330, 8),
            "peso_medio": tenth(291, 416, 16),
            "data": data,
            "quantidade_animais": 14 + (chance >> 24) % 70,
            "dia_confinamento": 6 + (chance >> 32) % 207,
            "consumo_real": 2.2 + ((chance >> 40) % 17_100) as f64 / 1_000.0,
            "cod_cliente": format!("Fazenda{farm:02}"),
        });
        let reading = Reading::parse(message.to_string().as_bytes()).expect("a message with all fields");
        let processed = data + TimeDelta::microseconds(1_234_000 + (chance % 1_000) as i64);
        let mut record = Record::from_reading(reading, Rules::default(), processed);
        if self.ids == Ids::Random {
            let bits = u128::from(mixed(chance)) << 64 | u128::from(mixed(chance ^ 0xabcd));
            record.id_treated_data = Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string();
        }
        record
    }

    /// Returns the farm of a record, and its time: farms alternate, and no two records of a farm have the same
    /// millisecond.
    fn place(self, n: u64) -> (u64, DateTime<Utc>) {
        let start: DateTime<Utc> = START.parse().expect("a time");
        let (farm, of_farm) = if self.one_partition { (0, n) } else { (n % FARMS, n / FARMS) };
        let a_day = if self.one_partition { self.records.max(1) } else { A_DAY };
        let step = (86_000_000 / a_day).max(1);
        let millis = of_farm / a_day * 86_400_000 + of_farm % a_day * step;
        (farm, start + TimeDelta::milliseconds(millis as i64))
    }

    /// Returns the key of the record: with its id, or as the legacy Lambda named it.
    pub fn key(self, record: &Record) -> String {
        let key = Key::of(record).expect("a record with a plain id");
        match self.ids {
            Ids::Time => key.to_string(),
            Ids::Random => {
                let processed = record.row_ts.naive_utc();
                Key { day: processed.date(), stamp: processed, id: None, ..key }.to_string()
            }
        }
    }
}

/// Returns the finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
const fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
