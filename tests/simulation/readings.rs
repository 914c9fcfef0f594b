//! Messages of a simulation: readings by number, in several spellings, and messages that are no readings.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use chrono::{Days, NaiveDate, NaiveDateTime};
use pipeline::record::{Reading, reading_id};

use crate::random::Draw;

const FARMS: [&str; 3] = ["FazendaUm", "Boi Gordo", "São João"];
/// Days of the readings; they are in two months.
const DAYS: u64 = 20;

/// A message as it is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Message {
    /// A reading, in one of its spellings.
    Reading { number: u32, spelling: u8 },
    /// A message that is no reading.
    Broken { number: u32 },
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading { number, spelling: 0 } => write!(f, "{number}"),
            Self::Reading { number, spelling } => write!(f, "{number}'{spelling}"),
            Self::Broken { number } => write!(f, "broken {number}"),
        }
    }
}

/// The values of a reading as both stores hold them.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Pen, breed, lot, farm.
    pub texts: [String; 4],
    /// Weight at entry, mean weight, intake.
    pub weights: [f32; 3],
    /// Animals, days on feed.
    pub counts: [i64; 2],
    pub data: NaiveDateTime,
}

/// The readings of a seed.
#[derive(Debug, Clone)]
pub struct Readings {
    draw: Draw,
    /// Numbers by id.
    numbers: BTreeMap<String, u32>,
}

/// Number of readings of a seed.
pub const READINGS: u32 = 150;

impl Readings {
    pub fn new(draw: Draw) -> Self {
        let mut readings = Self { draw, numbers: BTreeMap::new() };
        readings.numbers = (0..READINGS).map(|number| (readings.id(number), number)).collect();
        readings
    }

    /// Returns the values of a reading.
    pub fn values(&self, number: u32) -> Values {
        let draw = self.draw.with(u64::from(number));
        let date = NaiveDate::from_ymd_opt(2026, 1, 22).unwrap() + Days::new(draw.with(1).below(DAYS));
        let weight = |part: u64, low: u64, high: u64| {
            let thousandths = low * 1_000 + draw.with(part).below((high - low) * 1_000);
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a FLOAT column")]
            let value = (thousandths as f64 / 1_000.0) as f32;
            value
        };
        Values {
            texts: [
                format!("{}", 1 + draw.with(2).below(9)),
                draw.with(3).pick(&["9000001", "28551700000020"]).to_owned(),
                format!("7357874101{number:04}"),
                draw.with(4).pick(&FARMS).to_owned(),
            ],
            weights: [weight(5, 170, 500), weight(6, 291, 707), weight(7, 2, 19)],
            counts: [14_i64, 6]
                .map(|low| low + i64::try_from(draw.with(8).with(low.unsigned_abs()).below(60)).unwrap()),
            data: date.and_hms_opt(u32::try_from(draw.with(9).below(24)).unwrap(), 0, 0).unwrap(),
        }
    }

    /// Returns the text of a message.
    pub fn text(&self, message: Message) -> Bytes {
        match message {
            Message::Reading { number, spelling } => self.with_spelling(number, spelling).into(),
            Message::Broken { number } => {
                let whole = self.with_spelling(number, 0);
                match number % 4 {
                    0 => whole[..whole.len() / 2].to_owned(),
                    1 => whole.replace("\"id_lote\"", "\"lote\""),
                    2 => whole.replace("2026-", "2026-13-"),
                    _ => format!("not JSON {number}"),
                }
                .into()
            }
        }
    }

    /// Returns the JSON of a reading; all spellings are one reading.
    fn with_spelling(&self, number: u32, spelling: u8) -> String {
        let Values { texts: [pen, breed, lot, farm], weights: [entry, mean, intake], counts: [head, days], data } =
            self.values(number);
        let quote = if spelling == 0 { "\"" } else { "" };
        let (zone, extra) = match spelling {
            0 | 1 => (" UTC", String::new()),
            _ => ("Z", format!(r#","nota":"entrega {spelling}""#)),
        };
        format!(
            r#"{{"id_curral":"{pen}","id_raca":"{breed}","id_lote":"{lot}","peso_entrada":{entry},"peso_medio":{mean},"data":"{data}{zone}","quantidade_animais":{quote}{head}{quote},"dia_confinamento":{quote}{days}{quote},"consumo_real":{intake},"cod_cliente":"{farm}"{extra}}}"#
        )
    }

    /// Returns the id of a reading.
    pub fn id(&self, number: u32) -> String {
        let reading = Reading::parse(self.with_spelling(number, 0).as_bytes()).expect("a reading is valid");
        reading_id(&reading).to_string()
    }

    /// Returns the number of the reading with this id.
    pub fn number(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }
}
