//! Values that spreadsheets and exports change: read as the original value, or rejected; never a second id, never
//! another value.

use super::input_dialects::same;
use super::input_files::{HEADER, json, row, scene};
use super::input_rejected::rejected;

fn csv(change: impl Fn(String) -> String) -> String {
    format!("{HEADER}\n{}\n", [1, 2, 3].map(|pen| change(row(pen))).join("\n"))
}

/// Backfills the good rows of pens 1 and 2 around a bad one, which must be rejected for a reason with this word.
#[track_caller]
fn one_rejected(bad: &str, word: &str) {
    one_rejected_with("", "", bad, word);
}

/// The same with more columns in the header, and more cells in the good rows.
#[track_caller]
fn one_rejected_with(columns: &str, cells: &str, bad: &str, word: &str) {
    let scene = scene();
    let text = format!("{HEADER}{columns}\n{}{cells}\n{bad}\n{}{cells}\n", row(1), row(2));
    std::fs::write(scene.path("x.csv"), text).unwrap();
    let ran = scene.run(&["backfill", "x.csv"]);
    ran.expect(1, &[("read", 3), ("written", 2), ("rejected", 1), ("files_rejected", 0)]);
    let reason = ran.json["problems"]["items"][0]["reason"].as_str().unwrap();
    assert!(reason.contains(word), "{word:?} in {reason}");
    scene.run(&["publish", "--topic", "local", "x.csv"]).expect(1, &[("published", 2), ("invalid", 1)]);
}

#[test]
fn columns_are_found_by_name_in_any_order_case_and_accents() {
    let turn = |line: &str| {
        let mut cells: Vec<_> = line.split(',').collect();
        cells.reverse();
        cells.join(",")
    };
    let rows = [1, 2, 3].map(|pen| turn(&row(pen))).join("\n");
    same("x.csv", format!("{}\n{rows}", turn(HEADER)), &[]);
    same("x.csv", format!("{}\n{rows}", turn(HEADER).to_uppercase()), &[]);
    let titles = "ID Curral,IdRaca, id-lote ,Peso Entrada,\"Peso Médio\",Data,Quantidade_Animais,DIA_CONFINAMENTO,ConsumoReal,Cod. Cliente";
    same("x.csv", csv(|row| row).replace(HEADER, titles), &[]);
    let brackets = format!("[{}]", HEADER.replace(',', "],["));
    for name in ["x.csv", "x.txt"] {
        assert_eq!(same(name, csv(|row| row).replace(HEADER, &brackets), &[])["format"], "csv");
    }
    same("x.csv", csv(|row| row).replace(HEADER, &brackets).replace(',', ";"), &[]);
}

#[test]
fn marks_of_spreadsheets_are_removed() {
    same("x.csv", csv(|row| row.replace(",2,3,", ",'2,\"=\"\"3\"\"\",").replace(",51,", ",'51,")), &[]);
    same("x.json", [1, 2, 3].map(|pen| json(pen).replace("\"id_lote\":\"3\"", "\"id_lote\":\"'3\"")).join("\n"), &[]);
}

#[test]
fn trailing_delimiters_and_rows_of_delimiters_are_nothing() {
    same("x.csv", csv(|row| row + ","), &[]);
    same("x.csv", csv(|row| row + ",,").replace(HEADER, &format!("{HEADER},,")), &[]);
    same("x.csv", csv(|row| format!("{row}\n,,,,,,,,,\n , , \n")), &[]);
    let index = csv(|row| format!("0,{row}")).replace(HEADER, &format!(",{HEADER}"));
    same("x.csv", index, &[]);
}

#[test]
fn a_row_with_more_cells_than_the_header_is_rejected_and_not_shifted() {
    one_rejected(&row(3).replace("FazendaUm", "Fazenda Um, SA"), "11 cells for 10 columns");
    one_rejected(&row(3).replace("9.5", "9,5"), "11 cells for 10 columns");
    let many: String = (0..30).map(|pen| row(pen).replace("9.5", "9,5") + "\n").collect();
    rejected("x.csv", format!("{HEADER}\n{many}"), &[], &["all its 30 messages", "11 cells for 10 columns"]);
}

