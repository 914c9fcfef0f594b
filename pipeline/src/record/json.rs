//! Parsing of JSON text into typed fields: every form of a number, text or time that farms and legacy Lambdas have
//! sent.
//!
//! Owns the accepted forms and the limits. `reading` and `enriched` decide which fields belong to a reading or a
//! record.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::mistaken::{is_date, is_total};
use super::placeholder::is_placeholder;
use super::spelling::{self, Lost};
use super::{Column, Rejection, Slug, Source, date_order, garbled, timestamp};
use crate::printable;

/// Maximum size of a message, in bytes: the SNS and SQS limit of 256 KiB.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Maximum size of a lake object, in bytes: the largest message plus the computed fields.
pub const MAX_OBJECT_BYTES: usize = MAX_MESSAGE_BYTES + 4 * 1024;

/// Member that a repair adds to an object when it writes values of the warehouse that are not those of the object's id:
/// the id that these values have. It shows who changed the object, and that it was not changed again.
pub const REPAIRED_ID: &str = "repaired_id";

/// Maximum length of a text column, in characters: VARCHAR(255).
pub const MAX_TEXT_CHARS: usize = 255;

/// Maximum length of an invalid value quoted in a rejection, in characters.
const QUOTED_CHARS: usize = 60;

/// Origin of a JSON object, which decides how its texts are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A message: texts are normalized to one spelling, so that one reading has one id.
    Message,
    /// A lake object: texts are read unchanged, as in the row.
    Lake,
}

/// The members of one JSON object by column, with values as raw JSON text. Unknown members are dropped.
pub(super) struct Fields<'a> {
    origin: Origin,
    slots: [Option<&'a RawValue>; Column::COUNT],
    repeated: [bool; Column::COUNT],
    repaired_id: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    /// Splits a message or object of at most `limit` bytes into its members.
    ///
    /// # Errors
    /// Returns an error if the message is too large, not UTF-8, not JSON or not an object.
    pub(super) fn parse(message: &'a [u8], limit: usize, origin: Origin) -> Result<Self, Rejection> {
        if message.len() > limit {
            return Err(Rejection::TooLarge { bytes: message.len(), limit });
        }
        let text = std::str::from_utf8(message).map_err(|e| Rejection::NotUtf8 { offset: e.valid_up_to() })?;
        let text = text.trim_start_matches('\u{feff}'); // byte order mark of some editors
        let fields: Self = serde_json::from_str(text).map_err(|e| refuse_json(text, &e))?;
        Ok(Self { origin, ..fields })
    }

    /// Returns the member that a repair from the warehouse adds to an object; `None` if it is missing or no text.
    pub(super) fn repaired_id(&self) -> Option<String> {
        serde_json::from_str(self.repaired_id?.get()).ok()
    }

    fn raw(&self, field: Column) -> Result<&'a str, Rejection> {
        if self.repeated[field.index()] {
            return Err(Rejection::Repeated { field });
        }
        match self.slots[field.index()].map(RawValue::get) {
            None => Err(Rejection::Missing { field }),
            Some("null") => Err(Rejection::Null { field }),
            Some(raw) => Ok(raw),
        }
    }

    /// Returns the id in a message, as in an export of the warehouse or a lake object; `None` if it has none.
    pub(super) fn stated_id(&self) -> Option<String> {
        let raw = self.slots[Column::IdTreatedData.index()]?.get();
        let text: String = serde_json::from_str(raw).ok()?;
        let tidy = spelling::tidy(&text);
        (!tidy.is_empty() && !is_placeholder(&tidy)).then(|| tidy.into_owned())
    }

    /// Returns the canonical spelling of a text.
    ///
    /// # Errors
    /// Returns an error if the text is damaged or a placeholder, or an id whose digits are lost, grouped or mixed with
    /// others.
    fn canonical_text<'t>(&self, field: Column, text: Cow<'t, str>) -> Result<Cow<'t, str>, Rejection> {
        let is_id = matches!(field, Column::IdCurral | Column::IdRaca | Column::IdLote);
        if is_id && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(text); // nearly every id: digits have one spelling
        }
        if let Some(why) = garbled::damage(&text) {
            return Err(Rejection::Garbled { field, found: quoted(&text), why });
        }
        let tidy = match text {
            Cow::Borrowed(text) => spelling::tidy(text),
            Cow::Owned(text) => Cow::Owned(spelling::tidy(&text).into_owned()),
        };
        let tidy = match tidy {
            _ if is_id => tidy,
            Cow::Borrowed(name) => Cow::Borrowed(spelling::without_quotes(name)),
            Cow::Owned(name) => Cow::Owned(spelling::without_quotes(&name).to_owned()),
        };
        let is_empty_id = is_id && !tidy.is_empty() && !tidy.contains(char::is_alphanumeric);
        if is_placeholder(&tidy) || is_empty_id {
            return Err(Rejection::Placeholder { field, found: quoted(&tidy) });
        }
        if is_total(field, &tidy) {
            return Err(Rejection::Total { field, found: quoted(&tidy) });
        }
        if is_id && is_date(field, &tidy) {
            return Err(Rejection::DateAsId { field, found: quoted(&tidy) });
        }
        let hidden = || Rejection::Hidden { field, found: quoted(&tidy.escape_debug().to_string()) };
        if !is_id && spelling::has_invisible(&tidy) {
            return Err(hidden());
        }
        if !is_id && !spelling::is_numeric(&tidy) {
            return Ok(tidy);
        }
        match spelling::id(&tidy) {
            Ok(id) if id.len() == tidy.len() => Ok(tidy),
            Ok(id) => Ok(Cow::Owned(id.to_owned())),
            Err(Lost::Digits) => Err(Rejection::LostDigits { field, found: quoted(&tidy) }),
            Err(Lost::Grouping) => Err(Rejection::GroupedDigits { field, found: quoted(&tidy) }),
            Err(Lost::Digitlike) => Err(Rejection::Digitlike { field, found: quoted(&tidy) }),
            Err(Lost::Hidden) => Err(hidden()),
        }
    }

    fn number(&self, field: Column) -> Result<f64, Rejection> {
        let raw = self.raw(field)?;
        let text = if raw.starts_with('"') { unquote(raw, field)? } else { Cow::Borrowed(raw) };
        let value: f64 = text.trim().parse().map_err(|_| Rejection::NotNumber { field, found: quoted(raw) })?;
        if !value.is_finite() {
            return Err(Rejection::NotFinite { field, found: quoted(raw) });
        }
        if value < 0.0 {
            return Err(Rejection::Negative { field, found: quoted(raw) });
        }
        Ok(value + 0.0) // + 0.0 turns -0 into 0, so that equal readings have equal ids
    }

    /// Returns the field's raw value, shortened for a rejection message.
    fn quoted(&self, field: Column) -> String {
        self.slots[field.index()].map(|raw| quoted(raw.get())).unwrap_or_default()
    }
}

