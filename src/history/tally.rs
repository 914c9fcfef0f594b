//! Messages of a file that are invalid for the same reason: many of them are one mistake of the file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use pipeline::record::{Column, Reading, Rejection};

use super::csv::Form;
use super::decimal_mark::DecimalMark;
use super::runs::Runs;
use super::{InputMessage, hint};
use crate::herd::FIELDS;
use crate::outcome::count;

/// Number of messages with the same reason from which on a file is rejected, if they are at least half of its messages.
const UNIFORM: u64 = 10;

/// A file is rejected if at least one message in this number has a value that was damaged when the file was written.
const DAMAGED_SHARE: u64 = 50;

/// Number of significant digits of a number in a spreadsheet: further ones are zeros.
const SPREADSHEET_DIGITS: usize = 15;

/// Messages of a file, and why they are invalid.
#[derive(Debug, Default)]
pub(super) struct Tally {
    messages: u64,
    bytes: u64,
    invalid: HashMap<Kind, Sample>,
    texts: NumberTexts,
    long_ids: LongIds,
    runs: Runs,
}

/// Ids with more digits than a spreadsheet keeps.
#[derive(Debug, Default)]
struct LongIds {
    /// Number of readings with such an id.
    count: u64,
    /// Whether an id has a digit that a spreadsheet would have lost.
    any_complete: bool,
    /// The first one, and its line.
    first: Option<(String, u64)>,
}

/// Numbers that are sent as texts, as in JSON of other programs, and how they are written.
#[derive(Debug, Default)]
struct NumberTexts {
    /// Whether one has a point that is a decimal mark: `"9.5"`.
    any_point: bool,
    /// The first one with a point that may group digits: `"1.234"`.
    grouped: Option<String>,
    /// The first one with a decimal comma, and its line.
    comma: Option<(String, u64)>,
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
    /// What to do about the first one.
    hint: Option<String>,
}

