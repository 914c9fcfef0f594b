//! Encodings of text files: read if they are given or marked, rejected as a file otherwise, never guessed line by line.

use super::input_files::{HEADER, json, row, scene};
use super::input_rejected::rejected;

const FARM: &str = "Fazenda São João da Estância";

fn with_farm(text: &str) -> String {
    text.replace("FazendaUm", FARM)
}

fn windows_1252(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn utf_16(text: &str, low_first: bool) -> Vec<u8> {
    let bytes = if low_first { u16::to_le_bytes } else { u16::to_be_bytes };
    text.encode_utf16().flat_map(bytes).collect()
}

/// The same three readings in UTF-8, as lines and as a CSV file with semicolons.
fn texts() -> [(&'static str, String); 2] {
    let rows = [1, 2, 3].map(row).join("\r\n").replace(',', ";").replace("450.5", "450,5").replace("9.5", "9,5");
    [
        ("x.json", with_farm(&[1, 2, 3].map(json).join("\n"))),
        (
            "x.csv",
            with_farm(&format!(
                "{};Observação\r\n{}",
                HEADER.replace(',', ";"),
                rows.replace("FazendaUm", "FazendaUm;não")
            )),
        ),
    ]
}

/// Backfills UTF-8 first, and then the same text in another encoding: no second id may appear.
#[track_caller]
fn the_same_readings(name: &str, text: &str, encoded: &[u8], flags: &[&str], encoding: &str) {
    let scene = scene();
    std::fs::write(scene.path(name), text).unwrap();
    scene.run(&["backfill", name]).expect(0, &[("read", 3), ("written", 3)]);
    std::fs::write(scene.path(name), encoded).unwrap();
    let ran = scene.run(&[&["backfill", name], flags].concat());
    ran.expect(0, &[("read", 3), ("existing", 3), ("identical", 3)]);
    assert_eq!(ran.json["inputs"][0]["encoding"], encoding);
    scene.run(&[&["publish", "--topic", "local", name], flags].concat()).expect(0, &[("published", 3)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 3), ("lake_objects", 3)]);
}

#[test]
fn b9_windows_1252_is_rejected_once_and_read_with_the_flag() {
    for (name, text) in texts() {
        let encoded = windows_1252(&text);
        rejected(name, &encoded, &[], &["not UTF-8", "--encoding windows-1252"]);
        for flag in ["windows-1252", "latin-1"] {
            the_same_readings(name, &text, &encoded, &["--encoding", flag], "windows-1252");
        }
    }
}

#[test]
fn b9_the_encoding_may_come_from_the_environment_and_the_config_file() {
    let (name, text) = texts()[1].clone();
    let scene = scene().with("RUMINATE_ENCODING", "windows-1252");
    std::fs::write(scene.path(name), windows_1252(&text)).unwrap();
    scene.run(&["backfill", name]).expect(0, &[("read", 3), ("written", 3)]);
    let scene = super::input_files::scene();
    std::fs::write(scene.path(name), windows_1252(&text)).unwrap();
    std::fs::write(scene.path("ruminate.toml"), "encoding = \"windows-1252\"\n[publish]\ndate_order = \"dmy\"\n")
        .unwrap();
    scene.run(&["backfill", name]).expect(0, &[("read", 3), ("written", 3)]);
    let ran = scene.run(&["backfill", name, "--encoding", "cp850"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("use utf-8, windows-1252"), "{}", ran.stderr);
}

#[test]
fn b9_bytes_that_come_late_reject_the_whole_file_too() {
    let mut late = (0..2_000).map(|pen| json(pen) + "\n").collect::<String>().into_bytes();
    assert!(late.len() > 300_000, "far behind the bytes that are examined first");
    late.extend(windows_1252(&with_farm(&json(9_999))));
    rejected("x.json", &late, &[], &["line 2001", "--encoding windows-1252"]);
}

#[test]
fn b9_a_file_that_mixes_encodings_is_rejected_with_both_lines() {
    let utf_8 = (0..2_000).map(|pen| with_farm(&json(pen)) + "\n").collect::<String>();
    let mixed = [utf_8.as_bytes(), &windows_1252(&with_farm(&json(9_999)))].concat();
    rejected("x.json", &mixed, &[], &["line 2001"]);
    rejected(
        "x.json",
        &mixed,
        &["--encoding", "windows-1252"],
        &["mixes encodings", "line 1 is UTF-8", "line 2001 is not"],
    );
    let scene = scene();
    std::fs::write(scene.path("x.json"), &mixed).unwrap();
    let ran = scene.run(&["backfill", "x.json", "--encoding", "utf-8"]);
    ran.expect(1, &[("read", 2_001), ("written", 2_000), ("rejected", 1)]);
}

#[test]
fn b9_a_file_in_utf_8_is_read_as_such_although_the_flag_names_another() {
    for (name, text) in texts() {
        the_same_readings(name, &text, text.as_bytes(), &["--encoding", "windows-1252"], "utf-8");
    }
}

#[test]
fn b9_text_of_dos_and_mac_os_is_not_read_as_windows_1252() {
    for (a_with_tilde, e_circumflex) in [(0xc6_u8, 0x88_u8), (0x8b, 0x90)] {
        let text = with_farm(&json(1)).into_bytes();
        let text = String::from_utf8(text).unwrap();
        let bytes: Vec<u8> = text
            .chars()
            .map(|c| match c {
                'ã' => a_with_tilde,
                'â' => e_circumflex,
                c => u8::try_from(u32::from(c)).unwrap(),
            })
            .collect();
        rejected("x.json", &bytes, &["--encoding", "windows-1252"], &["CSV UTF-8"]);
        rejected("x.json", &bytes, &[], &["CSV UTF-8"]);
    }
}

#[test]
fn b9_names_of_dos_in_capital_letters_are_not_read_as_windows_1252() {
    let dos = |c: char| match c {
        'Ã' => 0xc7,
        'ã' => 0xc6,
        c => u8::try_from(u32::from(c)).unwrap(),
    };
    for farm in ["FAZENDA SÃO JOÃO", "Irmã"] {
        let bytes: Vec<u8> = json(1).replace("FazendaUm", farm).chars().map(dos).collect();
        rejected("x.json", &bytes, &["--encoding", "windows-1252"], &["DOS (code page 850)", "CSV UTF-8", "iconv"]);
        rejected("x.json", &bytes, &[], &["DOS (code page 850)"]);
    }
}

#[test]
fn b9_lines_of_utf_16_in_a_utf_8_file_reject_it() {
    for (name, text) in texts() {
        // More than the bytes that show whether a file is text.
        let before = format!("{text}\r\n{text}\r\n");
        let appended = [before.as_bytes(), &utf_16(&text.replace("9,5", "8,5"), true)].concat();
        for flags in [&[][..], &["--encoding", "windows-1252"]] {
            rejected(name, &appended, flags, &["is UTF-16 and lines before it are not"]);
        }
    }
}

#[test]
fn b9_a_damaged_line_in_a_utf_8_file_is_one_rejected_message() {
    let scene = scene();
    let good = (0..20).map(|pen| with_farm(&json(pen)) + "\n").collect::<String>();
    std::fs::write(
        scene.path("x.json"),
        [good.as_bytes(), b"\xff\xfe\n", &with_farm(&json(30)).as_bytes()[..40]].concat(),
    )
    .unwrap();
    scene
        .run(&["backfill", "x.json"])
        .expect(1, &[("read", 22), ("written", 20), ("rejected", 2), ("files_rejected", 0)]);
}

#[test]
fn b9_utf_16_of_spreadsheets_is_read() {
    for (name, text) in texts() {
        for (low_first, encoding) in [(true, "utf-16le"), (false, "utf-16be")] {
            the_same_readings(name, &text, &utf_16(&format!("\u{feff}{text}"), low_first), &[], encoding);
            let unmarked = utf_16(&text, low_first);
            rejected(name, &unmarked, &[], &["UTF-16 without a byte order mark", &format!("--encoding {encoding}")]);
            the_same_readings(name, &text, &unmarked, &["--encoding", encoding], encoding);
        }
        let cut = utf_16(&format!("\u{feff}{text}"), true);
        let scene = scene();
        std::fs::write(scene.path(name), &cut[..cut.len() - 1]).unwrap();
        let ran = scene.run(&["backfill", name]);
        assert_eq!((ran.code, ran.json["files_rejected"].as_u64()), (Some(1), Some(1)), "{ran:#?}");
    }
    // Excel's "Unicode text": UTF-16 with tabs.
    let (_, text) = texts()[1].clone();
    the_same_readings("x.txt", &text, &utf_16(&format!("\u{feff}{}", text.replace(';', "\t")), true), &[], "utf-16le");
}