impl Source for Fields<'_> {
    type Error = Rejection;

    fn has(&mut self, field: Column) -> bool {
        self.repeated[field.index()] || self.slots[field.index()].is_some_and(|raw| raw.get() != "null")
    }

    /// Reads a text or an id: a JSON string, or an integer number whose digits become the text.
    fn text(&mut self, field: Column) -> Result<String, Rejection> {
        let raw = self.raw(field)?;
        let text = if raw.starts_with('"') { unquote(raw, field)? } else { Cow::Owned(digits(raw, field)?) };
        let text = match self.origin {
            Origin::Message => self.canonical_text(field, text)?,
            Origin::Lake => text,
        };
        if text.trim().is_empty() {
            return Err(Rejection::Empty { field });
        }
        let chars = if text.len() > MAX_TEXT_CHARS { text.chars().count() } else { 0 };
        if chars > MAX_TEXT_CHARS {
            return Err(Rejection::TooLong { field, chars, limit: MAX_TEXT_CHARS });
        }
        Ok(text.into_owned())
    }

    /// Reads a weight or an intake in kg: finite, not negative, within the range of a FLOAT column.
    fn weight(&mut self, field: Column) -> Result<f64, Rejection> {
        let value = self.number(field)?;
        if value > f64::from(f32::MAX) {
            return Err(Rejection::TooBig { field, found: self.quoted(field) });
        }
        Ok(value)
    }

    /// Reads a count of head or days: integral, not negative, within the range of an INT column.
    fn count(&mut self, field: Column) -> Result<i32, Rejection> {
        let value = self.number(field)?;
        if self.slots[field.index()].is_some_and(|raw| has_grouped_zeros(raw.get())) {
            return Err(Rejection::GroupedDigits { field, found: self.quoted(field) });
        }
        if value.fract() != 0.0 {
            return Err(Rejection::NotWhole { field, found: self.quoted(field) });
        }
        if value > f64::from(i32::MAX) {
            return Err(Rejection::TooBig { field, found: self.quoted(field) });
        }
        #[allow(clippy::cast_possible_truncation, reason = "whole and within i32, checked above")]
        Ok(value as i32)
    }

    /// Reads a point in time, truncated to microseconds.
    fn instant(&mut self, field: Column) -> Result<DateTime<Utc>, Rejection> {
        let raw = self.raw(field)?;
        if !raw.starts_with('"') {
            return Err(Rejection::NotTime { field, found: quoted(raw) });
        }
        let text = unquote(raw, field)?;
        match timestamp::parse(&text) {
            None if date_order::is_ambiguous(&text) => Err(Rejection::AmbiguousDate { field, found: quoted(&text) }),
            None => Err(Rejection::NotTime { field, found: quoted(&text) }),
            Some(at) if !timestamp::in_range(at) => Err(Rejection::TimeOutOfRange { field, found: quoted(&text) }),
            Some(at) => Ok(at),
        }
    }

    fn check(&self, cod_cliente: &str) -> Result<(), Rejection> {
        Slug::of(cod_cliente).map(drop).map_err(Rejection::from)
    }
}

