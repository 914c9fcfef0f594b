//! Files in the dialects that farms deliver: each has the same readings as a normal file, with the same ids.

use super::input_files::{HEADER, gzipped, json, row, scene};

/// Publishes and backfills a file that must contain the readings of pens 1 to 3, which are already stored: nothing new may
/// appear. Returns what the backfill found in the file.
#[track_caller]
pub fn same(name: &str, content: impl AsRef<[u8]>, flags: &[&str]) -> serde_json::Value {
    let scene = scene();
    let lines = [1, 2, 3].map(json).join("\n");
    std::fs::write(scene.path("original.json"), lines).unwrap();
    scene.run(&["backfill", "original.json"]).expect(0, &[("read", 3), ("written", 3), ("inserted", 3)]);
    std::fs::write(scene.path(name), content).unwrap();
    scene
        .run(&[&["publish", "--topic", "local", name], flags].concat())
        .expect(0, &[("read", 3), ("published", 3), ("files_rejected", 0)]);
    let ran = scene.run(&[&["backfill", name], flags].concat());
    ran.expect(0, &[("read", 3), ("written", 0), ("existing", 3), ("identical", 3), ("rejected", 0)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 3), ("lake_objects", 3)]);
    ran.json["inputs"][0].clone()
}

fn rows() -> [String; 3] {
    [1, 2, 3].map(row)
}

/// Returns the file as CSV with another delimiter and decimal commas.
fn in_portuguese(delimiter: &str, line_end: &str) -> String {
    let row = |pen: u32| {
        [&pen.to_string(), "2", "3", "450,5", "451", "2023-01-01 00:00:00 UTC", "51", "66", "9,5", "FazendaUm"]
            .join(delimiter)
    };
    [HEADER.replace(',', delimiter), row(1), row(2), row(3)].join(line_end) + line_end
}

