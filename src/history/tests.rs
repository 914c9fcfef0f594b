//! Tests of files in all supported formats, each with the expected messages.

use super::*;
use pipeline::record::Reading;

fn read(name: &str, content: &[u8]) -> Vec<InputMessage> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(name);
    std::fs::write(&path, content).unwrap();
    InputFile::open(&path, InputSettings::default()).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn lines_are_messages_and_blank_ones_are_not() {
    let found = read("x.json", b"\xef\xbb\xbf{\"a\":1}\r\n\n  \n{\"b\":2}");
    let found: Vec<(u64, &[u8])> = found.iter().map(|m| (m.line, &m.body[..])).collect();
    assert_eq!(found, [(1, &b"{\"a\":1}"[..]), (4, b"{\"b\":2}")]);
}

#[test]
fn a_csv_row_is_the_same_reading_as_its_line() {
    let json = br#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":450.5,"peso_medio":451,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"Fazenda \"Um\", SA"}"#;
    let csv = b"id_curral,id_raca,id_lote,peso_entrada,peso_medio,data,quantidade_animais,dia_confinamento,consumo_real,cod_cliente\n\
        1,2,3,450.5,451,2023-01-01 00:00:00 UTC,51,66,9.5,\"Fazenda \"\"Um\"\", SA\"\n1,2\n";
    let rows = read("x.csv", csv);
    assert_eq!(Reading::parse(&rows[0].body), Reading::parse(json));
    assert_eq!(Reading::parse(&rows[1].body).unwrap_err().to_string(), "field id_lote is missing");
    assert_eq!(rows[1].line, 3);
}

#[test]
fn an_endless_line_is_cut_and_the_next_one_is_read() {
    let mut content = vec![b'x'; 5 * 1024 * 1024];
    content.extend_from_slice(b"\n{\"a\":1}\n");
    let found = read("x.json", &content);
    assert_eq!(found.len(), 2);
    assert_eq!(&found[1].body[..], b"{\"a\":1}");
}

/// Returns a reading with this pen, as JSON; `row` returns it as a CSV row.
fn json(pen: u32) -> String {
    format!(
        r#"{{"id_curral":"{pen}","id_raca":"2","id_lote":"3","peso_entrada":450.5,"peso_medio":451,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}}"#
    )
}

fn row(pen: u32) -> String {
    format!("{pen},2,3,450.5,451,2023-01-01 00:00:00 UTC,51,66,9.5,FazendaUm")
}

const HEADER: &str = "id_curral,id_raca,id_lote,peso_entrada,peso_medio,data,quantidade_animais,dia_confinamento,consumo_real,cod_cliente";

/// Returns the pens of the readings with their lines; `?` for a message that is not a reading.
fn pens(name: &str, content: &str) -> String {
    let pen = |m: &InputMessage| Reading::parse(&m.body).map_or("?".into(), |reading| reading.id_curral);
    read(name, content.as_bytes()).iter().map(|m| format!("{}:{} ", m.line, pen(m))).collect()
}

/// Returns why a file is rejected as a whole.
fn rejection(name: &str, content: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(name);
    std::fs::write(&path, content).unwrap();
    let opened = InputFile::open(&path, InputSettings::default());
    let error = opened.map_or_else(Some, |mut file| file.find_map(Result::err));
    error.and_then(|e| e.rejection().map(str::to_owned)).unwrap()
}

#[test]
fn a_mark_crlf_and_a_missing_line_feed_change_nothing() {
    for (name, lines) in [("x.json", [json(1), json(2)]), ("x.csv", [row(1), row(2)])] {
        let header = if name == "x.csv" { format!("{HEADER}\r\n") } else { "\r\n".into() };
        let text = format!("\u{feff}{header}{}\r\n\r\n{}", lines[0], lines[1]);
        assert_eq!(pens(name, &text), "2:1 4:2 ", "{name}");
    }
}

#[test]
fn json_and_rows_may_be_mixed_in_one_file_and_joined_files_have_several_headers() {
    let text = [json(1), HEADER.into(), row(2), json(3), "what?".into(), HEADER.into(), row(4)].join("\n");
    assert_eq!(pens("x.json", &text), "1:1 3:2 4:3 5:? 7:4 ");
    let turned = "cod_cliente,id_raca,id_lote,peso_entrada,peso_medio,data,quantidade_animais,dia_confinamento,consumo_real,id_curral";
    let other = "FazendaUm,2,3,450.5,451,2023-01-01 00:00:00 UTC,51,66,9.5,5";
    let text = [HEADER, &row(1), &json(2), turned, other].join("\n");
    assert_eq!(pens("x.csv", &text), "2:1 3:2 5:5 ");
}

