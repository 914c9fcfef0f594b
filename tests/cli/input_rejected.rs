//! Files that are rejected as a whole: once, by name, before anything of them is stored, with what to do.

use std::io::Write;

use super::input_files::{HEADER, gzipped, json, row, scene};

/// Publishes and backfills a file that must be rejected as a whole, for a reason with these words. A good file next to it
/// is read.
#[track_caller]
pub fn rejected(name: &str, content: impl AsRef<[u8]>, flags: &[&str], words: &[&str]) {
    for command in [&["publish", "--topic", "local"][..], &["backfill"]] {
        let scene = scene();
        std::fs::write(scene.path(name), content.as_ref()).unwrap();
        let ran = scene.run(&[command, &[name], flags].concat());
        ran.expect(1, &[("read", 0), ("files_rejected", 1)]);
        let (input, problem) = (&ran.json["inputs"][0], &ran.json["problems"]["items"][0]);
        assert_eq!((&input["rejected"], &problem["key"]), (&problem["reason"], &name.into()), "{ran:#?}");
        assert_eq!(problem["kind"], "rejected_file");
        let why = input["rejected"].as_str().unwrap();
        for word in words {
            assert!(why.contains(word), "{word:?} in {why}");
        }
        assert!(std::fs::read_dir(scene.path("lake")).unwrap().next().is_none(), "{ran:#?}");
        assert!(!scene.path("quarentena").exists(), "nothing is quarantined: {ran:#?}");
        std::fs::write(scene.path("good.json"), json(1)).unwrap();
        scene.run(&[command, &[name, "good.json"], flags].concat()).expect(1, &[("read", 1), ("files_rejected", 1)]);
    }
}

fn rows(n: u32, change: impl Fn(String) -> String) -> String {
    let rows: Vec<String> = (0..n).map(|pen| change(row(pen))).collect();
    rows.join("\n")
}

#[test]
fn b2_ids_in_scientific_notation_are_rejected_as_a_file_or_one_by_one() {
    let many = rows(50, |row| row.replace(",2,3,", ",2.8551E+13,3,"));
    rejected(
        "x.csv",
        format!("{HEADER}\n{many}"),
        &[],
        &["id_raca lost digits in a spreadsheet: 2.8551E+13", "as text"],
    );
    let scene = scene();
    std::fs::write(scene.path("x.csv"), format!("{HEADER}\n{}\n{}", row(1), row(2).replace(",2,3,", ",2.8551E+13,3,")))
        .unwrap();
    scene.run(&["backfill", "x.csv"]).expect(1, &[("read", 2), ("written", 1), ("rejected", 1)]);
}

#[test]
fn b4_a_file_without_readings_is_named() {
    for (name, content, why) in [
        ("x.csv", &b""[..], "it is empty"),
        ("x.json", b"", "it is empty"),
        ("x.csv", HEADER.as_bytes(), "it has a header and no rows"),
        ("x.json", b"\n\n  \r\n", "it has only blank lines"),
        ("x.json", b"\xef\xbb\xbf", "it has only blank lines"),
        ("x.json", b"[]", "no readings"),
        ("x.json.gz", &gzipped(""), "it is empty after decompression"),
        ("x.json.zst", &zstd::encode_all(&b""[..], 3).unwrap(), "it is empty after decompression"),
        ("x.csv.gz", &gzipped(format!("{HEADER}\n")), "it has a header and no rows"),
    ] {
        rejected(name, content, &[], &["it has no readings", why]);
    }
    rejected("x.csv", format!("{HEADER}\r\n,,,,,,,,,\r\n , ,\r\n"), &[], &["it has a header and no rows"]);
}