fn pretty(pen: u32) -> String {
    let value: serde_json::Value = serde_json::from_str(&json(pen)).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn b1_ids_that_became_floats_are_the_same_ids() {
    let floats = rows().join("\n").replace(",2,3,", ".0,2.0,3.00,");
    same("x.csv", format!("{HEADER}\n{floats}\n"), &[]);
    let numbers = [1, 2, 3].map(|pen| json(pen).replace(r#""2","id_lote":"3""#, r#"2.0,"id_lote":3.0"#)).join("\n");
    same("x.json", numbers, &[]);
}

#[test]
fn b3_lone_carriage_returns_end_lines() {
    same("x.csv", [HEADER.to_owned(), rows().join("\r")].join("\r"), &[]);
    same("x.json", [1, 2, 3].map(json).join("\r"), &[]);
    same("x.json", [1, 2, 3].map(json).join("\r\n"), &[]);
}

#[test]
fn b5_semicolons_tabs_and_bars_with_decimal_commas_are_read() {
    for (delimiter, shown) in [(";", ";"), ("\t", "\t"), ("|", "|")] {
        let found = same("x.csv", in_portuguese(delimiter, "\r\n"), &[]);
        assert_eq!((&found["delimiter"], &found["decimal_mark"]), (&shown.into(), &",".into()), "{found}");
    }
    let found = same("x.csv", format!("sep=;\r\n{}", in_portuguese(";", "\r\n")), &[]);
    assert_eq!((&found["format"], &found["delimiter"]), (&"csv".into(), &";".into()));
    same("x.tsv", in_portuguese("\t", "\n"), &[]);
    same("x.txt", in_portuguese("\t", "\n"), &[]);
    let quoted = in_portuguese(";", "\n").replace("450,5", "\"450,5\"").replace("9,5", "\"9,5\"").replace(';', ",");
    let found = same("x.csv", quoted, &[]);
    assert_eq!((&found["delimiter"], &found["decimal_mark"]), (&",".into(), &",".into()), "{found}");
}

#[test]
fn b6_white_space_padding_and_decomposed_letters_make_no_second_id() {
    let padded = rows().join("\n").replace("FazendaUm", " FazendaUm\u{a0}  ").replace(",2,", ", 2\u{feff} ,");
    same("x.csv", format!("{HEADER}\n{padded}"), &[]);
    same("x.json", [1, 2, 3].map(|pen| json(pen).replace("FazendaUm", "FazendaUm\\u0000\\u0000")).join("\n"), &[]);
    // NFC and NFD of the same name are one farm and one id.
    let (scene, name) = (scene(), "Fazenda S\u{e3}o Jo\u{e3}o");
    let decomposed = name.replace('\u{e3}', "a\u{303}");
    for (file, name, counts) in [
        ("a.json", name, [("written", 1), ("existing", 0)]),
        ("b.json", &decomposed, [("written", 0), ("existing", 1)]),
    ] {
        std::fs::write(scene.path(file), json(1).replace("FazendaUm", name)).unwrap();
        scene.run(&["backfill", file]).expect(0, &counts);
    }
}

#[test]
fn b7_objects_without_line_feeds_are_all_read() {
    let text = [1, 2, 3].map(json).concat();
    assert_eq!(same("x.json", &text, &[])["format"], "json");
    let found = same("x.json.gz", gzipped(&text), &[]);
    assert_eq!((&found["format"], &found["container"]), (&"json".into(), &"gzip".into()));
    let scene = scene();
    let many: String = (0..40_000).map(json).collect();
    assert!(many.len() > 8_000_000);
    std::fs::write(scene.path("x.json.gz"), gzipped(&many)).unwrap();
    let ran =
        scene.run(&["publish", "--topic", "local", "--stages", "hold:1/s:1s", "--stop-at-schedule-end", "x.json.gz"]);
    assert_eq!(ran.json["input"], 40_000, "{ran:#?}");
}

#[test]
fn b8_arrays_and_pretty_printed_objects_are_read() {
    let lines = [1, 2, 3].map(json);
    for text in [
        format!("[{}]", lines.join(",")),
        format!("[\n{}\n]\n", lines.join(",\n")),
        [1, 2, 3].map(pretty).join("\n"),
        format!("[{}]", [1, 2, 3].map(pretty).join(",\r\n")),
        lines.join(",\n"),
        format!("{}\n]\n", lines.join(",\n")),
        format!(",\n{},\n", lines.join(",\r\n")),
        format!("{}\n", lines.join("\n,")),
        lines.map(|line| format!("\x1e{line}\n")).concat(),
    ] {
        assert_eq!(same("x.json", text, &[])["format"], "json");
    }
}

#[test]
fn b11_offsets_and_dates_without_time_are_read() {
    for data in [
        "2023-01-01 00:00:00 +0000",
        "2022-12-31 21:00:00 -0300",
        "2022-12-31T21:00:00-03:00[America/Sao_Paulo]",
        "2023-01-01T00:00:00Z[UTC]",
        "2023-01-01 00:00:00 utc",
        "2022-12-31 21:00:00 -03:00",
        "2023-01-01 00:00:00 +0000 UTC",
        "2022-12-31T21:00:00-03:00",
        "2023-01-01",
        "2023-01-01 00:00",
    ] {
        let text = rows().join("\n").replace("2023-01-01 00:00:00 UTC", data);
        same("x.csv", format!("{HEADER}\n{text}"), &[]);
    }
}

#[test]
fn b11_dates_that_end_with_the_year_need_their_order() {
    let with = |data: &str| {
        [&[1, 2, 3].map(json)[..], &[format!("{HEADER}\n{}", rows().join("\n"))]]
            .concat()
            .iter()
            .map(|text| text.replace("2023-01-01 00:00:00 UTC", data))
            .collect::<Vec<_>>()
    };
    let at = |data: &str, flag: &str, expected: &str| {
        let (scene, texts) = (scene(), with(data));
        std::fs::write(scene.path("x.json"), texts[..3].join("\n")).unwrap();
        std::fs::write(scene.path("x.csv"), &texts[3]).unwrap();
        let ran = scene.run(&["backfill", "x.json", "x.csv", "--date-order", flag]);
        ran.expect(0, &[("read", 6), ("written", 3), ("existing", 3), ("identical", 3)]);
        assert_eq!(ran.json["inputs"][1]["date_order"], flag);
        let plain: String = [1, 2, 3].map(|pen| json(pen).replace("2023-01-01 00:00:00 UTC", expected) + "\n").concat();
        std::fs::write(scene.path("plain.json"), plain).unwrap();
        scene.run(&["backfill", "plain.json"]).expect(0, &[("existing", 3), ("identical", 3)]);
        scene.run(&["reconcile"]).expect(0, &[("matched", 3)]);
    };
    at("05/03/2023", "dmy", "2023-03-05 00:00:00 UTC");
    at("05/03/2023 06:30", "mdy", "2023-05-03 06:30:00 UTC");
    at("1/31/2023 6:30:00 PM", "mdy", "2023-01-31 18:30:00 UTC");
    at("31-01-2023 06:30:15 -0300", "dmy", "2023-01-31 09:30:15 UTC");
}

#[test]
fn b12_byte_order_marks_anywhere_are_removed() {
    same("x.json", [1, 2, 3].map(|pen| format!("\u{feff}{}", json(pen))).join("\n"), &[]);
    same("x.json", [1, 2, 3].map(|pen| format!("\u{feff}{}", json(pen))).concat(), &[]);
    let joined = [1, 2, 3].map(|pen| format!("\u{feff}{HEADER}\r\n{}\r\n", row(pen))).concat();
    same("x.csv", joined, &[]);
}

#[test]
fn b12_a_byte_order_mark_at_the_start_of_a_lake_object_is_removed() {
    let scene = scene();
    std::fs::write(scene.path("x.json"), json(1)).unwrap();
    scene.run(&["backfill", "x.json"]).expect(0, &[("written", 1)]);
    let object = super::compressed_lake::objects(&scene).remove(0);
    let body = std::fs::read(&object).unwrap();
    std::fs::write(&object, [b"\xef\xbb\xbf", &body[..]].concat()).unwrap();
    scene.run(&["reconcile"]).expect(0, &[("matched", 1)]);
}

#[test]
fn the_outcome_names_the_dialect_of_each_file() {
    let scene = scene();
    std::fs::write(scene.path("a.json"), json(1)).unwrap();
    std::fs::write(scene.path("b.csv.gz"), gzipped(in_portuguese(";", "\n"))).unwrap();
    std::fs::write(scene.path("c.csv"), "").unwrap();
    for command in [&["publish", "--topic", "local"][..], &["backfill"]] {
        let ran = scene.run(&[command, &["a.json", "b.csv.gz", "c.csv"]].concat());
        ran.expect(1, &[("read", 4), ("files_rejected", 1), ("inputs_omitted", 0)]);
        let expected = serde_json::json!([
            {"file": "a.json", "container": "plain", "format": "ndjson", "encoding": "utf-8", "delimiter": null,
                "decimal_mark": null, "date_order": null, "messages": 1, "rejected": null},
            {"file": "b.csv.gz", "container": "gzip", "format": "csv", "encoding": "utf-8", "delimiter": ";",
                "decimal_mark": ",", "date_order": null, "messages": 3, "rejected": null},
            {"file": "c.csv", "container": "plain", "format": "csv", "encoding": "utf-8", "delimiter": ",",
                "decimal_mark": ".", "date_order": null, "messages": 0, "rejected": "it has no readings: it is empty"},
        ]);
        assert_eq!(ran.json["inputs"], expected);
        let text = scene.text(&[command, &["a.json", "b.csv.gz", "c.csv"]].concat());
        let line = "1 file NDJSON; 1 file CSV, delimiter ;, decimal comma, gzip";
        assert!(text.stdout.contains(line), "{}", text.stdout);
        assert!(text.stdout.contains("rejected_file c.csv: it has no readings"), "{}", text.stdout);
    }
    scene.run(&["publish", "--topic", "local", "--report", "r.html", "b.csv.gz"]).expect(0, &[]);
    let page = std::fs::read_to_string(scene.path("r.html")).unwrap();
    assert!(page.contains("1 file CSV, delimiter ;, decimal comma, gzip"));
}

#[test]
fn dead_letters_and_envelopes_are_read_as_the_messages_inside() {
    let letters = [1, 2, 3].map(|pen| {
        let message = serde_json::Value::from(json(pen));
        format!(r#"{{"message":{message},"code":"C","reason":"r","file":"f","line":1,"attempts":2}}"#)
    });
    assert_eq!(same("dead.ndjson", letters.join("\n"), &[])["format"], "dead_letters");
    let envelope =
        |pen| serde_json::json!({"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": json(pen)});
    same("queue.json", [1, 2, 3].map(|pen| envelope(pen).to_string()).join("\n"), &[]);
}

#[test]
fn a_stream_is_read_like_a_file() {
    let scene = scene();
    for content in [in_portuguese(";", "\n").into_bytes(), gzipped([1, 2, 3].map(json).join("\n"))] {
        for command in [&["publish", "--topic", "local", "-"][..], &["backfill", "-"]] {
            let ran = scene.run_with_stdin(command, &content);
            ran.expect(0, &[("read", 3)]);
            assert_eq!((&ran.json["inputs"][0]["file"], &ran.json["inputs"][0]["messages"]), (&"-".into(), &3.into()));
        }
    }
}
