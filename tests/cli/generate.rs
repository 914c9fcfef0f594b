//! `ruminate generate`: files, streams, and a stdout that is closed early.

use std::process::Stdio;

use testkit::{Ran, ruminate};

#[test]
fn files_and_stream_hold_the_same_and_the_outcome_has_its_fields() {
    let home = tempfile::tempdir().unwrap();
    let flags =
        ["generate", "--farms", "2", "--lots", "10", "--days", "3", "--start", "2026-01-01", "--faults", "late=0.2"];
    let run = Ran::by(ruminate(home.path()).args(flags).args(["--output", "json", "--out", "h"]));
    let outcome = run.json;
    assert_eq!((run.code, &outcome["farms"], &outcome["files"]), (Some(0), &2.into(), &6.into()), "{}", run.stderr);
    let stream = Ran::by(ruminate(home.path()).args(flags).args(["--output", "json", "--out", "-"]));
    assert_eq!(stream.stdout.lines().count() as u64, outcome["readings"].as_u64().unwrap());
    assert_eq!(stream.stdout.len() as u64, outcome["bytes"].as_u64().unwrap());
    assert!(stream.stderr.contains("readings in 6 files"), "the outcome is on stderr: {}", stream.stderr);
    let mut joined = String::new();
    for day in 1..=3 {
        for farm in ["Um", "Dois"] {
            joined += &std::fs::read_to_string(home.path().join(format!("h/Fazenda{farm}_Consumo_2026010{day}.json")))
                .unwrap();
        }
    }
    assert!(joined == stream.stdout);
    assert!(outcome["faults"]["late"].as_u64().unwrap() > 0 && outcome["seconds"].is_f64());
}

#[test]
fn a_csv_stream_has_one_header() {
    let home = tempfile::tempdir().unwrap();
    let flags = ["generate", "--farms", "2", "--days", "3", "--format", "csv", "--out", "-"];
    let run = Ran::by(ruminate(home.path()).args(flags));
    assert!(run.stdout.starts_with("id_curral,"));
    assert_eq!(run.stdout.matches("id_curral").count(), 1);
}

#[test]
fn parts_of_a_stream_or_of_one_file_join_to_the_whole_in_every_form() {
    let home = tempfile::tempdir().unwrap();
    let flags = ["generate", "--farms", "3", "--lots", "20", "--days", "4", "--start", "2026-01-01"];
    let decompressed = |name: &str| {
        let mut text = Vec::new();
        let file = std::fs::File::open(home.path().join(name)).unwrap();
        std::io::Read::read_to_end(&mut ruminate::compression::open_decompressed(file).unwrap(), &mut text).unwrap();
        text
    };
    for format in ["csv", "ndjson"] {
        let whole = Ran::by(ruminate(home.path()).args(flags).args(["--format", format, "--out", "-"]));
        // More parts than files: the first one has only the header.
        for of in [2, 5, 13] {
            let (mut stream, mut compressed) = (String::new(), Vec::new());
            for index in 1..=of {
                let part = format!("{index}/{of}");
                let part = ["--part", &part, "--out"];
                stream += &Ran::by(ruminate(home.path()).args(flags).args(part).args(["-", "--format", format])).stdout;
                let name = format!("{of}-{index}.{format}.{}", if of == 5 { "zst" } else { "gz" });
                assert_eq!(Ran::by(ruminate(home.path()).args(flags).args(part).arg(&name)).code, Some(0));
                compressed.extend(std::fs::read(home.path().join(name)).unwrap());
            }
            assert!(stream == whole.stdout, "{format} {of}");
            std::fs::write(home.path().join("joined"), compressed).unwrap();
            assert!(decompressed("joined") == whole.stdout.as_bytes(), "{format} {of} compressed");
        }
    }
}

#[test]
fn files_of_a_directory_are_compressed_one_by_one_and_can_be_read() {
    let home = tempfile::tempdir().unwrap();
    let make = |more: &[&str]| {
        let flags = ["generate", "--lots", "20", "--days", "3", "--start", "2026-01-01", "--format", "csv"];
        let run = Ran::by(ruminate(home.path()).args(flags).args(more));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    };
    make(&["--out", "plain"]);
    for (compression, ending) in [("gzip", "gz"), ("zstd", "zst")] {
        make(&["--out", compression, "--compress", compression]);
        make(&["--out", compression, "--compress", compression]); // a repeated run gives the same files
        for day in 1..=3 {
            let name = format!("FazendaUm_Consumo_2026010{day}.csv");
            let messages = |path: std::path::PathBuf| {
                let messages = ruminate::history::InputFile::open(&path, Default::default()).unwrap();
                messages.map(|message| message.unwrap().body).collect::<Vec<_>>()
            };
            let plain = messages(home.path().join("plain").join(&name));
            assert!(plain.len() > 10);
            assert!(messages(home.path().join(compression).join(format!("{name}.{ending}"))) == plain);
        }
    }
}

