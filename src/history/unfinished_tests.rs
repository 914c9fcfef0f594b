//! Tests of incomplete files: still being written, truncated, replaced, or from a slow pipe.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;
use crate::cancellation::CancellationToken;
use crate::progress::Progress;

const HEADER: &str = "id_curral,id_raca,id_lote,peso_entrada,peso_medio,data,quantidade_animais,dia_confinamento,consumo_real,cod_cliente";

fn row(pen: u32) -> String {
    format!("{pen},2,3,450.5,451,2023-01-01 00:00:00 UTC,51,66,9.5,FazendaUm")
}

fn json(pen: u32) -> String {
    format!(
        r#"{{"id_curral":"{pen}","id_raca":"2","id_lote":"3","peso_entrada":450.5,"peso_medio":451,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}}"#
    )
}

/// Space for the messages of an inspection: none, so that files are read again, and enough.
const BUDGETS: [usize; 2] = [0, usize::MAX];

fn inspect(path: &Path, budget: usize) -> Inputs {
    let token = CancellationToken::default();
    let (paths, settings) = (vec![path.to_owned()], InputSettings::default());
    Inputs::inspect_within(budget, paths, settings, OnUniform::RejectFile, &Progress::Silent, &token).unwrap()
}

/// Reads an inspected file: its number of messages, and the error at its end.
fn read(inputs: &Inputs) -> (usize, String) {
    let file = match inputs.open(0) {
        Ok(file) => file,
        Err(e) => return (0, e.to_string()),
    };
    let all: Vec<_> = file.collect();
    let errors: String = all.iter().filter_map(|found| found.as_ref().err()).map(ToString::to_string).collect();
    (all.iter().filter(|found| found.is_ok()).count(), errors)
}

/// Sets the time of a file's last change back, so that no test waits for it.
fn age(path: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(3_600);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

#[test]
fn a_file_that_changes_after_its_inspection_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.csv");
    let write = |rows: u32| {
        let rows: String = (0..rows).map(|pen| row(pen) + "\n").collect();
        std::fs::write(&path, format!("{HEADER}\n{rows}")).unwrap();
        age(&path);
    };
    for budget in BUDGETS {
        write(3);
        let inputs = inspect(&path, budget);
        assert_eq!(read(&inputs), (3, String::new()));
        for rows in [0, 2, 4] {
            write(rows);
            let (messages, why) = read(&inputs);
            assert!(messages == 0 && why.contains("changed after it was checked"), "{messages} {why}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(read(&inputs).1.contains("changed"), "a file that was renamed to the next day's name");
    }
}

#[test]
fn the_last_message_of_a_file_that_changes_while_it_is_read_is_not_returned() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.csv");
    for budget in BUDGETS {
        std::fs::write(&path, format!("{HEADER}\n{}\n{}", row(1), row(2).trim_end_matches("aUm"))).unwrap();
        age(&path);
        let inputs = inspect(&path, budget);
        let mut file = inputs.open(0).unwrap();
        assert!(file.next().unwrap().is_ok());
        std::fs::File::options().append(true).open(&path).unwrap().write_all(b"aUm\n").unwrap();
        let e = file.next().unwrap().unwrap_err();
        assert!(e.rejection().is_none() && e.to_string().contains("still being written"), "{e}");
        assert!(file.next().is_none());
    }
}

#[test]
fn files_are_the_same_from_memory_and_read_again() {
    let home = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..4).map(|at| home.path().join(format!("{at}.json"))).collect();
    for (at, path) in (0..).zip(&paths) {
        // The third is rejected as a whole: it needs no space.
        let line = |pen| if at == 2 { json(pen).replace("FazendaUm", "") } else { json(pen) };
        std::fs::write(path, (0..1_500).map(|pen| line(at * 10_000 + pen) + "\n").collect::<String>()).unwrap();
    }
    let inspected = |budget| {
        let token = CancellationToken::default();
        let settings = InputSettings::default();
        Inputs::inspect_within(budget, paths.clone(), settings, OnUniform::RejectFile, &Progress::Silent, &token)
            .unwrap()
    };
    let messages =
        |inputs: &Inputs, at| inputs.open(at).unwrap().map(|message| message.unwrap().body).collect::<Vec<_>>();
    let expected = inspected(0);
    for budget in [0, 1_000_000, 1_500_000, usize::MAX] {
        let inputs = inspected(budget);
        assert_eq!(inputs.size(), expected.size());
        assert!(inputs.is_rejected(2) && !inputs.is_rejected(3));
        for at in [0, 1, 3] {
            let mut file = inputs.open(at).unwrap();
            assert!(
                messages(&inputs, at) == messages(&expected, at) && messages(&inputs, at).len() == 1_500,
                "{budget} {at}"
            );
            let last = file.by_ref().last().unwrap().unwrap();
            assert_eq!((last.line, &*last.file), (1_500, &*paths[at].display().to_string()));
            let report = file.into_report(true);
            assert_eq!(serde_json::to_value(report).unwrap(), serde_json::to_value(inputs.report(at)).unwrap());
        }
    }
}

