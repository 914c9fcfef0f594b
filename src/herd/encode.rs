//! Encoding of readings as NDJSON and CSV, as farms deliver them: field order and quoting. `format_digits` formats
//! numbers; files and streams are left to the callers.
//!
//! Nothing needs escaping: ids are digits, names are ASCII letters. Numbers are formatted from whole grams and
//! milligrams without trailing zeros, so the bytes are the same on every platform.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::NaiveDate;
use pipeline::record::Column;

use super::format_digits::{push_date, push_decimal, push_whole};
use super::{Error, Reading};

/// The fields of a reading, in the order of the real files.
pub const FIELDS: [Column; Column::REQUIRED.len()] = Column::REQUIRED;

/// The names of the fields, which are the header of a CSV file.
pub const COLUMNS: [&str; FIELDS.len()] = {
    let (mut names, mut at) = ([""; FIELDS.len()], 0);
    while at < FIELDS.len() {
        names[at] = FIELDS[at].name();
        at += 1;
    }
    names
};

static CSV_HEADER: LazyLock<String> = LazyLock::new(|| format!("{}\n", COLUMNS.join(",")));

/// Maximum size of an NDJSON line in bytes, unless the farm has a very long name.
const LINE_BYTES: usize = 320;

/// Line format of readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineFormat {
    /// One JSON object per line, as real farms deliver; files end in `.json`.
    #[default]
    Ndjson,
    /// A header, then ten fields per line without quotes; files end in `.csv`.
    Csv,
}

impl LineFormat {
    /// Returns the file name extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "json",
            Self::Csv => "csv",
        }
    }

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// Returns the header of a file in this format, including its line feed; empty for NDJSON.
    ///
    /// A caller that joins several units into one stream keeps the first header and removes as many bytes from the
    /// others.
    pub fn header(self) -> &'static [u8] {
        match self {
            Self::Ndjson => b"",
            Self::Csv => CSV_HEADER.as_bytes(),
        }
    }
}

impl fmt::Display for LineFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LineFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = [Self::Ndjson, Self::Csv].into_iter().find(|format| format.name() == text);
        known.ok_or_else(|| Error::Format(text.to_owned()))
    }
}

impl Reading<'_> {
    /// Appends the reading as one line, including its line feed: about 270 bytes of NDJSON or 120 of CSV.
    pub fn write(&self, format: LineFormat, out: &mut Vec<u8>) {
        match format {
            LineFormat::Ndjson => self.write_json(out),
            LineFormat::Csv => self.write_csv(out),
        }
        out.push(b'\n');
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        out.reserve(LINE_BYTES);
        out.extend_from_slice(br#"{"id_curral":""#);
        push_whole(out, self.id_curral);
        out.extend_from_slice(br#"","id_raca":""#);
        out.extend_from_slice(self.id_raca.id().as_bytes());
        out.extend_from_slice(br#"","id_lote":""#);
        push_whole(out, self.id_lote);
        out.extend_from_slice(br#"","peso_entrada":"#);
        push_decimal::<3>(out, self.peso_entrada_g);
        out.extend_from_slice(br#","peso_medio":"#);
        push_decimal::<3>(out, self.peso_medio_g);
        out.extend_from_slice(br#","data":""#);
        push_midnight(out, self.data);
        out.extend_from_slice(br#"","quantidade_animais":""#);
        push_whole(out, u64::from(self.quantidade_animais));
        out.extend_from_slice(br#"","dia_confinamento":""#);
        push_whole(out, u64::from(self.dia_confinamento));
        out.extend_from_slice(br#"","consumo_real":"#);
        push_decimal::<6>(out, self.consumo_real_mg);
        out.extend_from_slice(br#","cod_cliente":""#);
        out.extend_from_slice(self.cod_cliente.as_bytes());
        out.extend_from_slice(br#""}"#);
    }

    fn write_csv(&self, out: &mut Vec<u8>) {
        push_whole(out, self.id_curral);
        out.push(b',');
        out.extend_from_slice(self.id_raca.id().as_bytes());
        out.push(b',');
        push_whole(out, self.id_lote);
        out.push(b',');
        push_decimal::<3>(out, self.peso_entrada_g);
        out.push(b',');
        push_decimal::<3>(out, self.peso_medio_g);
        out.push(b',');
        push_midnight(out, self.data);
        out.push(b',');
        push_whole(out, u64::from(self.quantidade_animais));
        out.push(b',');
        push_whole(out, u64::from(self.dia_confinamento));
        out.push(b',');
        push_decimal::<6>(out, self.consumo_real_mg);
        out.push(b',');
        out.extend_from_slice(self.cod_cliente.as_bytes());
    }
}

fn push_midnight(out: &mut Vec<u8>, date: NaiveDate) {
    push_date(out, date);
    out.extend_from_slice(b" 00:00:00 UTC");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herd::Raca;

    /// The first reading of the real file of 2023-01-01.
    fn real() -> Reading<'static> {
        Reading {
            id_curral: 25_994_051_003_275,
            id_raca: Raca::Cruzado,
            id_lote: 73_578_741_015_010,
            peso_entrada_g: 234_941,
            peso_medio_g: 360_341,
            data: NaiveDate::from_ymd_opt(2023, 1, 1).unwrap(),
            quantidade_animais: 51,
            dia_confinamento: 66,
            consumo_real_mg: 9_076_451,
            cod_cliente: "FazendaUm",
        }
    }

    fn line(reading: &Reading<'_>, format: LineFormat) -> String {
        let mut out = Vec::new();
        reading.write(format, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_reading_equals_the_line_of_a_real_farm() {
        let expected = concat!(
            r#"{"id_curral":"25994051003275","id_raca":"28551700000020","id_lote":"73578741015010","peso_entrada":234.941,"#,
            r#""peso_medio":360.341,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","#,
            r#""consumo_real":9.076451,"cod_cliente":"FazendaUm"}"#,
            "\n"
        );
        assert_eq!(line(&real(), LineFormat::Ndjson), expected);
    }

    #[test]
    fn csv_has_the_same_ten_fields_in_the_same_order() {
        let expected = "25994051003275,28551700000020,73578741015010,234.941,360.341,2023-01-01 00:00:00 UTC,51,66,9.076451,FazendaUm\n";
        assert_eq!(line(&real(), LineFormat::Csv), expected);
        let header = b"id_curral,id_raca,id_lote,peso_entrada,peso_medio,data,quantidade_animais,dia_confinamento,consumo_real,cod_cliente\n";
        assert_eq!(LineFormat::Csv.header(), header);
    }
}