fn unquote(raw: &str, field: Column) -> Result<Cow<'_, str>, Rejection> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    // Fast path: without escapes, the content between the quotes is the string. The parser has already validated it.
    if let Some(plain) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'))
        && !plain.contains('\\')
    {
        return Ok(Cow::Borrowed(plain));
    }
    let text: Text = serde_json::from_str(raw).map_err(|_| Rejection::NotText { field, found: quoted(raw) })?;
    Ok(text.0)
}

/// Returns true for a text such as `"1.000"`, which is one or a thousand. A JSON number has no grouped digits.
fn has_grouped_zeros(raw: &str) -> bool {
    let text = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).map(str::trim);
    let whole = text.and_then(|text| text.trim_start_matches('+').strip_suffix(".000"));
    whole.is_some_and(|whole| matches!(whole.len(), 1..=3) && whole.trim_start_matches('0').len() == whole.len())
}

/// Returns the digits of an id sent as a number, including forms such as `9000001.0` that spreadsheets write. A minus sign is
/// part of the id, as in a text.
fn digits(raw: &str, field: Column) -> Result<String, Rejection> {
    let is_number = raw.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    if is_number && raw.contains(['e', 'E']) {
        return Err(Rejection::LostDigits { field, found: quoted(raw) });
    }
    let whole =
        raw.split_once('.').map_or(raw, |(whole, rest)| if rest.bytes().all(|b| b == b'0') { whole } else { "" });
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Rejection::NotText { field, found: quoted(raw) });
    }
    if whole.len() < raw.len() && spelling::is_beyond_double(unsigned) {
        return Err(Rejection::LostDigits { field, found: quoted(raw) });
    }
    Ok(whole.to_owned())
}

/// Appends a text as a JSON string.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    // Neither a text nor memory can fail.
    let _ = serde_json::to_writer(out, text);
}

/// Returns a value for a rejection message: shortened, and without control characters.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_CHARS).collect();
    let mut out = printable::line(&short).into_owned();
    if short.len() < text.len() {
        out.push('…');
    }
    out
}

fn refuse_json(text: &str, error: &serde_json::Error) -> Rejection {
    let found = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Array(_)) => "an array",
        Ok(serde_json::Value::String(_)) => "a string",
        Ok(serde_json::Value::Number(_)) => "a number",
        Ok(serde_json::Value::Bool(_)) => "a boolean",
        Ok(serde_json::Value::Null) => "null",
        _ if text.trim().is_empty() => return Rejection::NotJson { why: "empty".into() },
        _ => return Rejection::NotJson { why: error.to_string() },
    };
    Rejection::NotObject { found }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Fields {
                    origin: Origin::Message,
                    slots: [None; Column::COUNT],
                    repeated: [false; Column::COUNT],
                    repaired_id: None,
                };
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    let value: &RawValue = map.next_value()?;
                    match Column::from_name(&name.0) {
                        Some(column) if fields.slots[column.index()].replace(value).is_some() => {
                            fields.repeated[column.index()] = true;
                        }
                        None if name.0 == REPAIRED_ID => fields.repaired_id = Some(value),
                        Some(_) | None => {}
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
