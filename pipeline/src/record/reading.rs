//! One message as a farm publishes it, with typed fields.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Column, FieldType, Slug, Source};

/// Feed intake of one lot on one day, as the farm sent it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Pen: a string of digits, too large for 32 bits.
    pub id_curral: String,
    /// Breed.
    pub id_raca: String,
    /// Lot.
    pub id_lote: String,
    /// Mean weight at entry, in kg per animal.
    pub peso_entrada: f64,
    /// Current mean weight, in kg per animal.
    pub peso_medio: f64,
    /// Time of the reading, truncated to microseconds.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub data: DateTime<Utc>,
    /// Number of animals in the lot.
    pub quantidade_animais: i32,
    /// Days on feed.
    pub dia_confinamento: i32,
    /// Actual intake, in kg per animal and day.
    pub consumo_real: f64,
    /// Farm.
    pub cod_cliente: String,
}

impl Reading {
    /// Reads the fields from a source, in the order in which farms send them.
    ///
    /// # Errors
    /// Returns the source's error for the first field that cannot be read.
    pub fn read<S: Source>(from: &mut S) -> Result<Self, S::Error> {
        let reading = Self {
            id_curral: FieldType::read(from, Column::IdCurral)?,
            id_raca: FieldType::read(from, Column::IdRaca)?,
            id_lote: FieldType::read(from, Column::IdLote)?,
            peso_entrada: FieldType::read(from, Column::PesoEntrada)?,
            peso_medio: FieldType::read(from, Column::PesoMedio)?,
            data: FieldType::read(from, Column::Data)?,
            quantidade_animais: FieldType::read(from, Column::QuantidadeAnimais)?,
            dia_confinamento: FieldType::read(from, Column::DiaConfinamento)?,
            consumo_real: FieldType::read(from, Column::ConsumoReal)?,
            cod_cliente: FieldType::read(from, Column::CodCliente)?,
        };
        from.check(&reading.cod_cliente)?;
        Ok(reading)
    }