#[test]
fn the_later_part_of_a_csv_file_has_no_header_and_loses_no_row() {
    assert_eq!(pens("x.csv", &[row(1), row(2)].join("\n")), "1:1 2:2 ");
    assert_eq!(pens("x.csv", &["#$%&", &row(2)].join("\n")), "1:? 2:2 ");
    let others = ["pen,breed,lot,a,b,c,d,e,f,farm", &row(2)].join("\n");
    assert!(rejection("x.csv", &others).contains("neither a header nor a reading"), "a header of others");
}

#[test]
fn a_quoted_cell_may_hold_line_feeds_and_a_quote_that_is_never_closed_takes_its_line_only() {
    let long = |remark: &str| format!("{HEADER},obs\n{},\"{remark}\"\n{}", row(1), row(2));
    assert_eq!(pens("x.csv", &long("two\nlines, \"\"quoted\"\"")), "2:1 4:2 ");
    assert_eq!(pens("x.csv", &long("two\na,b,c,d,e,f,g,h,i,j,k,l\nend")), "2:1 5:2 ");
    let open = format!("{HEADER}\n\"{}\n{}\n{}", row(1), row(2), row(3));
    assert_eq!(pens("x.csv", &open), "2:? 3:2 4:3 ");
}

#[test]
fn compressed_files_are_read_under_any_name_and_a_cut_is_reported_after_the_last_line() {
    let text = (0..3_000).map(json).collect::<Vec<_>>().join("\n");
    for compression in [CompressionFormat::Gzip, CompressionFormat::Zstd] {
        let mut compressed = Vec::new();
        compression.compress(text.as_bytes(), &mut compressed).unwrap();
        assert_eq!(read("x", &compressed).len(), 3_000);
        compressed.truncate(compressed.len() / 2);
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.json.gz");
        std::fs::write(&path, &compressed).unwrap();
        let (whole, failed): (Vec<_>, Vec<_>) =
            InputFile::open(&path, InputSettings::default()).unwrap().partition(Result::is_ok);
        assert_eq!(failed.len(), 1);
        let why = failed[0].as_ref().unwrap_err().to_string();
        assert!(why.contains(&format!("x.json.gz: it cannot be read on after line {}", whole.len())), "{why}");
        assert!(whole.iter().all(|message| Reading::parse(&message.as_ref().unwrap().body).is_ok()));
        assert!(compression == CompressionFormat::Zstd || whole.len() > 1_000, "{}", whole.len());
    }
}

#[test]
fn a_line_over_the_limit_of_a_message_is_one_message_that_is_refused() {
    let long = json(1).replacen('{', &format!("{{\"obs\":\"{}\",", "x".repeat(300_000)), 1);
    let found = read("x.json", [long, json(2)].join("\n").as_bytes());
    let why = Reading::parse(&found[0].body).unwrap_err().to_string();
    assert!(found.len() == 2 && why.contains("over the limit of 262144"), "{why}");
}

#[test]
fn the_form_follows_from_the_ending_before_that_of_the_compression() {
    for (name, format) in
        [("a.csv", LineFormat::Csv), ("a.CSV.gz", LineFormat::Csv), ("a.json.zst", LineFormat::Ndjson)]
    {
        assert_eq!(format_of(Path::new(name)), format, "{name}");
    }
}

/// Returns readings of ten columns with this delimiter, and decimal commas.
fn with_commas(delimiter: &str, line_end: &str) -> String {
    let row = |pen: u32| {
        [&pen.to_string(), "2", "3", "450,5", "451", "2023-01-01 00:00:00 UTC", "51", "66", "9,5", "FazendaUm"]
            .join(delimiter)
    };
    [HEADER.replace(',', delimiter), row(1), row(2)].join(line_end)
}

#[test]
fn lone_carriage_returns_end_lines_too() {
    assert_eq!(pens("x.csv", &[HEADER, &row(1), &row(2)].join("\r")), "2:1 3:2 ");
    assert_eq!(pens("x.json", &[json(1), json(2)].join("\r")), "1:1 2:2 ");
}

#[test]
fn any_usual_delimiter_and_decimal_commas_are_read_as_what_was_meant() {
    for (delimiter, line_end) in [(";", "\r\n"), ("\t", "\n"), ("|", "\n"), (";", "\r")] {
        for name in ["x.csv", "x.txt"] {
            assert_eq!(pens(name, &with_commas(delimiter, line_end)), "2:1 3:2 ", "{name} {delimiter:?} {line_end:?}");
        }
    }
    let with_separator = format!("sep=;\r\n{}", with_commas(";", "\r\n"));
    assert_eq!(pens("x.csv", &with_separator), "3:1 4:2 ");
    let found = read("x.csv", with_commas(";", "\n").as_bytes());
    assert_eq!(Reading::parse(&found[0].body), Reading::parse(json(1).as_bytes()));
}