#[test]
fn b4_an_empty_stream_and_an_empty_file_of_a_directory_are_named() {
    for command in [&["publish", "--topic", "local"][..], &["backfill"]] {
        let scene = scene();
        for content in [&b""[..], HEADER.as_bytes(), &gzipped("")] {
            let ran = scene.run_with_stdin(&[command, &["-"]].concat(), content);
            ran.expect(1, &[("read", 0), ("files_rejected", 1)]);
            assert_eq!(ran.json["problems"]["items"][0]["key"], "-");
        }
        std::fs::create_dir(scene.path("in")).unwrap();
        std::fs::write(scene.path("in/a.json"), json(1)).unwrap();
        std::fs::write(scene.path("in/b.csv"), HEADER).unwrap();
        std::fs::write(scene.path("in/c.xlsx"), "PK\x03\x04").unwrap();
        let ran = scene.run(&[command, &["in"]].concat());
        ran.expect(1, &[("read", 1), ("files_rejected", 2)]);
        let problems = &ran.json["problems"]["items"];
        assert_eq!((&problems[0]["key"], &problems[1]["key"]), (&"in/b.csv".into(), &"in/c.xlsx".into()));
    }
}

#[test]
fn b4_what_is_not_read_in_a_directory_counts_as_rejected() {
    for command in [&["publish", "--topic", "local"][..], &["backfill"]] {
        let scene = scene();
        std::fs::create_dir_all(scene.path("in/sub")).unwrap();
        for (name, pen) in [("a.json", 1), ("part-00000", 2), ("c.csv.part", 3), ("sub/d.json", 4)] {
            std::fs::write(scene.path(&format!("in/{name}")), json(pen)).unwrap();
        }
        std::fs::write(scene.path("in/README.md"), "# Histories").unwrap();
        let ran = scene.run(&[command, &["in"]].concat());
        ran.expect(1, &[("read", 1), ("files_rejected", 3)]);
        let problems = ran.json["problems"]["items"].as_array().unwrap();
        let keys: Vec<&str> = problems.iter().filter_map(|problem| problem["key"].as_str()).collect();
        assert_eq!(keys, ["in/c.csv.part", "in/part-00000", "in/sub"]);
        scene.run(&[command, &["in/part-00000"]].concat()).expect(0, &[("read", 1)]);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("gone.json", scene.path("in/b.json")).unwrap();
            assert_eq!(scene.run(&[command, &["in"]].concat()).code, Some(2));
        }
    }
}

#[test]
fn f17_an_export_of_the_warehouse_with_shorter_numbers_is_rejected_as_a_file() {
    let reading = pipeline::record::Reading::parse(json(1).replace("9.5", "9.076451").as_bytes()).unwrap();
    let id = pipeline::record::reading_id(&reading).to_string();
    let export = |intake: &str, id: &str| {
        let row = row(1).replace("9.5", intake).replace(',', "\t");
        format!("id_treated_data\t{}\trow_ts\n{id}\t{row}\t2026-11-30 10:00:00\n", HEADER.replace(',', "\t"))
    };
    rejected("x.tsv", export("9.07645", &id), &[], &["lost digits", "use replay"]);
    rejected("x.tsv", export("9.076451", "4f1c0f5e-8f7a-4d32-9d6e-0a3c5b7e9f10"), &[], &["use replay"]);
    let scene = scene();
    std::fs::write(scene.path("x.json"), json(1).replace("9.5", "9.076451")).unwrap();
    std::fs::write(scene.path("x.tsv"), export("9.076451", &id)).unwrap();
    scene.run(&["backfill", "x.json"]).expect(0, &[("written", 1)]);
    scene.run(&["backfill", "x.tsv"]).expect(0, &[("existing", 1), ("identical", 1)]);
}

#[test]
fn f10_damaged_farm_names_reject_their_file() {
    let named = |farm: &str| json(1).replace("FazendaUm", farm);
    rejected("x.json", named("SÃ£o JoÃ£o"), &[], &["read as Windows-1252", "export it again as UTF-8"]);
    rejected("x.json", named("S\u{fffd}o Jo\u{fffd}o"), &[], &["characters were lost"]);
    rejected("x.json", named("S&atilde;o Jo&atilde;o"), &[], &["it is HTML"]);
    for farm in ["S\\\\u00e3o", "S%C3%A3o", "S=C3=A3o"] {
        rejected("x.json", named(farm), &[], &["its characters are encoded"]);
    }
    rejected("x.json", named("S?o Jo?o"), &[], &["characters were lost"]);
}

