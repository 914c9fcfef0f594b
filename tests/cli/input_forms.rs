//! Files that can be read in two ways, or whose messages have another form: read if only one way is possible, otherwise
//! rejected once, with what to do.

use super::input_dialects::same;
use super::input_files::{HEADER, json, row, scene};
use super::input_rejected::rejected;

fn csv(header: &str, rows: impl IntoIterator<Item = String>) -> String {
    let rows: String = rows.into_iter().map(|row| row + "\n").collect();
    format!("{header}\n{rows}")
}

/// Returns a row with semicolons or tabs, and these weights and this intake.
fn with_numbers(pen: u32, delimiter: &str, numbers: [&str; 3]) -> String {
    let [entry, mean, intake] = numbers;
    [&pen.to_string(), "2", "3", entry, mean, "2023-01-01 00:00:00 UTC", "51", "66", intake, "FazendaUm"]
        .join(delimiter)
}

#[test]
fn a_comma_file_of_which_every_row_is_split_is_rejected_once_and_never_shifted() {
    let header = format!("{HEADER},obs");
    let split = |pen| row(pen).replace("9.5", "9,5");
    let why = ["line 2 can be read in two ways", "quote such numbers"];
    rejected("x.csv", csv(&header, (0..500).map(split)), &[], &why);
    rejected("x.csv", csv(&header, [split(1)]), &[], &why);
    let grouped = |pen| row(pen).replace(",51,", ",1,051,");
    rejected("x.csv", csv(&header, (0..500).map(grouped)), &[], &why);
    // Two further columns, and only a part of the numbers has a fraction.
    let some = |pen: u32| if pen.is_multiple_of(2) { split(pen) + ",x" } else { row(pen) + ",x,y" };
    let scene = scene();
    std::fs::write(scene.path("x.csv"), csv(&format!("{HEADER},a,b"), (1..9).map(some))).unwrap();
    let ran = scene.run(&["backfill", "x.csv"]);
    ran.expect(1, &[("read", 8), ("written", 4), ("rejected", 4)]);
    assert!(ran.json["problems"].to_string().contains("cod_cliente would be 5"), "{ran:#?}");
    // A header of ten names, and rows with the further cell.
    let many: String = csv(HEADER, (0..30).map(split));
    rejected("x.csv", many, &[], &["all its 30 messages", "11 cells for 10 columns"]);
    let quoted = csv(&header, [1, 2, 3].map(|pen| row(pen).replace("450.5", "\"450,5\"").replace("9.5", "\"9,5\"")));
    same("x.csv", quoted, &[]);
}

#[test]
fn a_farm_that_is_a_number_is_read_with_its_further_columns() {
    let header = format!("{HEADER},obs");
    let of = |pen: u32, intake: &str, note: &str| {
        row(pen).replace("9.5", intake).replace("FazendaUm", &format!("123,{note}"))
    };
    let scene = scene();
    std::fs::write(scene.path("x.csv"), csv(&header, [of(1, "9.5", ""), of(2, "9", "x"), of(3, "9", "")])).unwrap();
    scene.run(&["backfill", "x.csv"]).expect(0, &[("written", 3)]);
    let lines = [json(1), json(2).replace("9.5", "9"), json(3).replace("9.5", "9")];
    std::fs::write(scene.path("y.json"), lines.map(|line| line.replace("FazendaUm", "123")).join("\n")).unwrap();
    scene.run(&["backfill", "y.json"]).expect(0, &[("existing", 3), ("identical", 3)]);
}

#[test]
fn rows_of_totals_are_no_readings() {
    let total = |label: &str| format!("{label},2,3,450.5,451,2023-01-01 00:00:00 UTC,5100,66,9.5,FazendaUm");
    let rows = [
        row(1),
        total("Total"),
        total("Subtotal FazendaUm"),
        total("1 Total"),
        total("Total Geral"),
        "Total,,,,1234,,5100,,,".to_owned(),
        "Subtotal Fazenda X,,,,,,,,,".to_owned(),
        ",,,,1234.5,,,,,".to_owned(),
        row(7).replace("FazendaUm", "Total"),
    ];
    let scene = scene();
    std::fs::write(scene.path("x.csv"), csv(HEADER, rows)).unwrap();
    let ran = scene.run(&["backfill", "x.csv"]);
    ran.expect(1, &[("read", 9), ("written", 1), ("rejected", 8)]);
    let problems = ran.json["problems"].to_string();
    for word in ["id_curral is the label of a total", "cod_cliente is the label of a total", "id_curral is empty"] {
        assert!(problems.contains(word), "{word}: {problems}");
    }
}