#[test]
fn a_row_with_a_split_value_is_rejected_although_a_further_column_has_space_for_its_last_cell() {
    let split = row(3).replace("9.5", "9,5");
    one_rejected_with(",obs", ",", &format!("{split},"), "12 cells for 11 columns");
    one_rejected_with(",obs", "", &split, "11 cells, others have 10");
    one_rejected_with(",", ",", &format!("{split},"), "a value in column 11, which has no name");
    one_rejected_with(",", "", &split, "a value in column 11, which has no name");
    one_rejected_with(",obs,", ",x,", &format!("{split},,"), "13 cells for 12 columns");
    let named = row(3).replace("FazendaUm", "Fazenda Um, SA");
    one_rejected_with(",", ",", &format!("{named},"), "a value in column 11, which has no name");
    one_rejected(&row(3).replace("9.5,FazendaUm", "9,5,"), "11 cells for 10 columns");
    let many: String =
        (0..40).map(|pen| row(pen).replace("9.5", if pen % 2 > 0 { "9,5" } else { "9" }) + ",\n").collect();
    rejected("x.csv", format!("{HEADER},obs\n{many}"), &[], &["20 of its 40 messages", "12 cells for 11 columns"]);
    let text = format!("{HEADER},obs\n{split}\n{}\n", row(1));
    rejected("x.csv", text, &[], &["line 2 has 11 cells", "line 3 has 10", "decimal comma"]);
}

#[test]
fn further_columns_and_delimiters_at_the_end_of_rows_move_no_value() {
    let with = |columns: &str, cells: [&str; 3]| {
        let rows = [1, 2, 3].into_iter().zip(cells).map(|(pen, cells)| row(pen) + cells + "\n");
        format!("{HEADER}{columns}\n{}", rows.collect::<String>())
    };
    for (columns, cells) in [
        ("", [",", ",", ","]),
        ("", ["", ",", ""]),
        (",", [",", ",", ""]),
        (",,", [",,", ",", ",,,"]),
        (",obs", [",x", "", ","]),
        (",obs,", [",x,", ",,", ",5,"]),
        (",obs,obs", [",1,2", ",,", ",,3"]),
    ] {
        same("x.csv", with(columns, cells), &[]);
    }
}

#[test]
fn a_stray_quote_does_not_affect_other_rows() {
    let long = format!("{HEADER},obs");
    let rows = |remarks: [&str; 3]| {
        let rows = [1, 2, 3].into_iter().zip(remarks).map(|(pen, remark)| format!("{},{remark}", row(pen)));
        format!("{long}\n{}\n", rows.collect::<Vec<_>>().join("\n"))
    };
    same("x.csv", rows(["12\" south", "none", "9\" north"]), &[]);
    same("x.csv", rows(["\"two\r\nlines, \"\"quoted\"\"\"", "x", "\"\""]), &[]);
    same("x.csv", rows([" \"a, b\" ", "x", "\t\"c, d\""]), &[]);
    let scene = scene();
    std::fs::write(scene.path("x.csv"), rows(["\"open", "none", "\"closed\""])).unwrap();
    let ran = scene.run(&["backfill", "x.csv"]);
    ran.expect(1, &[("read", 3), ("written", 2), ("rejected", 1)]);
    assert!(ran.json["problems"].to_string().contains("a quote is not closed"), "{ran:#?}");
    one_rejected(&row(3).replace("FazendaUm", "\"Fazenda \"Um\"\""), "text after a closing quote");
}

#[test]
fn placeholders_are_no_values() {
    for placeholder in ["NULL", "NaN", "N/A", "-", "None", "#REF!", "\\N", ""] {
        let word = if placeholder.is_empty() { "id_lote is empty" } else { "id_lote has a placeholder" };
        one_rejected(&row(7).replace("7,2,3,", &format!("7,2,{placeholder},")), word);
        one_rejected(&row(7).replace("9.5", placeholder), "consumo_real is not a");
    }
    one_rejected(&row(7).replace("FazendaUm", "#N/A"), "cod_cliente has a placeholder");
}