#[test]
fn a_csv_file_that_is_still_being_written_is_an_error_and_a_complete_one_without_a_last_line_feed_is_not() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.csv");
    std::fs::write(&path, format!("{HEADER}\n{}\n{}", row(1), row(2))).unwrap();
    assert_eq!(read(&inspect(&path, 0)), (2, String::new()));
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut file = std::fs::File::options().append(true).open(path).unwrap();
            for pen in 3..60 {
                write!(file, "\n{}", row(pen)).unwrap();
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    });
    std::thread::sleep(Duration::from_millis(300));
    let (messages, why) = read(&inspect(&path, 0));
    assert!(messages == 0 && why.contains("still being written"), "{messages} {why}");
    writer.join().unwrap();
}

#[test]
fn the_row_with_which_a_file_ends_before_its_last_column_is_no_reading() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.csv");
    let whys = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let file = InputFile::open(&path, InputSettings::default()).unwrap();
        let parsed = file.map(|message| pipeline::record::Reading::parse(&message.unwrap().body));
        parsed.map(|reading| reading.err().map(|why| why.to_string()).unwrap_or_default()).collect::<Vec<_>>()
    };
    let cut = whys(&format!("{HEADER},obs\n{},x\n{}", row(1), row(2).trim_end_matches("aUm")));
    assert!(cut[0].is_empty() && cut[1].contains("the file ends within this row: 10 cells for 11"), "{cut:?}");
    for whole in [
        format!("{HEADER},obs\n{},x\n{}\n", row(1), row(2)),
        format!("{HEADER},obs\n{}\n{}", row(1), row(2)),
        format!("{HEADER},\n{},\n{}", row(1), row(2)),
        format!("{HEADER}\n{}\n{}", row(1), row(2)),
    ] {
        assert_eq!(whys(&whole), ["", ""], "{whole}");
    }
}

#[test]
fn an_array_without_its_end_is_read_and_then_an_error() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.json");
    for (text, cut) in [
        (format!("[\n{},\n{},\n", json(1), json(2)), true),
        (format!("[{},{}", json(1), json(2)), true),
        (format!("{}\n[{}", json(1), json(2)), true),
        (format!("[{},{}]", json(1), json(2)), false),
        (format!("{}\n[{}]\n", json(1), json(2)), false),
    ] {
        std::fs::write(&path, &text).unwrap();
        let inputs = inspect(&path, 0);
        assert!(!inputs.is_rejected(0), "the existing part is read, as of a truncated compressed file");
        let (messages, why) = read(&inputs);
        assert_eq!((messages, why.contains("the ] of its array is missing")), (2, cut), "{text}");
    }
}

#[test]
fn the_end_of_a_dos_file_is_no_message() {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("x.csv", format!("{HEADER}\r\n{}\r\n{}\r\n\x1a", row(1), row(2))),
        ("x.csv", format!("{HEADER}\r\n{}\r\n{}\x1a\x1a\x1a", row(1), row(2))),
        ("x.csv", format!("{HEADER}\r\n{}\r\n\x1a{HEADER}\r\n{}\r\n\x1a", row(1), row(2))),
        ("x.json", format!("{}\r\n{}\r\n\x1a", json(1), json(2))),
        ("x.json", format!("[{},{}]\x1a", json(1), json(2))),
    ] {
        let path = home.path().join(name);
        std::fs::write(&path, &text).unwrap();
        let file = InputFile::open(&path, InputSettings::default()).unwrap();
        let pens: Vec<String> =
            file.map(|m| pipeline::record::Reading::parse(&m.unwrap().body).unwrap().id_curral).collect();
        assert_eq!(pens, ["1", "2"], "{text:?}");
    }
}