#[test]
fn ids_that_a_spreadsheet_turned_into_dates_or_errors_are_rejected() {
    let bad = [
        "03/jan",
        "1-Mar",
        "mar/23",
        "2023-03-01 00:00:00",
        "01/03/2023",
        "#REF!",
        "#N/A",
        "#VALUE!",
        "NULL",
        "nan",
        "-",
    ];
    let rows = bad.iter().map(|id| row(7).replacen("7,", &format!("{id},"), 1));
    // A pen may be called 0, 3-1 or SET-01, and a lot may be named after a day.
    let good = ["0", "3-1", "SET-01"].map(|id| row(7).replacen("7,", &format!("{id},"), 1));
    let lot = row(8).replace(",2,3,", ",2,2023-03-01,");
    let scene = scene();
    std::fs::write(scene.path("x.csv"), csv(HEADER, rows.chain(good).chain([lot]))).unwrap();
    let ran = scene.run(&["backfill", "x.csv"]);
    ran.expect(1, &[("read", 15), ("written", 4), ("rejected", 11), ("files_rejected", 0)]);
    let problems = ran.json["problems"].to_string();
    assert_eq!(problems.matches("was turned into a date by a spreadsheet").count(), 5, "{problems}");
    assert_eq!(problems.matches("has a placeholder and no value").count(), 6, "{problems}");
    let column =
        csv(HEADER, (0..40).map(|pen| row(pen).replacen(&format!("{pen},"), &format!("{}-Mar,", pen % 28 + 1), 1)));
    rejected("x.csv", column, &[], &["all its 40 messages", "turned into a date", "export the column as text"]);
}

#[test]
fn a_file_that_shows_no_decimal_mark_is_rejected_once_and_read_with_the_flag() {
    for (delimiter, numbers) in
        [(";", ["1.234", "987", "9"]), ("\t", ["1.234", "987", "9"]), ("|", ["1,234", "987", "9"])]
    {
        let header = HEADER.replace(',', delimiter);
        let text = csv(&header, (1..500).map(|pen| with_numbers(pen, delimiter, numbers)));
        rejected("x.csv", &text, &[], &["in line 2", "--decimal-mark point or --decimal-mark comma"]);
        let text = csv(&header, (1..4).map(|pen| with_numbers(pen, delimiter, numbers)));
        for (flag, weight) in [("comma", ["1234", "1.234"]), ("point", ["1.234", "1234"])] {
            let weight = weight[usize::from(delimiter == "|")];
            let scene = scene();
            std::fs::write(scene.path("x.csv"), &text).unwrap();
            let ran = scene.run(&["backfill", "x.csv", "--decimal-mark", flag]);
            ran.expect(0, &[("written", 3)]);
            assert_eq!(ran.json["inputs"][0]["decimal_mark"], if flag == "comma" { "," } else { "." });
            let plain =
                [1, 2, 3].map(|pen| json(pen).replace("450.5", weight).replace("451", "987").replace("9.5", "9"));
            std::fs::write(scene.path("y.json"), plain.join("\n")).unwrap();
            scene.run(&["backfill", "y.json"]).expect(0, &[("existing", 3), ("identical", 3)]);
        }
    }
}

