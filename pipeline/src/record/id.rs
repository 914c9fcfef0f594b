//! Ids of readings: the canonical form of a reading and the version 8 UUID computed from it.
//!
//! **Canonical form**: a JSON array in the serialization of RFC 8785 (JCS) with the fields of [`Column::IN_ID`] in the order
//! farms send them: `id_curral`, `id_raca`, `id_lote` as strings, `peso_entrada`, `peso_medio` as numbers, `data` as a string,
//! `quantidade_animais`, `dia_confinamento`, `consumo_real` as numbers, `cod_cliente` as a string. `data` is in RFC
//! 3339 (UTC, `Z`). Its fraction is truncated to microseconds, has no trailing zeros and is omitted if zero. JCS writes
//! numbers as ECMAScript does, in their shortest form, so `"51"`, `51` and `51.0` are equal.
//!
//! **Id** (RFC 9562, version 8): 48 bits `data` in Unix milliseconds, big-endian; version `8`; the first 12 bits of the
//! SHA-256 of the canonical form in UTF-8; variant `10`; the following 62 bits of the hash.
//!
//! The test vectors are in `docs/ids.md` and are checked by this module's tests.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::json::push_text;
use super::{Column, Field, Reading, timestamp};

/// Returns the canonical form of a reading, as defined in the module docs.
///
/// Optional fields that the reading lacks are omitted from the end, so that adding an optional column keeps existing
/// ids.
pub fn canonical(reading: &Reading) -> String {
    String::from_utf8_lossy(&canonical_bytes(reading)).into_owned()
}

fn canonical_bytes(reading: &Reading) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut absent = 0;
    for column in Column::IN_ID {
        let field = reading.field(column);
        if field == Field::Absent {
            absent += 1;
            continue;
        }
        (0..std::mem::take(&mut absent)).for_each(|_| out.extend_from_slice(b",null"));
        out.push(if out.is_empty() { b'[' } else { b',' });
        match field {
            Field::Absent => {}
            Field::Text(text) => push_text(&mut out, text),
            Field::Weight(value) => out.extend_from_slice(ryu_js::Buffer::new().format(value).as_bytes()),
            Field::Count(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Field::Instant(at) => push_text(&mut out, &timestamp::as_canonical(at)),
        }
    }
    out.push(b']');
    out
}

/// Returns the id of a reading: equal for every delivery and every ingest path, and in time order.
pub fn reading_id(reading: &Reading) -> Uuid {
    id_of_canonical(&canonical_bytes(reading), reading.data.timestamp_millis())
}

/// Returns the id for a canonical form and `data` in Unix milliseconds.
pub fn id_of_canonical(canonical: &[u8], data_ms: i64) -> Uuid {
    let hash = Sha256::digest(canonical);
    let mut head = [0_u8; 16];
    head.copy_from_slice(&hash[..16]);
    let head = u128::from_be_bytes(head);
    let millis = u128::from(data_ms.unsigned_abs()) & ((1 << 48) - 1);
    let custom_b = head >> 116;
    let custom_c = (head >> 54) & ((1 << 62) - 1);
    Uuid::from_u128(millis << 80 | 8 << 76 | custom_b << 64 | 0b10 << 62 | custom_c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Reading {
        Reading::parse(json.as_bytes()).unwrap()
    }

    /// Checks the table of `docs/ids.md`: message, canonical form, id.
    #[test]
    fn the_documented_vectors_hold() {
        let page = include_str!("../../../docs/ids.md");
        let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).map(|block| block.trim()).collect();
        let vectors: Vec<&[&str]> = blocks.chunks(3).collect();
        assert!(vectors.len() >= 4, "docs/ids.md has its vectors");
        for vector in vectors {
            let [message, form, id] = vector else { panic!("three blocks a vector: {vector:?}") };
            let reading = parse(message);
            assert_eq!(canonical(&reading), *form);
            assert_eq!(reading_id(&reading).to_string(), *id);
        }
    }

    #[test]
    fn the_form_of_a_number_or_time_does_not_change_the_id() {
        let one = parse(
            r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450,"peso_medio":"450.50","data":"2023-01-01 00:00:00 UTC",
                "quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.0,"cod_cliente":"FazendaUm"}"#,
        );
        let other = parse(
            r#"{"cod_cliente":"FazendaUm","extra":1,"id_curral":1,"id_raca":2.0,"id_lote":"3","peso_entrada":"450.0","peso_medio":450.5,
                "data":"2022-12-31T21:00:00-03:00","quantidade_animais":51,"dia_confinamento":66.0,"consumo_real":"9"}"#,
        );
        assert_eq!(reading_id(&one), reading_id(&other));
    }

    #[test]
    fn a_corrected_reading_has_another_id_with_the_same_time() {
        let one = parse(
            r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450,"peso_medio":450,"data":"2023-01-01 00:00:00 UTC",
                "quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.0,"cod_cliente":"FazendaUm"}"#,
        );
        let corrected = Reading { consumo_real: 9.1, ..one.clone() };
        let (a, b) = (reading_id(&one), reading_id(&corrected));
        assert_ne!(a, b);
        assert_eq!(a.as_bytes()[..6], b.as_bytes()[..6]);
        assert_eq!(a.get_version_num(), 8);
    }
}