#[test]
fn grouped_digits_are_read_only_where_they_are_unambiguous() {
    let semicolons = |weight: &str, intake: &str| {
        csv(|row| {
            row.replace("451", weight)
                .replace("9.5", intake)
                .replace("450.5", "450,5")
                .replace(',', ";")
                .replace("450;5", "450,5")
        })
        .replacen(HEADER, &HEADER.replace(',', ";"), 1)
    };
    let scene = scene();
    std::fs::write(scene.path("x.csv"), semicolons("1.234|5", "9|5").replace('|', ",")).unwrap();
    std::fs::write(scene.path("y.json"), [1, 2, 3].map(|pen| json(pen).replace("451", "1234.5")).join("\n")).unwrap();
    scene.run(&["backfill", "x.csv"]).expect(0, &[("written", 3)]);
    scene.run(&["backfill", "y.json"]).expect(0, &[("existing", 3), ("identical", 3)]);
    for weight in ["1|234.5|6", "1.2345|6", "451.000"] {
        let text = semicolons(weight, "9|5").replace('|', ",");
        let scene = super::input_files::scene();
        std::fs::write(scene.path("x.csv"), text).unwrap();
        let ran = scene.run(&["backfill", "x.csv"]);
        ran.expect(1, &[("written", 0), ("rejected", 3)]);
        assert!(ran.json["problems"].to_string().contains("decimal commas"), "{ran:#?}");
    }
    for id in ["25.994.051", "25 994 051", "25'994'051"] {
        one_rejected(&row(7).replace("7,2,3,", &format!("7,2,{id},")), "may have grouped digits");
    }
    one_rejected(&row(7).replace("9.5", "\"9,5\""), "consumo_real is not a number");
}

#[test]
fn a_file_with_decimal_points_and_later_commas_is_rejected() {
    let rows = |n: u32, decimal: &str| {
        (0..n)
            .map(|pen| {
                row(pen)
                    .replace(',', ";")
                    .replace("450.5", &format!("450{decimal}5"))
                    .replace("9.5", &format!("9{decimal}5"))
                    + "\n"
            })
            .collect::<String>()
    };
    let text = format!("{}\n{}{}", HEADER.replace(',', ";"), rows(2_000, "."), rows(1, ","));
    rejected("x.csv", text, &[], &["line 2002 has a number with a comma (450,5)", "use one decimal mark"]);
    let text = format!("{}\n{}{}", HEADER.replace(',', ";"), rows(300, ","), rows(200, "."));
    rejected("x.csv", text, &[], &["line 302 has a number with a point (450.5)", "(line 2)"]);
}

#[test]
fn integers_are_read_in_any_spelling_and_large_ids_to_their_last_digit() {
    let with_spelling =
        |pen: u32| json(pen).replace("\"51\"", "51.0").replace("\"66\"", "6.6e1").replace("450.5", "\"450.50\"");
    same("x.json", [1, 2, 3].map(with_spelling).join("\n"), &[]);
    let scene = scene();
    let large = [
        json(1).replace("\"id_lote\":\"3\"", "\"id_lote\":12345678901234567891"),
        json(1).replace("\"id_lote\":\"3\"", "\"id_lote\":\"12345678901234567892\""),
        json(1).replace("\"id_lote\":\"3\"", "\"id_lote\":12345678901234567893.0"),
        json(1).replace("\"id_lote\":\"3\"", "\"id_lote\":\"1.2345678901234567e+19\""),
    ];
    std::fs::write(scene.path("x.json"), large.join("\n")).unwrap();
    let ran = scene.run(&["backfill", "x.json"]);
    ran.expect(1, &[("read", 4), ("written", 2), ("rejected", 2)]);
    assert!(ran.json["problems"]["items"][1]["reason"].as_str().unwrap().contains("lost digits"), "{ran:#?}");
    one_rejected(&row(7).replace("51", "true"), "not a number");
    one_rejected(&row(7).replace("7,2,3,", "7,2,1\u{200b}3,"), "control or invisible characters");
}
