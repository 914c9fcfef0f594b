//! Tests of objects with a record and the members that are no columns.

use super::*;

const MESSAGE: &str = r#"{"id_curral":"1","id_raca":"9000001","id_lote":"3","peso_entrada":"450.0","peso_medio":450.483,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.0,"cod_cliente":"FazendaUm","lote_nota":{"ração":[1, 2.50]},"big":123456789012345678901234567890}"#;

fn record() -> Record {
    let now = timestamp::parse("2026-11-22T18:49:03.454063999").unwrap();
    Record::from_reading(Reading::parse(MESSAGE.as_bytes()).unwrap(), Rules::default(), now)
}

#[test]
fn an_object_contains_the_original_message_and_parses_to_the_record() {
    let record = record();
    let object = record.object(MESSAGE.as_bytes()).unwrap();
    let text = std::str::from_utf8(&object).unwrap();
    assert!(text.starts_with(MESSAGE.trim_end_matches('}')), "{text}");
    assert!(text.contains(r#""consumo_meta":7.9285008,"#), "{text}");
    assert!(text.ends_with(r#""row_ts":"2026-11-22T18:49:03.454063"}"#), "{text}");
    assert_eq!(Record::parse(&object).unwrap(), record);
}

#[test]
fn an_object_has_the_texts_of_the_reading_and_copies_those_that_are_the_same() {
    let fields = |curral: &str, raca: &str, lote: &str, farm: &str| {
        format!(
            r#""id_curral":{curral},"id_raca":{raca},"id_lote":{lote},"peso_entrada":"450.0","peso_medio":450.483,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.0,"cod_cliente":{farm}"#
        )
    };
    for (sent, stored) in [
        (
            fields(r#"" 1 ""#, "9000001.0", r#""'3""#, r#""Fazenda\u00a0Um ""#),
            fields(r#""1""#, r#""9000001""#, r#""3""#, r#""Fazenda Um""#),
        ),
        (
            fields("1", r#""A\u0031""#, r#""3.0""#, r#""FazendaUm""#),
            fields("1", r#""A\u0031""#, r#""3""#, r#""FazendaUm""#),
        ),
    ] {
        let message = format!("{{{sent}}}");
        let reading = Reading::parse(message.as_bytes()).unwrap();
        let record = Record::from_reading(reading, Rules::default(), Utc::now());
        let object = record.object(message.as_bytes()).unwrap();
        assert!(object.starts_with(format!("{{{stored},").as_bytes()), "{}", String::from_utf8_lossy(&object));
        assert_eq!(Record::parse(&object).unwrap(), record);
    }
}

#[test]
fn the_members_that_are_no_columns_are_returned_unchanged_without_the_mark_of_a_repair() {
    let record = Record { repaired_id: Some("x".into()), ..record() };
    let unknown = r#"{"lote_nota":{"ração":[1, 2.50]},"big":123456789012345678901234567890}"#;
    let object = record.object(MESSAGE.as_bytes()).unwrap();
    assert_eq!(Record::unknown_members(&object).as_deref(), Some(unknown));
    assert_eq!(Record::unknown_members(&record.object_from_values()), None);
    assert_eq!(Record::unknown_members(b"x"), None);
}

#[test]
fn a_message_cannot_choose_its_own_id() {
    let record = record();
    let forged = MESSAGE.replacen('{', r#"{"id_treated_data":"x","row_ts":"y","consumo_meta":1,"#, 1);
    assert_eq!(record.object(forged.as_bytes()).unwrap(), record.object(MESSAGE.as_bytes()).unwrap());
}

#[test]
fn an_object_with_replaced_columns_differs_in_those_columns_only() {
    let mut record = record();
    let object = record.object(MESSAGE.as_bytes()).unwrap();
    record.reading.peso_medio = 451.5;
    record.reading.quantidade_animais = 50;
    let columns = [Column::PesoMedio, Column::QuantidadeAnimais];
    let changed = String::from_utf8(record.object_with_columns(&object, &columns).unwrap()).unwrap();
    let expected = String::from_utf8(object).unwrap();
    let expected = expected.replace("\"peso_medio\":450.483", "\"peso_medio\":451.5");
    assert_eq!(changed, expected.replace("\"quantidade_animais\":\"51\"", "\"quantidade_animais\":\"50\""));
}

#[test]
fn an_id_proves_its_reading_and_a_repair_is_not_a_forgery() {
    let record = record();
    assert_eq!(record.check_id(), IdCheck::Proven);
    let upper = Record { id_treated_data: record.id_treated_data.to_uppercase(), ..record.clone() };
    assert_eq!(upper.check_id(), IdCheck::Proven, "the same id in another spelling");
    let mut changed = record.clone();
    changed.reading.peso_medio += 0.5;
    assert_eq!(changed.check_id(), IdCheck::Forged);
    let old = Record { id_treated_data: "0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab".into(), ..changed.clone() };
    assert_eq!(old.check_id(), IdCheck::Unproven);
    let other = Record { id_treated_data: "lote-7".into(), ..changed.clone() };
    assert_eq!(other.check_id(), IdCheck::Unproven, "a text that is no UUID");
    changed.mark_repaired();
    let object = record.object(MESSAGE.as_bytes()).unwrap();
    let repaired = changed.object_with_columns(&object, &[Column::PesoMedio]).unwrap();
    let mut read = Record::parse(&repaired).unwrap();
    assert_eq!((read.check_id(), &read), (IdCheck::Repaired, &changed));
    assert_eq!(Record::parse(&changed.object_from_values()).unwrap(), changed);
    read.reading.peso_medio += 0.5;
    assert_eq!(read.check_id(), IdCheck::Forged, "changed after the repair");
    read.reading.peso_medio -= 1.0;
    read.mark_repaired();
    let restored = read.object_with_columns(&repaired, &[Column::PesoMedio]).unwrap();
    assert_eq!((read.check_id(), restored), (IdCheck::Proven, object), "a mark that is not needed is removed");
    let marked = MESSAGE.replacen('{', r#"{"repaired_id":"x","#, 1);
    assert_eq!(record.object(marked.as_bytes()).unwrap(), object_of(&record), "a message cannot set the mark");
}

#[test]
fn a_message_with_any_number_of_byte_order_marks_has_an_object() {
    for marks in ["", "\u{feff}", "\u{feff}\u{feff}\u{feff}"] {
        let message = format!("{marks}{MESSAGE}");
        let record = Record::from_reading(Reading::parse(message.as_bytes()).unwrap(), Rules::default(), Utc::now());
        assert_eq!(Record::parse(&record.object(message.as_bytes()).unwrap()).unwrap(), record);
        let object = [marks.as_bytes(), &record.object_from_values()].concat();
        assert_eq!(Record::parse(&object).unwrap(), record);
        let changed = record.object_with_columns(&object, &[Column::PesoMedio]).unwrap();
        assert_eq!(Record::parse(&changed).unwrap(), record);
    }
}

fn object_of(record: &Record) -> Vec<u8> {
    record.object(MESSAGE.as_bytes()).unwrap()
}

#[test]
fn an_object_built_from_values_is_the_same_record() {
    let record = record();
    let object = record.object_from_values();
    assert_eq!(Record::parse(&object).unwrap(), record);
    let text = std::str::from_utf8(&object).unwrap();
    assert!(text.contains(r#""data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","#), "{text}");
}

#[test]
fn an_object_of_the_legacy_lambda_is_parsed() {
    let old = r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":234.941,"peso_medio":360.341,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.076451,"cod_cliente":"FazendaUm","consumo_meta":6.342001600000001,"id_treated_data":"0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab","row_ts":"2026-11-22T18:49:03"}"#;
    let record = Record::parse(old.as_bytes()).unwrap();
    assert_eq!(record.id_treated_data, "0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab");
    assert_eq!(record.consumo_meta, Rules::default().consumo_meta(record.reading.peso_medio));
    assert_eq!(
        Record::parse(old.replace("id_treated_data", "id").as_bytes()).unwrap_err().to_string(),
        "field id_treated_data is missing"
    );
}
