//! Messages of a file that are invalid for the same reason: many of them are one mistake of the file.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use pipeline::record::{Column, Reading, Rejection};

use super::InputMessage;
use crate::outcome::count;

/// Number of messages with the same reason from which on a file is rejected, if they are at least half of its messages.
const UNIFORM: u64 = 10;

/// A file is rejected if at least one message in this number has a value that was damaged when the file was written.
const DAMAGED_SHARE: u64 = 50;

/// Serial numbers of days in spreadsheets, about 1954 to 2064.
const SERIAL_DAYS: std::ops::Range<f64> = 20_000.0..60_000.0;

/// Messages of a file, and why they are invalid.
#[derive(Debug, Default)]
pub(super) struct Tally {
    messages: u64,
    bytes: u64,
    invalid: HashMap<Kind, Sample>,
}

/// Kind of a rejection: without the value found, so there are few.
type Kind = (Discriminant<Rejection>, Option<Column>);

/// Messages that are invalid for one reason.
#[derive(Debug)]
struct Sample {
    count: u64,
    /// Line of the first one.
    line: u64,
    /// Reason of the first one.
    why: Rejection,
}

impl Tally {
    /// Adds a message.
    pub(super) fn add(&mut self, message: &InputMessage) {
        self.messages += 1;
        self.bytes += message.size_bytes() as u64;
        if let Err(why) = Reading::parse(&message.body) {
            let sample = || Sample { count: 0, line: message.line, why: why.clone() };
            self.invalid.entry((discriminant(&why), why.field())).or_insert_with(sample).count += 1;
        }
    }

    /// Returns the number of messages.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Returns the size of all messages, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns why the file must be rejected as a whole; `None` if its messages are judged one by one.
    pub(super) fn uniform(&self) -> Option<String> {
        let Sample { count: n, line, why } = self.invalid.values().max_by_key(|sample| sample.count)?;
        let is_half = n * 2 >= self.messages && (*n >= UNIFORM || has_remedy(why));
        let is_damage = is_damage(why) && *n >= UNIFORM && n * DAMAGED_SHARE >= self.messages;
        if !is_half && !is_damage {
            return None;
        }
        let share = match self.messages {
            1 => "its message is invalid".to_owned(),
            all if all == *n => format!("all its {} messages are invalid for the same reason", count(all)),
            all => format!("{} of its {} messages are invalid for the same reason", count(*n), count(all)),
        };
        let advice = match why {
            Rejection::AmbiguousDate { found, .. } => {
                format!(
                    "whether {found} begins with the day or the month is unknown: pass --date-order dmy or --date-order mdy"
                )
            }
            Rejection::NotTime { found, .. } if is_serial_day(found) => {
                format!("{why} (is it the serial number of a spreadsheet? format the column as YYYY-MM-DD)")
            }
            _ => why.to_string(),
        };
        Some(format!("{share}, the first in line {line}: {advice}"))
    }
}

/// Returns true for a fault of the file that its sender can remove, so that even a single message shows it.
fn has_remedy(why: &Rejection) -> bool {
    matches!(why, Rejection::AmbiguousDate { .. }) || is_damage(why)
}

/// Returns true for values that were damaged when the file was written: values of its other rows may be damaged too.
fn is_damage(why: &Rejection) -> bool {
    matches!(why, Rejection::OtherId { .. } | Rejection::Garbled { .. })
}

fn is_serial_day(found: &str) -> bool {
    found.trim_matches('"').parse().is_ok_and(|days: f64| SERIAL_DAYS.contains(&days))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(readings: &[(&str, usize)]) -> Option<String> {
        let mut tally = Tally::default();
        let bodies = readings.iter().flat_map(|(data, n)| std::iter::repeat_n(*data, *n));
        for (data, line) in bodies.zip(1..) {
            let body = format!(
                r#"{{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450.5,"peso_medio":451,"data":"{data}","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}}"#
            );
            tally.add(&InputMessage { file: "f".into(), line, body: body.into() });
        }
        tally.uniform()
    }

    /// Returns the reason to reject a file with messages of these farms.
    fn uniform_farms(farms: &[(&str, usize)]) -> Option<String> {
        let mut tally = Tally::default();
        for (farm, line) in farms.iter().flat_map(|(farm, n)| std::iter::repeat_n(*farm, *n)).zip(1..) {
            let body = format!(
                r#"{{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450.5,"peso_medio":451,"data":"2023-01-01","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"{farm}"}}"#
            );
            tally.add(&InputMessage { file: "f".into(), line, body: body.into() });
        }
        tally.uniform()
    }

    #[test]
    fn a_file_with_damaged_text_is_rejected_although_most_of_its_rows_have_none() {
        let why = uniform_farms(&[("Fazenda Um", 300), ("S\u{c3}\u{a3}o", 10)]).unwrap();
        assert!(why.starts_with("10 of its 310 messages") && why.contains("export it again as UTF-8"), "{why}");
        assert!(uniform_farms(&[("S\u{c3}\u{a3}o", 1)]).is_some());
        assert_eq!(uniform_farms(&[("Fazenda Um", 300), ("S\u{c3}\u{a3}o", 9)]), None);
        assert_eq!(uniform_farms(&[("Fazenda Um", 900), ("S\u{c3}\u{a3}o", 10)]), None);
    }

    #[test]
    fn a_file_is_rejected_if_half_of_its_messages_have_the_same_fault() {
        let good = "2023-01-01";
        assert_eq!(uniform(&[(good, 50)]), None);
        assert_eq!(uniform(&[("x", 9)]), None, "few are judged one by one");
        assert_eq!(uniform(&[("x", 10), (good, 11)]), None);
        let why = uniform(&[(good, 1), ("x", 10)]).unwrap();
        assert!(
            why.starts_with(
                "10 of its 11 messages are invalid for the same reason, the first in line 2: field data is not a time"
            ),
            "{why}"
        );
        let why = uniform(&[("44927", 12)]).unwrap();
        assert!(why.starts_with("all its 12 messages") && why.ends_with("format the column as YYYY-MM-DD)"), "{why}");
        let why = uniform(&[("31/12/2023", 1)]).unwrap();
        assert!(why.contains("31/12/2023") && why.contains("--date-order dmy"), "{why}");
        assert_eq!(uniform(&[("31/12/2023", 1), (good, 2)]), None);
    }
}