#[test]
fn f22_the_framing_of_an_upload_is_rejected_once() {
    let text = format!("12c;chunk-signature={:064}\r\n{}\r\n0\r\nx-amz-checksum-crc32:+H0IvQ==\r\n\r\n", 0, json(1));
    rejected("x.json", text, &[], &["aws-chunked", "when_required"]);
}

#[test]
fn b10_what_is_not_text_is_rejected_once_under_any_name() {
    let mut tar = vec![0; 1024];
    tar[..5].copy_from_slice(b"a.csv");
    tar[257..262].copy_from_slice(b"ustar");
    let zip = |first: &str| [&b"PK\x03\x04"[..], &[0; 26], first.as_bytes(), &[0x80; 600]].concat();
    let zlib = |level| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(rows(41, |row| row).as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let cases: [(&str, &[u8], &str); 17] = [
        ("x.json", &zlib(1), "compressed with zlib"),
        ("x.csv", &zlib(6), "compressed with zlib"),
        ("x.json.gz", &zlib(9), "compressed with zlib"),
        ("x.xlsx", &zip("[Content_Types].xml"), "save the sheet as CSV UTF-8"),
        ("x.csv", &zip("xl/workbook.xml"), "save the sheet as CSV UTF-8"),
        ("x.zip", &zip("a.csv"), "unzip"),
        ("x.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0", "workbook"),
        ("x.tar", &tar, "tar xf"),
        ("x.tar.gz", &gzipped(&tar), "tar xf"),
        ("x.csv.gz.gz", &gzipped(gzipped(json(1))), "compressed twice"),
        ("x.json", b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        ("x.db", b"SQLite format 3\0\x10\0", "export the table"),
        ("x.avro", b"Obj\x01\x04\x16avro.schema", "Avro"),
        ("x.orc", b"ORC\x03", "ORC"),
        ("x.csv.bz2", b"BZh91AY&SY", "bunzip2"),
        ("x.csv", b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "error page"),
        ("x.json.gz", b"\x8f\x02\0\x11\0garbage", "binary data"),
    ];
    for (name, content, word) in cases {
        rejected(name, content, &[], &[word]);
    }
}

#[test]
fn b10_other_data_behind_gzip_data_is_rejected_and_padding_is_not() {
    let compressed = gzipped([1, 2, 3].map(json).join("\n"));
    rejected(
        "x.json.gz",
        [&compressed[..], json(4).as_bytes()].concat(),
        &[],
        &["damaged", "other data follows its gzip data"],
    );
    super::input_dialects::same("x.json.gz", [&compressed[..], &[0; 512]].concat(), &[]);
    let members = [gzipped([1, 2].map(json).join("\n")), gzipped(format!("\n{}", json(3)))].concat();
    super::input_dialects::same("x.json.gz", members, &[]);
    super::input_dialects::same("plain.json.gz", [1, 2, 3].map(json).join("\n"), &[]);
    let mut corrupt = compressed;
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0x55;
    // What comes out first may look like another kind of file.
    rejected("x.json.gz", corrupt, &[], &[]);
    rejected("x.json.gz", &gzipped(json(1))[..12], &[], &["damaged"]);
}

#[test]
fn b11_a_date_that_ends_with_the_year_rejects_its_file_once_and_names_the_flag() {
    let text = rows(1_000, |row| row.replace("2023-01-01 00:00:00 UTC", "05/03/2023 06:30"));
    let words = ["all its 1,000 messages", "line 2", "05/03/2023", "--date-order dmy or --date-order mdy"];
    rejected("x.csv", format!("{HEADER}\n{text}"), &[], &words);
    rejected(
        "x.json",
        json(1).replace("2023-01-01 00:00:00 UTC", "31/12/2023"),
        &[],
        &["31/12/2023", "--date-order dmy"],
    );
    let with = |row: String, date: &str| row.replace("2023-01-01 00:00:00 UTC", date);
    let later = [rows(700, |row| with(row, "05/03/2023")), with(row(701), "12/31/2023")].join("\n");
    rejected(
        "x.csv",
        format!("{HEADER}\n{later}"),
        &["--date-order", "dmy"],
        &["12/31/2023", "is it --date-order mdy?"],
    );
    let scene = scene();
    let one = format!("{HEADER}\n{}\n{}", rows(5, |row| row), row(9).replace("2023-01-01 00:00:00 UTC", "05/03/2023"));
    std::fs::write(scene.path("x.csv"), one).unwrap();
    let ran = scene.run(&["backfill", "x.csv"]);
    ran.expect(1, &[("read", 6), ("written", 5), ("rejected", 1)]);
    assert!(ran.json["problems"]["items"][0]["reason"].as_str().unwrap().contains("--date-order"), "{ran:#?}");
    // A message in the quarantine is no longer in a file, so a flag for files does not help.
    let ran = scene.run(&["publish", "x.csv", "--topic", "local", "--send-invalid"]);
    let problem = &ran.json["problems"]["items"][0];
    assert_eq!((ran.code, problem["kind"].as_str()), (Some(1), Some("quarantined")), "{ran:#?}");
    let reason = problem["reason"].as_str().unwrap();
    assert!(reason.ends_with("05/03/2023; write YYYY-MM-DD"), "{reason}");
}

#[test]
fn a_header_that_lacks_a_column_rejects_its_file_once() {
    let lacks = |name: &str| {
        let at = HEADER.split(',').position(|known| known == name).unwrap();
        let without = |line: &str| {
            let mut cells: Vec<_> = line.split(',').collect();
            cells.remove(at);
            cells.join(",")
        };
        [without(HEADER), rows(1_000, |row| without(&row))].join("\n")
    };
    for name in ["id_curral", "peso_medio", "cod_cliente"] {
        rejected("x.csv", lacks(name), &[], &[&format!("its header has no {name}")]);
    }
    let others = format!("pen,breed,lot,a,b,c,d,e,f,farm\n{}", rows(100, |row| row));
    rejected("x.csv", others, &[], &["neither a header nor a reading", "id_curral"]);
    let titled = format!("Consumo,,,\nJaneiro,,,\n{HEADER}\n{}", rows(100, |row| row));
    rejected("x.csv", titled, &[], &["preceded by 2 other lines"]);
    let twice = format!("{HEADER},ID_LOTE\n{}", rows(100, |row| row + ",4"));
    rejected("x.csv", twice, &[], &["id_lote more than once"]);
    let joined = format!("{HEADER}\n{}\n{}\n", rows(50, |row| row), lacks("peso_medio"));
    rejected("x.csv", joined, &[], &["line 52", "its header has no peso_medio"]);
    let other_delimiter = format!(
        "{HEADER}\n{}\n{}\n{}",
        rows(50, |row| row),
        HEADER.replace(',', ";"),
        rows(50, |row| row.replace(',', ";"))
    );
    rejected("x.csv", other_delimiter, &[], &["line 52", "another delimiter"]);
}

#[test]
fn a_thousand_messages_with_the_same_fault_are_one_rejected_file() {
    let lines = |change: &dyn Fn(String) -> String| (0..1_000).map(|pen| change(json(pen)) + "\n").collect::<String>();
    let cases: [(String, &str); 7] = [
        (lines(&|line| line.replace("peso_medio", "peso")), "field peso_medio is missing"),
        (lines(&|line| line.replace("id_curral", "ID_CURRAL")), "field id_curral is missing"),
        (lines(&|line| line.replace("2023-01-01 00:00:00 UTC", "44927")), "serial number of a spreadsheet"),
        (lines(&|line| line.replace("9.5", "\"9.5%\"")), "field consumo_real is not a number"),
        (lines(&|line| line.replace("9.5", "null")), "field consumo_real is null"),
        (lines(&|_| "2023-01-01 00:00:00 ERROR connection lost".into()), "not JSON"),
        (
            lines(&|line| line.replace("\"id_raca\":\"2\"", "\"id_raca\":true")),
            "field id_raca is not text or an integer: true",
        ),
    ];
    for (text, word) in cases {
        rejected("x.json", text, &[], &["all its 1,000 messages are invalid for the same reason", word]);
    }
    let mixed = format!("{HEADER}\n{}", rows(1_000, |row| row.replace(',', ";")));
    rejected("x.csv", mixed, &[], &["its header has , as the delimiter, and its rows have ;"]);
    // Half of the messages and more; fewer are rejected one by one.
    let scene = scene();
    std::fs::write(
        scene.path("x.json"),
        lines(&|line| if line.contains("5\",\"id_raca") { line.replace("9.5", "null") } else { line }),
    )
    .unwrap();
    scene
        .run(&["backfill", "x.json"])
        .expect(1, &[("read", 1_000), ("written", 900), ("rejected", 100), ("files_rejected", 0)]);
    // With --send-invalid, publish sends them as they are.
    std::fs::write(scene.path("y.json"), lines(&|line| line.replace("9.5", "null"))).unwrap();
    scene.run(&["publish", "--topic", "local", "--send-invalid", "y.json"]).expect(1, &[("published", 1_000)]);
}

#[test]
fn readings_inside_another_object_are_rejected_with_the_way_to_extract_them() {
    let wrapped = |member: &str| format!("{{\"total\": 3, \"{member}\": [{}]}}", [1, 2, 3].map(json).join(", "));
    rejected("x.json", wrapped("data"), &[], &["jq -c '.[\"data\"][]'"]);
    rejected("x.json", wrapped("Records"), &[], &["process --event"]);
}

#[test]
fn a_stream_that_must_be_rejected_stores_nothing() {
    let dates = |n| rows(n, |row| row.replace("2023-01-01 00:00:00 UTC", "05/03/2023"));
    for (content, word) in [
        (b"PK\x03\x04".to_vec(), "ZIP"),
        (b"PAR1\x15\x04".to_vec(), "pass it as a file"),
        (format!("{HEADER}\n{}\n", dates(200)).into_bytes(), "--date-order"),
        (
            [HEADER.as_bytes(), b"\n1,2,3,450.5,451,2023-01-01,51,66,9.5,S\xe3o Jo\xe3o\n"].concat(),
            "--encoding windows-1252",
        ),
    ] {
        for command in [&["publish", "--topic", "local", "-"][..], &["backfill", "-"]] {
            let scene = scene();
            let ran = scene.run_with_stdin(command, &content);
            ran.expect(1, &[("read", 0), ("files_rejected", 1)]);
            assert!(ran.json["inputs"][0]["rejected"].as_str().unwrap().contains(word), "{ran:#?}");
            assert!(
                std::fs::read_dir(scene.path("lake")).unwrap().next().is_none() && !scene.path("quarentena").exists()
            );
        }
    }
}

#[test]
fn a_stream_that_becomes_invalid_stops_there_with_the_reason() {
    let mut content = Vec::new();
    writeln!(content, "{HEADER}").unwrap();
    writeln!(content, "{}", rows(5_000, |row| row)).unwrap();
    content.extend_from_slice(b"1,2,3,450.5,451,2023-01-01,51,66,9.5,S\xe3o Jo\xe3o\n");
    writeln!(content, "{}", rows(5_000, |row| row)).unwrap();
    for command in [&["publish", "--topic", "local", "-"][..], &["backfill", "-"]] {
        let scene = scene();
        let ran = scene.run_with_stdin(command, &content);
        assert_eq!(ran.code, Some(3), "{ran:#?}");
        let why = ran.json["stopped"].as_str().unwrap();
        assert!(why.contains("line 5002 is not UTF-8") && why.contains("--encoding"), "{why}");
        assert!(!scene.path("quarentena").exists());
    }
}