impl Tally {
    /// Adds a message.
    pub(super) fn add(&mut self, message: &InputMessage) {
        self.messages += 1;
        self.bytes += message.size_bytes() as u64;
        self.texts.add(&message.body);
        let reading = Reading::parse(&message.body);
        self.runs.add(reading.as_ref().err(), message.line);
        if let Ok(reading) = &reading {
            self.long_ids.add(reading, message.line);
        }
        if let Err(why) = reading {
            self.texts.add_invalid(&why, message.line);
            let hint = || hint::of(&message.body, &why);
            let sample = || Sample { count: 0, line: message.line, why: why.clone(), hint: hint() };
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

    /// Returns why the file must be rejected as a whole; `None` if its messages are checked one by one.
    pub(super) fn uniform(&self) -> Option<String> {
        if let Some(why) = self.texts.contradiction().or_else(|| self.long_ids.rounded()) {
            return Some(why);
        }
        let Sample { count: n, line, why, hint } = self.invalid.values().max_by_key(|sample| sample.count)?;
        let is_half = n * 2 >= self.messages && (*n >= UNIFORM || hint.is_some() || has_remedy(why));
        let is_damage = is_damage(why) && *n >= UNIFORM && n * DAMAGED_SHARE >= self.messages;
        if !is_half && !is_damage {
            return self.runs.joined();
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
            _ => match hint {
                Some(hint) => format!("{why} ({hint})"),
                None => why.to_string(),
            },
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

impl LongIds {
    fn add(&mut self, reading: &Reading, line: u64) {
        let is_long = |id: &&String| id.len() > SPREADSHEET_DIGITS && id.bytes().all(|b| b.is_ascii_digit());
        let ids = [&reading.id_curral, &reading.id_raca, &reading.id_lote];
        let mut long = ids.into_iter().filter(is_long).peekable();
        self.count += u64::from(long.peek().is_some());
        for id in long {
            self.any_complete |= id.bytes().skip(SPREADSHEET_DIGITS).any(|b| b != b'0');
            self.first.get_or_insert_with(|| (id.clone(), line));
        }
    }

    /// Returns why the ids of a file are probably not complete: all long ones end with zeros.
    fn rounded(&self) -> Option<String> {
        let (id, line) = self.first.as_ref().filter(|_| !self.any_complete && self.count >= UNIFORM)?;
        Some(format!(
            "all its ids of more than {SPREADSHEET_DIGITS} digits end with zeros, as {id} in line {line}: a spreadsheet \
             probably lost their last digits; export the columns as text"
        ))
    }
}

impl NumberTexts {
    /// Adds the numbers of a message that are texts with a point. Other texts, such as a version, show nothing.
    fn add(&mut self, body: &[u8]) {
        if self.any_point {
            return;
        }
        for at in memchr::memchr_iter(b'.', body) {
            let is_quote = |byte: &u8| *byte == b'"';
            let Some(begin) = body[..at].iter().rposition(is_quote) else { continue };
            let Some(end) = body[at..].iter().position(is_quote).map(|end| at + end + 1) else { return };
            let text = unescaped(&body[begin..end]);
            let form = Form::of(&text);
            if form.is_none() || !is_of_number(&body[..begin]) {
                continue;
            }
            match form {
                Some(Form::Clear(DecimalMark::Point)) => self.any_point = true,
                Some(Form::MayGroup(DecimalMark::Point)) if self.grouped.is_none() => {
                    self.grouped = Some(String::from_utf8_lossy(&text).into_owned());
                }
                _ => {}
            }
        }
    }

    /// Adds an invalid number.
    fn add_invalid(&mut self, why: &Rejection, line: u64) {
        if let Rejection::NotNumber { found, .. } = why
            && self.comma.is_none()
            && Form::of(&unescaped(found.as_bytes())) == Some(Form::Clear(DecimalMark::Comma))
        {
            self.comma = Some((found.clone(), line));
        }
    }

    /// Returns why valid numbers of a file may have other values than meant: `"1.234"`, and next to it `"1.234,5"`.
    fn contradiction(&self) -> Option<String> {
        let (comma, line) = self.comma.as_ref().filter(|_| !self.any_point)?;
        let grouped = self.grouped.as_ref()?;
        Some(format!(
            "line {line} has the number {comma} with a decimal comma, so the point of others such as \"{grouped}\" may group \
             digits: write all of them with a decimal point and no grouped digits, or pass --decimal-mark comma if it is CSV"
        ))
    }
}

/// Returns the text between the quotes of a JSON text.
fn unescaped(json: &[u8]) -> Cow<'_, [u8]> {
    let is_escaped = json.contains(&b'\\');
    match is_escaped.then(|| serde_json::from_slice::<String>(json)) {
        Some(Ok(text)) => Cow::Owned(text.into_bytes()),
        _ => Cow::Borrowed(json.strip_prefix(b"\"").and_then(|json| json.strip_suffix(b"\"")).unwrap_or(json)),
    }
}

/// Returns true if the beginning of a message ends with the name of a column of numbers, before its value.
fn is_of_number(before: &[u8]) -> bool {
    let name = before.trim_ascii_end().strip_suffix(b":").and_then(|json| json.trim_ascii_end().strip_suffix(b"\""));
    let name = name.and_then(|json| json.rsplit(|byte| *byte == b'"').next());
    let column = name.and_then(|name| Column::from_name(std::str::from_utf8(name).ok()?));
    column.is_some_and(|column| FIELDS.contains(&column) && column.kind().is_number())
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
    fn numbers_with_a_decimal_comma_reject_a_file_whose_points_may_group_digits() {
        let of = |weights: &[&str]| {
            let mut tally = Tally::default();
            for (weight, line) in weights.iter().zip(1..) {
                let body = format!(
                    r#"{{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":{weight},"peso_medio":451,"data":"2023-01-01","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}}"#
                );
                tally.add(&InputMessage { file: "f".into(), line, body: body.into() });
            }
            tally.uniform()
        };
        let why = of(&["987", "\"1.234\"", "\"987\"", "\"1.234,5\"", "\"2.000\""]).unwrap();
        assert!(why.starts_with("line 4 has the number \"1.234,5\"") && why.contains("such as \"1.234\""), "{why}");
        for grouped in ["\"+1.234\"", "\"1.234\u{a0}\"", "\"1.234\\u00a0\"", "\"1.234\",\"versao\":\"2.5\""] {
            assert!(of(&[grouped, "987", "\"1.234,5\""]).is_some(), "{grouped}");
        }
        for one_by_one in [
            &["\"1.234\"", "987", "\"987\""][..],
            &["\"9.5\"", "\"1.234\"", "\"9,5\""],
            &["1.234", "450.5", "\"9,5\""],
            &["\"987\"", "987", "\"1.234,5\""],
        ] {
            assert_eq!(of(one_by_one), None, "{one_by_one:?}");
        }
    }

    #[test]
    fn ids_whose_last_digits_a_spreadsheet_lost_reject_their_file() {
        let of = |ids: &[String]| {
            let mut tally = Tally::default();
            for (id, line) in ids.iter().zip(1..) {
                let body = format!(
                    r#"{{"id_curral":"{id}","id_raca":"2","id_lote":"3","peso_entrada":450,"peso_medio":451,"data":"2023-01-01","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}}"#
                );
                tally.add(&InputMessage { file: "f".into(), line, body: body.into() });
            }
            tally.uniform()
        };
        let rounded: Vec<String> = (10..20).map(|n| format!("2599405100327{n}00")).collect();
        let why = of(&rounded).unwrap();
        assert!(why.contains("25994051003271000 in line 1") && why.contains("export the columns as text"), "{why}");
        assert_eq!(of(&rounded[1..]), None, "a few may end with zeros");
        assert_eq!(of(&[&rounded[..], &["25994051003275123".to_owned()]].concat()), None);
        let short: Vec<String> = (10..40).map(|n| format!("25994051003{n}00")).collect();
        assert_eq!(of(&short), None, "all of their digits fit");
    }

    #[test]
    fn a_few_messages_with_a_remedy_reject_their_file() {
        for data in ["44927", "1672531200", "31/12/23", "2023-W01-7"] {
            let why = uniform(&[(data, 1)]).unwrap();
            assert!(why.starts_with("its message is invalid") && why.contains(&format!("{data} (")), "{why}");
        }
        assert_eq!(uniform(&[("yesterday", 1)]), None);
    }

    #[test]
    fn a_file_is_rejected_if_half_of_its_messages_have_the_same_fault() {
        let good = "2023-01-01";
        assert_eq!(uniform(&[(good, 50)]), None);
        assert_eq!(uniform(&[("x", 9)]), None, "few are checked one by one");
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
