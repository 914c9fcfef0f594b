//! The header of a CSV file: which column is where, however its names are written.

use std::borrow::Cow;

use pipeline::record::{Column, Slug};

use super::super::text;
use super::is_blank;
use crate::herd::{COLUMNS, FIELDS};

/// Columns of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header(Vec<HeaderCell>);

/// One name of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeaderCell {
    /// Name of the message's field: that of the column, or the name in the file.
    pub name: Vec<u8>,
    /// The column; `None` for any other name.
    pub column: Option<Column>,
    /// True if the file has no name for it, or uses the name twice: the position is its name.
    pub anonymous: bool,
    /// True if the file has no name for it.
    pub unnamed: bool,
}

impl Header {
    /// Returns the header of a file without one: the columns of a reading.
    pub(super) fn standard() -> Self {
        Self(
            FIELDS
                .map(|column| HeaderCell {
                    name: column.name().into(),
                    column: Some(column),
                    anonymous: false,
                    unnamed: false,
                })
                .into(),
        )
    }

    /// Reads the cells of a header.
    pub(super) fn of(cells: &[Cow<'_, [u8]>]) -> Self {
        let mut header = Vec::<HeaderCell>::with_capacity(cells.len());
        for (cell, number) in cells.iter().zip(1..) {
            let written = cell.trim_ascii();
            let column = column(written);
            let name = column.map_or(written, |column| column.name().as_bytes());
            let anonymous = column.is_none() && (name.is_empty() || header.iter().any(|before| before.name == name));
            let name = if anonymous { format!("column_{number}").into_bytes() } else { name.to_vec() };
            header.push(HeaderCell { name, column, anonymous, unnamed: is_blank(written) });
        }
        Self(header)
    }

    /// Returns the number of columns of a reading that have a name.
    pub(super) fn known(&self) -> usize {
        FIELDS.iter().filter(|field| self.0.iter().any(|cell| cell.column == Some(**field))).count()
    }

    /// Checks that every column of a reading is there once.
    ///
    /// # Errors
    /// Returns an error that names what is missing or there twice.
    pub(super) fn check(&self, line: &[u8]) -> Result<(), String> {
        let count = |field: Column| self.0.iter().filter(|cell| cell.column == Some(field)).count();
        let of = |wanted: fn(usize) -> bool| {
            let names = FIELDS.iter().filter(|field| wanted(count(**field))).map(|field| field.name());
            names.collect::<Vec<_>>().join(", ")
        };
        let (missing, repeated) = (of(|count| count == 0), of(|count| count > 1));
        if !repeated.is_empty() {
            return Err(format!("its header has {repeated} more than once: remove or rename one of them"));
        }
        if missing.is_empty() {
            return Ok(());
        }
        if let Some(why) = text::not_utf8(line) {
            return Err(why);
        }
        Err(format!("its header has no {missing}: name its columns {}", COLUMNS.join(", ")))
    }

    /// Returns the number of columns.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn cells(&self) -> &[HeaderCell] {
        &self.0
    }

    /// Returns the position of the last column of a reading.
    pub(super) fn last_known(&self) -> usize {
        self.0.iter().rposition(|cell| cell.column.is_some()).unwrap_or_default()
    }
}

/// Returns the column of a name in upper or lower case, with accents, spaces or hyphens: `Peso Médio`.
pub(in super::super) fn column(name: &[u8]) -> Option<Column> {
    let name = std::str::from_utf8(name).ok()?.trim_matches(['\u{feff}', '\u{a0}', ' ']);
    Column::from_name(name).filter(|column| !column.is_treated()).or_else(|| {
        let slug = Slug::of(name).ok()?;
        Column::from_name(slug.as_str()).filter(|column| !column.is_treated())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_found_however_its_name_is_written() {
        for name in [
            "peso_medio",
            "PESO_MEDIO",
            " Peso Médio ",
            "PesoMedio",
            "peso-médio",
            "Peso  medio\u{a0}",
            "\u{feff}peso_medio",
        ] {
            assert_eq!(column(name.as_bytes()), Some(Column::PesoMedio), "{name}");
        }
        for name in ["peso", "", "id_treated_data", "row_ts", "peso_medio_kg"] {
            assert_eq!(column(name.as_bytes()), None, "{name}");
        }
        assert_eq!(column(b"peso_m\xe9dio"), None);
    }

    #[test]
    fn a_header_without_a_column_or_with_one_twice_is_rejected() {
        let check = |names: &[&str]| {
            let cells: Vec<_> = names.iter().map(|name| Cow::Borrowed(name.as_bytes())).collect();
            Header::of(&cells).check(names.join(",").as_bytes())
        };
        assert_eq!(check(&COLUMNS), Ok(()));
        let why = check(&COLUMNS[1..]).unwrap_err();
        assert!(why.starts_with("its header has no id_curral: name its columns id_curral, "), "{why}");
        let why = check(&[&COLUMNS[..], &["ID Curral"]].concat()).unwrap_err();
        assert!(why.starts_with("its header has id_curral more than once"), "{why}");
    }
}