#[test]
fn numbers_are_read_by_the_mark_that_the_file_shows_or_that_is_given() {
    let header = HEADER.replace(',', ";");
    let rows = [["450,5", "451", "9,5"], ["450,5", "451,0", "9,50"], ["450,500", "451", "9,5"]];
    let text = csv(&header, rows.into_iter().zip(1..).map(|(numbers, pen)| with_numbers(pen, ";", numbers)));
    same("x.csv", &text, &[]);
    same("x.csv", &text, &["--decimal-mark", "comma"]);
    rejected(
        "x.csv",
        &text,
        &["--decimal-mark", "point"],
        &["line 2 has the number 450,5", "is it --decimal-mark comma?"],
    );
    same("x.csv", csv(HEADER, [1, 2, 3].map(row)), &["--decimal-mark", "point"]);
    rejected("x.csv", csv(HEADER, [1, 2, 3].map(row)), &["--decimal-mark", "comma"], &["line 2 has the number 450.5"]);
    // Grouped digits in some rows only.
    let rows = [["1.234,5", "987", "9,5"], ["987", "1.234,50", "9,5"]];
    let text = csv(&header, rows.into_iter().zip(1..).map(|(numbers, pen)| with_numbers(pen, ";", numbers)));
    let scene = scene();
    std::fs::write(scene.path("x.csv"), text).unwrap();
    scene.run(&["backfill", "x.csv"]).expect(0, &[("written", 2)]);
    let plain = [
        json(1).replace("450.5", "1234.5").replace("451", "987"),
        json(2).replace("450.5", "987").replace("451", "1234.5"),
    ];
    std::fs::write(scene.path("y.json"), plain.join("\n")).unwrap();
    scene.run(&["backfill", "y.json"]).expect(0, &[("existing", 2), ("identical", 2)]);
    let ran = scene.run(&["backfill", "y.json", "--decimal-mark", "both"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("use point (1,234.5) or comma (1.234,5)"), "{ran:?}");
}

#[test]
fn numbers_as_texts_with_commas_reject_a_file_whose_points_may_group_digits() {
    let text = |pen: u32, weight: &str| json(pen).replace("450.5", weight);
    let lines = [text(1, "\"1.234\""), text(2, "\"987\""), text(3, "\"1.234,5\"")];
    rejected("x.json", lines.join("\n"), &[], &["line 3 has the number", "may group digits"]);
    let rows = ["1.234", "987", "\"1.234,5\""].into_iter().zip(1..);
    let rows = rows.map(|(weight, pen)| row(pen).replace("450.5", weight).replace("9.5", "9"));
    let words = ["may group digits", "--decimal-mark comma"];
    let scene = scene();
    std::fs::write(scene.path("x.csv"), csv(HEADER, rows)).unwrap();
    let ran = scene.run(&["backfill", "x.csv"]);
    ran.expect(1, &[("written", 0)]);
    assert!(words.iter().all(|word| ran.json.to_string().contains(word)), "{ran:#?}");
}

#[test]
fn dates_that_can_be_read_in_one_way_are_read() {
    let with = |data: &str| [1, 2, 3].map(|pen| row(pen).replace("2023-01-01 00:00:00 UTC", data));
    for data in [
        "20230101",
        "20230101T000000",
        "20230101 0000",
        "20230101000000",
        "2023-1-1",
        "01/jan/2023",
        "1-Jan-2023",
        "1 de janeiro de 2023",
    ] {
        same("x.csv", csv(HEADER, with(data)), &[]);
        let lines = [1, 2, 3].map(|pen| json(pen).replace("2023-01-01 00:00:00 UTC", data));
        same("x.json", lines.join("\n"), &[]);
    }
    same("x.json", [1, 2, 3].map(|pen| json(pen).replace("\"2023-01-01 00:00:00 UTC\"", "20230101")).join("\n"), &[]);
    same("x.csv", csv(HEADER, with("\"Jan 1, 2023\"")), &[]);
    for (data, word) in [
        ("44927", "serial number of a spreadsheet"),
        ("1672531200", "in seconds since 1970"),
        ("1672531200000", "in milliseconds since 1970"),
        ("31/12/23", "two digits"),
        ("01-JAN-23", "two digits"),
        ("2023-W01-7", "date of a week"),
        ("2023-001", "day in a year"),
    ] {
        rejected("x.csv", csv(HEADER, with(data)), &[], &["all its 3 messages", "field data is ", word]);
        let number = json(1).replace("\"2023-01-01 00:00:00 UTC\"", data);
        if data.bytes().all(|b| b.is_ascii_digit()) {
            rejected("x.json", number, &[], &["its message is invalid", word]);
        }
    }
}

#[test]
fn readings_in_the_messages_of_other_services_are_rejected_once_with_the_command_that_extracts_them() {
    let text = |pen: u32| serde_json::Value::from(json(pen)).to_string();
    let lines = |of: &dyn Fn(u32) -> String| [1, 2, 3].map(of).join("\n");
    let command = "extract it with jq";
    for (name, content, word) in [
        ("one object", format!("{{\"data\":{}}}", json(1)), "jq -c '.[\"data\"]'"),
        ("pretty", format!("{{\n  \"data\": {}\n}}\n", json(1)), "jq -c '.[\"data\"]'"),
        (
            "EventBridge",
            lines(&|pen| format!("{{\"version\":\"0\",\"detail\":{}}}", json(pen))),
            "jq -c '.[\"detail\"]'",
        ),
        ("SQS", lines(&|pen| format!("{{\"MessageId\":\"1\",\"Body\":{}}}", text(pen))), "jq -r '.[\"Body\"]'"),
        (
            "SQS raw event",
            lines(&|pen| format!("{{\"messageId\":\"1\",\"eventSource\":\"aws:sqs\",\"body\":{}}}", text(pen))),
            "jq -r '.[\"body\"]'",
        ),
        (
            "DynamoDB",
            lines(&|pen| format!("{{\"Item\":{}}}", json(pen).replace("450.5", "{\"N\":\"450.5\"}"))),
            "map_values",
        ),
        ("JSON in JSON", lines(&text), "jq -r '.'"),
    ] {
        eprintln!("{name}");
        rejected("x.json", content, &[], &[command, word]);
    }
    rejected(
        "x.json",
        format!("{{\"Messages\":[{{\"Body\":{}}},{{\"Body\":{}}}]}}", text(1), text(2)),
        &[],
        &["jq -r '.[\"Messages\"][][\"Body\"]'"],
    );
    let typed = lines(&|pen| json(pen).replace("450.5", "{\"N\":\"450.5\"}"));
    rejected("x.json", typed, &[], &["each value has its type", "map_values"]);
    let other = lines(&|pen| json(pen).replace("id_curral", "ID_Curral"));
    rejected("x.json", other, &[], &["field id_curral is missing", "there is ID_Curral: names in JSON are exact"]);
    let log = lines(&|pen| format!("2023-01-01T00:00:00.000Z {}", json(pen)));
    rejected("x.log", log, &[], &["sed 's/^[^{]*//'"]);
}

#[test]
fn the_commands_in_the_reasons_extract_readings() {
    let Ok(version) = std::process::Command::new("jq").arg("--version").output() else {
        eprintln!("skipped: no jq");
        return;
    };
    assert!(version.status.success());
    let text = |pen: u32| serde_json::Value::from(json(pen)).to_string();
    let envelope = |pen: u32| serde_json::Value::from(format!("{{\"Message\":{}}}", text(pen))).to_string();
    let all = |of: &dyn Fn(u32) -> String| [1, 2, 3].map(of).join("\n");
    for content in [
        all(&|pen| format!("{{\"detail\":{}}}", json(pen))),
        all(&|pen| format!("{{\"Body\":{}}}", envelope(pen))),
        all(&|pen| format!("{{\"Item\":{}}}", json(pen).replace("450.5", "{\"N\":\"450.5\"}"))),
        all(&text),
    ] {
        let scene = scene();
        std::fs::write(scene.path("x.json"), &content).unwrap();
        let ran = scene.run(&["backfill", "x.json"]);
        let why = ran.json["inputs"][0]["rejected"].as_str().unwrap().to_owned();
        let command = why.split("extract it with ").nth(1).unwrap().trim_end_matches(')');
        let shell = std::process::Command::new("sh")
            .current_dir(scene.path("."))
            .args(["-c", &format!("{command} x.json > y.json")])
            .status()
            .unwrap();
        assert!(shell.success(), "{command}");
        super::input_dialects::same("y.json", std::fs::read(scene.path("y.json")).unwrap(), &[]);
    }
}

#[test]
fn numbers_and_ids_that_a_spreadsheet_rounded_are_rejected() {
    let rounded = |pen: u32| row(pen).replace("450.5", "4.51E+02");
    let scene = scene();
    std::fs::write(scene.path("x.csv"), csv(HEADER, [row(1), rounded(2), row(3)])).unwrap();
    let ran = scene.run(&["backfill", "x.csv"]);
    ran.expect(1, &[("read", 3), ("written", 2), ("rejected", 1)]);
    assert!(ran.json["problems"].to_string().contains("4.51E+02 (rounded in a spreadsheet)"), "{ran:#?}");
    rejected("x.csv", csv(HEADER, (0..50).map(rounded)), &[], &["all its 50 messages", "rounded in a spreadsheet"]);
    let long = |pen: u32| row(pen).replacen(&format!("{pen},"), &format!("2599405100{:05}00,", 10_000 + pen), 1);
    rejected("x.csv", csv(HEADER, (0..50).map(long)), &[], &["more than 15 digits end with zeros", "as text"]);
}

#[test]
fn tables_that_are_no_csv_are_rejected_once() {
    for delimiter in ["   ", "^", " : "] {
        let lines = [1, 2, 3].map(|pen| row(pen).replace(" 00:00:00 UTC", "").replace(',', delimiter)).join("\n");
        let text = format!("{}\n{lines}\n", HEADER.replace(',', delimiter));
        rejected("x.txt", text, &[], &["the delimiter of its columns is not known"]);
    }
    let dicts = [1, 2, 3].map(|pen| json(pen).replace('"', "'")).join("\n");
    rejected("x.json", dicts, &[], &["json.dumps"]);
}

#[test]
fn utf_8_that_was_read_as_something_else_rejects_its_file() {
    let named = |farm: &str| json(1).replace("FazendaUm", farm);
    for farm in ["S├úo Jo├úo", "S√£o Jo√£o"] {
        rejected("x.json", named(farm), &[], &["read as text of DOS or Mac OS"]);
    }
    rejected("x.json", named("São JoÃ£o"), &[], &["read as Windows-1252"]);
    rejected("x.json", named("F\u{430}zendaUm"), &[], &["only look like Latin ones"]);
}