#[test]
fn parquet_is_a_file_a_day_or_one_file_and_holds_readings_only() {
    let home = tempfile::tempdir().unwrap();
    let make = |more: &[&str]| {
        let flags = ["generate", "--farms", "2", "--lots", "300", "--days", "40", "--start", "2026-01-01", "--output"];
        Ran::by(ruminate(home.path()).args(flags).arg("json").args(more))
    };
    let rows = |name: &str| {
        let file = std::fs::File::open(home.path().join(name)).unwrap();
        let file = parquet::file::reader::SerializedFileReader::new(file).unwrap();
        let meta = parquet::file::reader::FileReader::metadata(&file);
        (meta.num_row_groups(), meta.file_metadata().num_rows() as u64)
    };
    let faults = ["--faults", "late=0.1,duplicate=0.1"];
    let one = make(&[&faults[..], &["--out", "one.parquet", "--truth", "t"]].concat()).json;
    assert_eq!(rows("one.parquet"), (3, one["readings"].as_u64().unwrap()));
    assert_eq!(one["bytes"], home.path().join("one.parquet").metadata().unwrap().len());
    let truth = std::fs::read_to_string(home.path().join("t")).unwrap();
    assert!(truth.contains(&format!("\"lines\":{}", one["readings"])) && truth.contains("20260101.parquet"));
    let many = make(&[&faults[..], &["--out", "many", "--format", "parquet"]].concat()).json;
    let days = std::fs::read_dir(home.path().join("many")).unwrap();
    let found: u64 = days.map(|day| rows(&format!("many/{}", day.unwrap().file_name().to_str().unwrap())).1).sum();
    assert_eq!((&many["files"], many["readings"].as_u64()), (&80.into(), Some(found)));
    for faults in ["malformed=0.1", "malformed.text=0.1", "oversized=0.1"] {
        let refused = make(&["--out", "x.parquet", "--faults", faults]);
        assert!(refused.code == Some(2) && refused.stderr.contains("holds valid readings only"), "{}", refused.stderr);
    }
    assert!(make(&["--format", "parquet", "--compress", "gzip"]).stderr.contains("compresses its columns itself"));
}

#[test]
fn an_output_that_contradicts_its_name_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let output = |more: &[&str]| {
        let run = Ran::by(ruminate(home.path()).args(["generate", "--days", "1"]).args(more));
        assert_eq!(run.code, Some(2));
        run.stderr
    };
    assert!(output(&["--out", "x.csv", "--format", "ndjson"]).contains("--format ndjson"));
    assert!(output(&["--out", "x.csv.gz", "--compress", "zstd"]).contains("does not have the extension of --compress"));
    assert!(output(&["--out", "no/such/x.csv"]).contains("cannot write no/such/x.csv"));
    assert!(std::fs::read_dir(home.path()).unwrap().next().is_none());
}

#[test]
fn a_reader_that_stops_early_is_not_an_error() {
    let home = tempfile::tempdir().unwrap();
    for more in [&["--format", "ndjson"][..], &["--format", "parquet"], &["--compress", "zstd"]] {
        let flags = ["generate", "--lots", "500", "--days", "9000", "--start", "2000-01-01", "--out", "-"];
        let mut command = ruminate(home.path());
        let mut child = command.args(flags).args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut begin = [0; 4];
        std::io::Read::read_exact(&mut child.stdout.take().unwrap(), &mut begin).unwrap();
        let run = Ran::of(&child.wait_with_output().unwrap());
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{more:?}");
        assert!([b"{\"id", b"PAR1", b"\x28\xb5\x2f\xfd"].contains(&&begin), "{begin:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_in_one_line_and_leaves_no_files() {
    let home = tempfile::tempdir().unwrap();
    for format in ["ndjson", "csv", "parquet"] {
        let flags = ["generate", "--days", "2", "--format", format, "--out", "/dev/full", "--truth", "t"];
        let run = Ran::by(ruminate(home.path()).args(flags));
        assert!(run.code == Some(2) && run.stderr.contains("/dev/full: No space left"), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(std::fs::read_dir(home.path()).unwrap().next().is_none());
    }
}

#[test]
fn the_truth_is_a_separate_file() {
    let home = tempfile::tempdir().unwrap();
    for (flags, why) in [(["x.json", "x.json"], "the same file"), (["-", "-"], "expected a file name")] {
        let [out, truth] = flags;
        let run = Ran::by(ruminate(home.path()).args(["generate", "--days", "2", "--out", out, "--truth", truth]));
        assert!(run.code == Some(2) && run.stdout.is_empty() && run.stderr.contains(why), "{}", run.stderr);
        assert!(std::fs::read_dir(home.path()).unwrap().next().is_none());
    }
}

#[test]
fn another_history_under_the_same_names_is_refused_unless_forced() {
    let home = tempfile::tempdir().unwrap();
    let make = |more: &[&str]| {
        Ran::by(ruminate(home.path()).args(["generate", "--days", "2", "--start", "2026-01-01"]).args(more))
    };
    assert_eq!(make(&[]).code, Some(0));
    assert_eq!(make(&[]).code, Some(0));
    let refused = make(&["--seed", "2"]);
    assert!(
        refused.code == Some(2) && refused.stdout.is_empty() && refused.stderr.contains("--force"),
        "{}",
        refused.stderr
    );
    assert_eq!(make(&["--seed", "2", "--force"]).code, Some(0));
    assert!(home.path().join("histories/FazendaUm_Consumo_20260102.json").exists());
}