    /// Returns the farm's folder in the lake.
    ///
    /// # Panics
    /// Panics if `cod_cliente` is not a usable folder name. Parsed readings never panic, because parsing rejects such
    /// farms.
    pub fn slug(&self) -> Slug {
        Slug::of(&self.cod_cliente).expect("parsing refused farms without a slug")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{MAX_MESSAGE_BYTES, Rejection, reading_id};

    const GOOD: &str = r#"{"id_curral":"25994051003275","id_raca":"28551700000020","id_lote":"73578741015010","peso_entrada":234.941,"peso_medio":360.341,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.076451,"cod_cliente":"FazendaUm"}"#;

    fn refused(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        Reading::parse(GOOD.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_real_reading_is_parsed() {
        let reading = Reading::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(reading.id_curral, "25994051003275");
        assert_eq!((reading.peso_entrada, reading.quantidade_animais, reading.dia_confinamento), (234.941, 51, 66));
        assert_eq!(reading.slug().as_str(), "fazenda_um");
    }

    /// A text of a good reading, what replaces it, and the reason for which the reading is rejected.
    const REJECTED: [(&str, &str, &str); 33] = [
        (r#""id_lote":"73578741015010","#, "", "field id_lote is missing"),
        (r#""73578741015010""#, "null", "field id_lote is null"),
        (r#""73578741015010""#, r#""  ""#, "field id_lote is empty"),
        (r#""73578741015010""#, "1.5", "field id_lote is not text or an integer: 1.5"),
        (r#""73578741015010""#, "[1]", "field id_lote is not text or an integer: [1]"),
        (r#""73578741015010""#, "73578741015010.50", "field id_lote is not text or an integer: 73578741015010.50"),
        (r#""73578741015010""#, "true", "field id_lote is not text or an integer: true"),
        (
            r#""73578741015010""#,
            "7.3578741E13",
            "field id_lote lost digits in a spreadsheet: 7.3578741E13; export the column as text",
        ),
        (
            r#""73578741015010""#,
            "-7e13",
            "field id_lote lost digits in a spreadsheet: -7e13; export the column as text",
        ),
        (
            r#""73578741015010""#,
            r#""73578741015010 Total""#,
            "field id_lote is the label of a total, which is no reading: 73578741015010 Total",
        ),
        (
            r#""73578741015010""#,
            r#""3-jan""#,
            "field id_lote was turned into a date by a spreadsheet: 3-jan; export the column as text",
        ),
        (
            r#""2023-01-01 00:00:00 UTC""#,
            "20230101",
            "field data is not a time (YYYY-MM-DD HH:MM:SS UTC or RFC 3339): 20230101",
        ),
        ("234.941", r#""abc""#, r#"field peso_entrada is not a number: "abc""#),
        ("234.941", "true", "field peso_entrada is not a number: true"),
        ("234.941", "-1", "field peso_entrada is negative: -1"),
        ("234.941", r#""NaN""#, r#"field peso_entrada is not a finite number: "NaN""#),
        ("234.941", r#""inf""#, r#"field peso_entrada is not a finite number: "inf""#),
        ("234.941", "1e39", "field peso_entrada is larger than its column holds: 1e39"),
        (r#""51""#, r#""51.5""#, r#"field quantidade_animais is not a whole number: "51.5""#),
        (r#""51""#, "3000000000", "field quantidade_animais is larger than its column holds: 3000000000"),
        (r#""66""#, "-3", "field dia_confinamento is negative: -3"),
        (
            "2023-01-01 00:00:00 UTC",
            "yesterday",
            "field data is not a time (YYYY-MM-DD HH:MM:SS UTC or RFC 3339): yesterday",
        ),
        (
            "2023-01-01 00:00:00 UTC",
            "1969-12-31 00:00:00 UTC",
            "field data is outside 1970 to 9999: 1969-12-31 00:00:00 UTC",
        ),
        (r#""FazendaUm""#, r#""""#, "field cod_cliente is empty"),
        ("FazendaUm", "../", "field cod_cliente is not usable as a folder name: it climbs out of its folder: ../"),
        (
            "FazendaUm",
            "a\\u0000b",
            "field cod_cliente is not usable as a folder name: it has control characters: a\\u{0}b",
        ),
        ("FazendaUm", "---", "field cod_cliente is not usable as a folder name: no letters or digits are left: ---"),
        ("FazendaUm", "NULL", "field cod_cliente has a placeholder and no value: NULL"),
        (r#""28551700000020""#, r##""#N/A""##, "field id_raca has a placeholder and no value: #N/A"),
        (
            r#""28551700000020""#,
            "9007199254740993.0",
            "field id_raca lost digits in a spreadsheet: 9007199254740993.0; export the column as text",
        ),
        (
            r#""28551700000020""#,
            r#""2855\u20601""#,
            r"field id_raca has control or invisible characters: 2855\u{2060}1",
        ),
        (
            "2023-01-01 00:00:00 UTC",
            "31/12/2023 00:00:00",
            "field data has a date whose order of day and month is unknown: 31/12/2023 00:00:00; write YYYY-MM-DD",
        ),
        (r#""peso_medio""#, r#""peso_entrada""#, "field peso_entrada appears more than once"),
    ];

    #[test]
    fn each_rejection_names_the_field_and_the_value_found() {
        for (from, to, reason) in REJECTED {
            assert_eq!(refused(from, to), reason);
        }
    }

    #[test]
    fn a_copy_of_a_record_is_its_reading_and_one_with_other_values_is_rejected() {
        let id = reading_id(&Reading::parse(GOOD.as_bytes()).unwrap()).to_string();
        let with = |id: &str, from: &str, to: &str| {
            let copy = GOOD.replacen('{', &format!(r#"{{"id_treated_data":{id},"row_ts":"x","#), 1);
            Reading::parse(copy.replacen(from, to, 1).as_bytes())
        };
        for same in [format!("{id:?}"), format!("{:?}", id.to_uppercase()), "null".into(), "\"\"".into(), "7".into()] {
            assert!(with(&same, "", "").is_ok(), "{same}");
        }
        let shorter = with(&format!("{id:?}"), "9.076451", "9.07645").unwrap_err();
        assert!(matches!(&shorter, Rejection::OtherId { stated, .. } if *stated == id), "{shorter}");
        assert!(shorter.to_string().contains("lost digits") && shorter.field() == Some(Column::IdTreatedData));
        let legacy = with("\"4f1c0f5e-8f7a-4d32-9d6e-0a3c5b7e9f10\"", "", "").unwrap_err();
        assert!(matches!(legacy, Rejection::OtherId { .. }), "a record with a random id would be stored twice");
    }

    #[test]
    fn damaged_or_ambiguous_values_of_a_farm_and_of_counts_are_rejected() {
        for (from, to, reason) in [
            (
                "FazendaUm",
                "S\u{c3}\u{a3}o",
                "field cod_cliente is damaged text: SÃ£o; it is UTF-8 that was read as Windows-1252: export it again as UTF-8",
            ),
            (
                "FazendaUm",
                "S\\ufffdo",
                "field cod_cliente is damaged text: S\u{fffd}o; characters were lost when it was converted: export it again as UTF-8",
            ),
            (
                "FazendaUm",
                "S&atilde;o",
                "field cod_cliente is damaged text: S&atilde;o; it is HTML: write the characters themselves",
            ),
            (
                "FazendaUm",
                "Fazenda\\u200bUm",
                "field cod_cliente has control or invisible characters: Fazenda\\u{200b}Um",
            ),
            (
                "FazendaUm",
                "1.23E+02",
                "field cod_cliente lost digits in a spreadsheet: 1.23E+02; export the column as text",
            ),
            ("28551700000020", "***", "field id_raca has a placeholder and no value: ***"),
            ("28551700000020", "#NÚM!", "field id_raca has a placeholder and no value: #NÚM!"),
            (
                "28551700000020",
                "２８",
                "field id_raca has quotes, or digits of another script: ２８; write the digits 0 to 9 alone",
            ),
            (
                "\"51\"",
                "\"1.000\"",
                "field quantidade_animais may have grouped digits or a fraction: \"1.000\"; export the column as text",
            ),
        ] {
            assert_eq!(refused(from, to), reason);
        }
        let parsed = |from: &str, to: &str| Reading::parse(GOOD.replacen(from, to, 1).as_bytes()).unwrap();
        for farm in ["123", "123.0", "'123", "\\\"123\\\"", "123."] {
            assert_eq!(parsed("FazendaUm", farm).cod_cliente, "123", "{farm}");
        }
        assert_eq!(parsed("FazendaUm", "Fazenda\\u00a0Um").cod_cliente, "Fazenda Um");
        for head in ["51.0", "51.00", "1000", "\"51.0\"", "\"51.00\"", "\"1000.000\"", "51.000", "\"0.000\""] {
            let reading = parsed("\"51\"", head);
            assert!([0, 51, 1_000].contains(&reading.quantidade_animais), "{head}");
        }
    }

    #[test]
    fn numbers_at_the_limits_are_read_unchanged() {
        let parsed = |from: &str, to: &str| Reading::parse(GOOD.replacen(from, to, 1).as_bytes()).unwrap();
        assert_eq!(parsed("234.941", "3.4028234663852886e38").peso_entrada, f64::from(f32::MAX));
        assert_eq!(parsed(r#""51""#, "2147483647").quantidade_animais, i32::MAX);
        assert!(parsed("234.941", "-0.0").peso_entrada.is_sign_positive(), "equal readings have equal bits");
        let digits = "25994051003275123";
        assert_eq!(parsed(r#""73578741015010""#, digits).id_lote, digits, "an integer was never a double");
        for negative in ["-7", "-7.0", "\"-7\"", "\"-7.0\""] {
            assert_eq!(parsed(r#""73578741015010""#, negative).id_lote, "-7", "{negative}");
        }
    }

    #[test]
    fn a_long_value_is_cut_in_the_reason() {
        let long = format!(r#""{}""#, "x".repeat(100));
        let why = refused("234.941", &long);
        assert_eq!(why, format!("field peso_entrada is not a number: \"{}…", "x".repeat(59)));
    }

    #[test]
    fn text_longer_than_its_column_is_rejected() {
        let long = "é".repeat(256);
        assert_eq!(refused("73578741015010", &long), "field id_lote has 256 characters, its column holds 255");
        assert!(Reading::parse(GOOD.replace("73578741015010", &"é".repeat(255)).as_bytes()).is_ok());
    }

    #[test]
    fn anything_but_a_json_object_is_rejected() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "not JSON: empty"),
            (b"[1]", "not a JSON object but an array"),
            (b"null", "not a JSON object but null"),
            (b"\"x\"", "not a JSON object but a string"),
            (b"12", "not a JSON object but a number"),
            (b"true", "not a JSON object but a boolean"),
            (b"{\"a\":1} {", "not JSON: trailing characters at line 1 column 9"),
            (b"{\"a\":\"\xff\"}", "not UTF-8 text (first bad byte at offset 6)"),
        ];
        for (message, reason) in cases {
            assert_eq!(Reading::parse(message).unwrap_err().to_string(), reason);
        }
        let truncated = &GOOD[..100];
        assert!(Reading::parse(truncated.as_bytes()).unwrap_err().is_unreadable());
        assert!(!Reading::parse(b"[1]").unwrap_err().is_unreadable(), "it is JSON, and no reading");
    }

    #[test]
    fn a_repeated_field_is_detected_after_a_repeated_computed_field() {
        let twice = GOOD.replacen('{', r#"{"row_ts":1,"row_ts":2,"id_curral":"1","#, 1);
        let why = Reading::parse(twice.as_bytes()).unwrap_err();
        assert_eq!(why, Rejection::Repeated { field: Column::IdCurral });
    }

    #[test]
    fn the_object_of_the_largest_message_can_be_parsed() {
        use crate::record::{Record, Rules};
        let padding = MAX_MESSAGE_BYTES - GOOD.len() - r#","x":"""#.len();
        let largest = GOOD.replacen("\"}", &format!("\",\"x\":\"{}\"}}", "y".repeat(padding)), 1);
        let record = Record::from_reading(Reading::parse(largest.as_bytes()).unwrap(), Rules::default(), Utc::now());
        assert_eq!(Record::parse(&record.object(largest.as_bytes()).unwrap()).unwrap(), record);
    }

    #[test]
    fn the_size_limit_is_256_kib() {
        let padding = MAX_MESSAGE_BYTES - GOOD.len() - r#","x":"""#.len();
        let with = |n: usize| GOOD.replacen("\"}", &format!("\",\"x\":\"{}\"}}", "y".repeat(n)), 1);
        assert!(Reading::parse(with(padding).as_bytes()).is_ok());
        assert!(matches!(Reading::parse(with(padding + 1).as_bytes()), Err(Rejection::TooLarge { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = Reading::parse(&bytes);
        }

        #[test]
        fn a_damaged_reading_never_panics(at in 0..GOOD.len(), byte in proptest::num::u8::ANY) {
            let mut bytes = GOOD.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = Reading::parse(&bytes);
        }
    }
}