#[test]
fn a_commented_row_and_another_quote_character_are_not_read_as_ids() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.csv");
    let parse = |text: String| {
        std::fs::write(&path, text).unwrap();
        let file = InputFile::open(&path, InputSettings::default()).unwrap();
        file.map(|m| m.map_err(|e| e.to_string()).map(|m| pipeline::record::Reading::parse(&m.body)))
            .collect::<Result<Vec<_>, _>>()
    };
    let found = parse(format!("{HEADER}\n{}\n#{}\n", row(1), row(2))).unwrap();
    assert!(found[0].is_ok() && found[1].as_ref().unwrap_err().to_string().contains("commented out"), "{found:?}");
    let pens = parse(format!("{HEADER}\n#{}\n#{}\n", row(1), row(2))).unwrap();
    assert!(pens.iter().all(Result::is_ok), "a pen may be called #1: {pens:?}");
    let quoted = row(1).split(',').map(|cell| format!("'{cell}'")).collect::<Vec<_>>().join(",");
    let why = parse(format!("{HEADER}\n{quoted}\n")).unwrap_err();
    assert!(why.contains("as the quote character"), "{why}");
}

#[test]
#[cfg(unix)]
fn a_pipe_may_deliver_its_first_bytes_one_by_one() {
    let home = tempfile::tempdir().unwrap();
    let text: String = [1, 2].map(|pen| json(pen) + "\n").concat();
    let mut compressed = Vec::new();
    CompressionFormat::Gzip.compress(text.as_bytes(), &mut compressed).unwrap();
    let utf16: Vec<u8> =
        format!("\u{feff}{HEADER}\n{}\n{}\n", row(1), row(2)).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let pretty = text.replace(",\"", ",\n  \"").replace("{\"", "{\n  \"").replace("\"}", "\"\n}");
    for (at, content) in [compressed, utf16, pretty.into_bytes()].into_iter().enumerate() {
        let path = home.path().join(format!("pipe{at}"));
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let writer = std::thread::spawn({
            let path = path.clone();
            move || {
                let mut pipe = std::fs::File::options().write(true).open(path).unwrap();
                for byte in content {
                    pipe.write_all(&[byte]).unwrap();
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        });
        let settings = InputSettings { is_live: true, ..InputSettings::default() };
        let file = InputFile::open(&path, settings).unwrap();
        let pens: Vec<String> =
            file.map(|m| pipeline::record::Reading::parse(&m.unwrap().body).unwrap().id_curral).collect();
        assert_eq!(pens, ["1", "2"], "{at}");
        writer.join().unwrap();
    }
}

#[test]
#[cfg(unix)]
fn a_slow_pipe_has_the_dialect_of_a_fast_one() {
    let home = tempfile::tempdir().unwrap();
    let quoted = |pen| row(pen).replace("450.5", "\"450,5\"").replace("9.5", "\"9,5\"");
    for is_live in [false, true] {
        let path = home.path().join(format!("pipe{is_live}"));
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let writer = std::thread::spawn({
            let (path, rows) = (path.clone(), [1, 2].map(quoted).join("\n"));
            move || {
                let mut pipe = std::fs::File::options().write(true).open(path).unwrap();
                writeln!(pipe, "{HEADER}").unwrap();
                std::thread::sleep(Duration::from_millis(100));
                writeln!(pipe, "{rows}").unwrap();
            }
        });
        let file = InputFile::open(&path, InputSettings { is_live, ..InputSettings::default() }).unwrap();
        let weights: Vec<f64> =
            file.map(|m| pipeline::record::Reading::parse(&m.unwrap().body).unwrap().peso_entrada).collect();
        assert_eq!(weights, [450.5, 450.5], "{is_live}");
        writer.join().unwrap();
    }
}