#[test]
fn a_point_in_a_file_with_decimal_commas_is_rejected_and_not_guessed() {
    let text = with_commas(";", "\n").replacen("451", "451.000", 1);
    let found = read("x.csv", text.as_bytes());
    let why = Reading::parse(&found[0].body).unwrap_err().to_string();
    assert!(why.contains("peso_medio is not a number") && why.contains("point in a file with decimal commas"), "{why}");
    assert!(Reading::parse(&found[1].body).is_ok());
}

#[test]
fn objects_without_line_feeds_in_arrays_and_over_several_lines_are_all_read() {
    let pretty = |pen: u32| {
        let value: serde_json::Value = serde_json::from_str(&json(pen)).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    let read = |text: &str| {
        let found = pens("x.json", text);
        found.split_whitespace().map(|found| found.split_once(':').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    for text in [
        [json(1), json(2), json(3)].concat(),
        format!("[{}]", [json(1), json(2), json(3)].join(",")),
        format!("[\n{}\n]", [json(1), json(2), json(3)].join(",\n")),
        [pretty(1), pretty(2), pretty(3)].join("\n"),
        format!("[{}]", [pretty(1), pretty(2), pretty(3)].join(", ")),
        format!("{}\n{}{}", json(1), json(2), json(3)),
        format!("{}\n[{}]", json(1), [json(2), json(3)].join(",")),
        format!("{}\n\u{feff}{}\n{}", json(1), json(2), json(3)),
    ] {
        assert_eq!(read(&text), ["1", "2", "3"], "{text}");
    }
}

#[test]
fn ten_megabytes_on_one_line_are_as_many_messages_as_were_written() {
    let text = (0..50_000).map(json).collect::<String>();
    assert!(text.len() > 10_000_000);
    assert_eq!(read("x.json", text.as_bytes()).len(), 50_000);
    let mut compressed = Vec::new();
    CompressionFormat::Gzip.compress(text.as_bytes(), &mut compressed).unwrap();
    assert_eq!(read("x.json.gz", &compressed).len(), 50_000);
}

/// Returns why a file is rejected when it is read, and the number of its messages before.
fn rejected(content: &[u8]) -> (usize, String) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.json");
    std::fs::write(&path, content).unwrap();
    let found: Vec<_> = InputFile::open(&path, InputSettings::default()).unwrap().collect();
    let why = found.last().unwrap().as_ref().err().and_then(|e| e.rejection()).map(|why| why.to_string());
    (found.len() - 1, why.unwrap_or_default())
}

#[test]
fn a_joined_file_of_another_layout_rejects_the_file() {
    let mut gzip = Vec::new();
    CompressionFormat::Gzip.compress(json(2).as_bytes(), &mut gzip).unwrap();
    let mut zstd = Vec::new();
    CompressionFormat::Zstd.compress(json(2).as_bytes(), &mut zstd).unwrap();
    // Compressed data in the first 512 bytes is rejected as binary data.
    let lines = format!("{}{}\n{}\n", json(1), " ".repeat(512), json(2));
    let header = crate::herd::COLUMNS.join(",");
    let pretty = json(3).replace(",\"", ",\n  \"").replace("{\"", "{\n  \"").replace("\"}", "\"\n}");
    for (content, expected) in [
        ([lines.as_bytes(), &gzip].concat(), "line 3 is compressed with gzip"),
        ([lines.as_bytes(), &zstd].concat(), "line 3 is compressed with zstd"),
        ([lines.trim_end().as_bytes(), &gzip].concat(), "line 2 is compressed with gzip"),
        (format!("[\n{}\n]\n{header}\n{}\n", json(1), row(2)).into_bytes(), "line 4 is a header of CSV"),
        (format!("{lines}{pretty}\n").into_bytes(), "line 3 starts a JSON object on several lines"),
        (format!("{header}\n{}\n{pretty}\n", row(1)).into_bytes(), "line 3 starts a JSON object on several lines"),
    ] {
        let (_, why) = rejected(&content);
        assert!(why.contains(expected), "{expected}: {why}");
    }
    assert_eq!(read("x.json", format!("{lines}{{\n{}\n", json(3)).as_bytes()).len(), 4, "a truncated line");
}

#[test]
fn a_long_line_with_several_readings_rejects_the_file() {
    let long = json(1).repeat(5 * 1024 * 1024 / json(1).len());
    for long in [long.clone(), format!("[{}]", long.replace("}{", "},{"))] {
        let (messages, why) = rejected(format!("{}\n{long}\n{}\n", json(1), json(2)).as_bytes());
        assert!(messages == 1 && why.contains("line 2 has several readings and more than 4 MiB"), "{messages} {why}");
    }
}
