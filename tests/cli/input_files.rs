//! Input files that are compressed, truncated, mixed or too long: one clear line per problem, all counted, nothing lost.

use std::io::Write;

use serde_json::Value;
use testkit::{Ran, Scene};

/// Returns a reading of a pen as a line, and as a row.
pub fn json(pen: u32) -> String {
    format!(
        r#"{{"id_curral":"{pen}","id_raca":"2","id_lote":"3","peso_entrada":450.5,"peso_medio":451,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}}"#
    )
}

pub fn row(pen: u32) -> String {
    format!("{pen},2,3,450.5,451,2023-01-01 00:00:00 UTC,51,66,9.5,FazendaUm")
}

pub const HEADER: &str = "id_curral,id_raca,id_lote,peso_entrada,peso_medio,data,quantidade_animais,dia_confinamento,consumo_real,cod_cliente";

pub fn gzipped(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub fn scene() -> Scene {
    let scene = Scene::embedded();
    std::fs::create_dir(scene.path("lake")).unwrap();
    scene.run(&["init"]);
    scene
}

fn problems(ran: &Ran) -> Vec<String> {
    let output = |problem: &Value| {
        format!("{}: {}", problem["key"].as_str().unwrap_or("?"), problem["reason"].as_str().unwrap_or("?"))
    };
    ran.json["problems"]["items"].as_array().map(|all| all.iter().map(output).collect()).unwrap_or_default()
}

#[test]
fn concatenated_files_are_read_completely_by_publish_and_backfill() {
    let long = json(9).replacen('{', &format!("{{\"obs\":\"{}\",", "x".repeat(270_000)), 1);
    let text = [HEADER, &row(1), "", &json(2), HEADER, &row(3), &long, "what?", &row(4)].join("\r\n");
    let text = format!("\u{feff}{text}");
    for (name, content) in [("x.csv", text.clone().into_bytes()), ("x.csv.gz", gzipped(&text))] {
        for command in [&["publish", "--topic", "local"][..], &["backfill"]] {
            let scene = scene();
            std::fs::write(scene.path(name), &content).unwrap();
            let ran = scene.run(&[command, &[name]].concat());
            let refused = if command[0] == "publish" { "invalid" } else { "rejected" };
            ran.expect(1, &[("read", 6), (refused, 2)]);
            let named = problems(&ran);
            assert!(named.len() == 2, "{ran:#?}");
            assert!(
                named[0].contains(&format!("{name}:7: message of 270"))
                    && named[0].contains("over the limit of 262144"),
                "{named:?}"
            );
            assert!(named[1].contains(&format!("{name}:8: field id_raca is missing")), "{named:?}");
        }
    }
}

#[test]
fn a_truncated_file_is_ingested_up_to_its_end_and_completely_later() {
    let text: String = (0..5_000).map(|pen| json(pen) + "\n").collect();
    let whole = gzipped(&text);
    for command in [&["publish", "--topic", "local"][..], &["backfill"]] {
        let scene = scene();
        std::fs::write(scene.path("x.json.gz"), &whole[..whole.len() / 2]).unwrap();
        let cut = scene.run(&[command, &["x.json.gz"]].concat());
        assert_eq!(cut.code, Some(3), "{cut:#?}");
        let read = cut.json["read"].as_u64().unwrap();
        let why = cut.json["stopped"].as_str().unwrap();
        assert!(
            read > 1_000 && why.contains(&format!("x.json.gz: it cannot be read on after line {read}, it was cut")),
            "{why}"
        );
        std::fs::write(scene.path("x.json.gz"), &whole).unwrap();
        scene.run(&[command, &["x.json.gz"]].concat()).expect(0, &[("read", 5_000)]);
        scene.run(&["reconcile"]).expect(0, &[("matched", 5_000), ("lake_objects", 5_000)]);
    }
}

#[test]
fn an_array_that_is_cut_between_two_elements_ends_with_exit_code_3() {
    for command in [&["publish", "--topic", "local"][..], &["backfill"]] {
        let scene = scene();
        std::fs::write(scene.path("x.json"), format!("[\n{},\n{},\n", json(1), json(2))).unwrap();
        let cut = scene.run(&[command, &["x.json"]].concat());
        assert_eq!((cut.code, &cut.json["read"]), (Some(3), &2.into()), "{cut:#?}");
        assert!(cut.json["stopped"].as_str().unwrap().contains("the ] of its array is missing"), "{cut:#?}");
    }
}
