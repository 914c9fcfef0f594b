//! Buffer for the values of one column until its row group is encoded.

use bytes::Bytes;
use parquet::data_type::ByteArray;
use pipeline::record::Field as Value;

use super::{Field, Times, Type};

/// The values of one column and, for an optional column, which rows have one.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(super) values: Values,
    /// Definition levels of an optional column: 1 for a row with a value; `None` for a required column.
    pub(super) levels: Option<Vec<i16>>,
    times: Times,
}

#[derive(Debug)]
pub(super) enum Values {
    Texts(Texts),
    Doubles(Vec<f64>),
    Ints(Vec<i32>),
    Longs(Vec<i64>),
}

/// Strings in one buffer, by their ends.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn take(&mut self) -> Vec<ByteArray> {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let mut begin = 0;
        let slice = |end| ByteArray::from(bytes.slice(std::mem::replace(&mut begin, end)..end));
        self.ends.drain(..).map(slice).collect()
    }
}

impl Buffer {
    /// Creates an empty buffer for that column.
    pub(crate) fn new(field: &Field) -> Self {
        let (values, times) = match field.kind {
            Type::Text | Type::Binary => (Values::Texts(Texts::default()), Times::Micros),
            Type::Double => (Values::Doubles(Vec::new()), Times::Micros),
            Type::Int => (Values::Ints(Vec::new()), Times::Micros),
            Type::Long => (Values::Longs(Vec::new()), Times::Micros),
            Type::Time(times) => (Values::Longs(Vec::new()), times),
        };
        Self { values, levels: field.optional.then(Vec::new), times }
    }

    /// Appends the text that `write` appends to the buffer.
    #[inline]
    pub(crate) fn push_text_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Values::Texts(texts) = &mut self.values {
            write(&mut texts.bytes);
            texts.ends.push(texts.bytes.len());
        }
        self.is_there(1);
    }

    /// Appends a text. Like the other functions, it appends no value if the column has another type.
    #[inline]
    pub(crate) fn push_text(&mut self, text: &str) {
        self.push_text_with(|bytes| bytes.extend_from_slice(text.as_bytes()));
    }

    /// Appends bytes. For a column of texts they must be UTF-8.
    pub(crate) fn push_bytes(&mut self, value: &[u8]) {
        self.push_text_with(|bytes| bytes.extend_from_slice(value));
    }

    #[inline]
    pub(crate) fn push_double(&mut self, value: f64) {
        if let Values::Doubles(values) = &mut self.values {
            values.push(value);
        }
        self.is_there(1);
    }

    #[inline]
    pub(crate) fn push_int(&mut self, value: i32) {
        if let Values::Ints(values) = &mut self.values {
            values.push(value);
        }
        self.is_there(1);
    }

    #[inline]
    pub(crate) fn push_long(&mut self, value: i64) {
        if let Values::Longs(values) = &mut self.values {
            values.push(value);
        }
        self.is_there(1);
    }

    /// Appends a value of a record.
    pub(crate) fn push(&mut self, value: Value<'_>) {
        match value {
            Value::Absent => self.push_nothing(),
            Value::Text(text) => self.push_text(text),
            Value::Weight(value) => self.push_double(value),
            Value::Count(value) => self.push_int(value),
            Value::Instant(at) if self.times == Times::Millis => self.push_long(at.timestamp_millis()),
            Value::Instant(at) => self.push_long(at.timestamp_micros()),
        }
    }

    /// Appends no value, or an empty value to a required column.
    pub(crate) fn push_nothing(&mut self) {
        if self.levels.is_some() {
            return self.is_there(0);
        }
        match &mut self.values {
            Values::Texts(_) => self.push_text(""),
            Values::Doubles(values) => values.push(0.0),
            Values::Ints(values) => values.push(0),
            Values::Longs(values) => values.push(0),
        }
    }

    #[inline]
    fn is_there(&mut self, level: i16) {
        if let Some(levels) = &mut self.levels {
            levels.push(level);
        }
    }
}
