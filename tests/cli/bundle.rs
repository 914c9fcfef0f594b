//! `ruminate bundle`: the written files, and rejected programs. The programs are small ELF files; `bundle_source` tests builds.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};
use testkit::Scene;
use testkit::elf::{Elf, need};

const FILES: [&str; 15] = [
    "DEPLOY.md",
    "SHA256SUMS",
    "bootstrap.zip",
    "sbom.cdx.json",
    "sql/accounts.sql",
    "sql/athena.sql",
    "sql/duckdb.sql",
    "sql/mysql/0001_table.sql",
    "sql/mysql/0002_index_cod_cliente_data.sql",
    "sql/mysql/0003_view_lote_dia.sql",
    "sql/mysql/0004_view_fazenda_dia.sql",
    "sql/mysql/0005_view_repetidas.sql",
    "sql/spark.sql",
    "sql/trino.sql",
    "template.yaml",
];

/// Asserts exit code 2, one line on stderr that begins with `error:` and has these words, and no directory.
#[track_caller]
pub fn refused(scene: &Scene, args: &[&str], words: &[&str]) {
    let ran = scene.run(&[&["bundle"], args].concat());
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error:")).collect();
    assert!(errors.len() == 1 && ran.stdout.is_empty(), "one line: {ran:#?}");
    for word in words {
        assert!(errors[0].contains(word), "{word:?} in {}", errors[0]);
    }
    assert!(!scene.path("bundle").exists(), "nothing is written");
}

/// Returns every file below a directory by its path in it.
fn held(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(held(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            files.insert(name, fs::read(path).unwrap());
        }
    }
    files
}

pub fn text(scene: &Scene, name: &str) -> String {
    fs::read_to_string(scene.path(name)).unwrap()
}

/// Returns a scene with a program.
fn with_program(elf: &Elf) -> Scene {
    let scene = Scene::new();
    fs::write(scene.path("program"), elf.bytes()).unwrap();
    scene
}

const GIVEN: [&str; 3] = ["bundle", "--bootstrap", "program"];

#[test]
fn a_bundle_has_its_files_and_the_hash_that_lambda_reports() {
    let scene = with_program(&Elf::arm64());
    let ran = scene.run(&GIVEN);
    let unzipped = Elf::arm64().bytes().len() + pipeline::warehouse::RDS_AUTHORITIES.len();
    ran.expect(0, &[("unzipped_bytes", unzipped as u64)]);
    let files = held(&scene.path("bundle"));
    assert_eq!(files.keys().collect::<Vec<_>>(), FILES);
    let (zip, json) = (&files["bootstrap.zip"], &ran.json);
    assert_eq!(json["code_sha256"], aws_smithy_types::base64::encode(Sha256::digest(zip)));
    assert_eq!(json["zip_bytes"], zip.len());
    assert_eq!((&json["zip"], &json["arch"]), (&"bundle/bootstrap.zip".into(), &"arm64".into()));
    assert_eq!((&json["glibc"], &json["needed_libraries"][1]), (&"2.34".into(), &"libc.so.6".into()));
    let listed: Vec<_> = json["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(listed, FILES);
    let accounts = text(&scene, "bundle/sql/accounts.sql");
    assert!(accounts.contains("GRANT SELECT, INSERT ON `historico_consumo` TO ''ruminate_intake''"), "{accounts}");
    assert!(json["seconds"].is_f64() && json["stopped"].is_null());
    let page = text(&scene, "bundle/DEPLOY.md");
    let code_sha256 = json["code_sha256"].as_str().unwrap();
    assert_eq!(page.matches(code_sha256).count(), 2, "{page}");
    assert!(page.contains("is the Lambda for arm64") && page.contains("curl -O https://truststore"), "{page}");
    let template = text(&scene, "bundle/template.yaml");
    assert!(template.contains("Default: arm64 # bundle: architecture"));
    // Without a flag the authorities are those of RDS.
    assert!(template.contains("Default: /var/task/rds-ca.pem # bundle: rds-ca-file"));
    let mut archive = zip::ZipArchive::new(fs::File::open(scene.path("bundle/bootstrap.zip")).unwrap()).unwrap();
    let mut authorities = String::new();
    archive.by_name("rds-ca.pem").unwrap().read_to_string(&mut authorities).unwrap();
    assert_eq!(authorities, pipeline::warehouse::RDS_AUTHORITIES);
    assert_eq!(authorities.matches("Amazon RDS sa-east-1 Root CA").count(), 3);
    for words in ["`FunctionResponseTypes: [ReportBatchItemFailures]`", "at most 64 characters"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for engine in ["athena", "duckdb", "spark", "trino"] {
        let tables = text(&scene, &format!("bundle/sql/{engine}.sql"));
        assert!(tables.contains("s3://BUCKET/partes") && tables.contains("historico_consumo_lote_dia"), "{tables}");
    }
    let index = text(&scene, "bundle/sql/mysql/0002_index_cod_cliente_data.sql");
    assert!(index.contains("`historico_consumo`") && index.ends_with(";\n"), "{index}");
    let sums = ["--check", "--strict", "SHA256SUMS"];
    let checked = Command::new("sha256sum").args(sums).current_dir(scene.path("bundle")).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    assert_eq!(text(&scene, "bundle/SHA256SUMS").lines().count(), FILES.len() - 1, "all but itself");
}

#[test]
fn text_for_people_has_the_code_sha256_and_what_comes_next() {
    let scene = with_program(&Elf { symbols: 4_800, ..Elf::linked_statically() });
    let ran = scene.text(&GIVEN);
    for words in
        ["bundle: 15 files for x86_64", "CodeSha256", "libraries   nothing", "warning: 4,800 bytes", "bundle/DEPLOY.md"]
    {
        assert!(ran.stdout.contains(words), "{words}: {ran:#?}");
    }
    assert!(ran.code == Some(0) && ran.stderr.is_empty(), "{ran:#?}");
}

#[test]
fn the_crates_that_the_program_lists_are_in_its_bill_of_materials() {
    let list = "ruminate-lambda dependencies, format 1, version 0.1.0\nserde\t1.0.1\tMIT OR Apache-2.0\tabc\thttps://s.example\n\n";
    let scene = with_program(&Elf { ballast: list.into(), ..Elf::x86_64() });
    let ran = scene.run(&GIVEN);
    ran.expect(0, &[("dependencies", 1)]);
    assert!(ran.json["warnings"].as_array().unwrap().iter().all(|warning| !warning.to_string().contains("sbom")));
    let sbom: serde_json::Value = serde_json::from_str(&text(&scene, "bundle/sbom.cdx.json")).unwrap();
    assert_eq!((&sbom["bomFormat"], &sbom["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    assert_eq!(sbom["components"][0]["purl"], "pkg:cargo/serde@1.0.1");
    assert_eq!(sbom["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
    let digest = Sha256::digest(fs::read(scene.path("program")).unwrap());
    assert_eq!(sbom["metadata"]["component"]["hashes"][0]["content"], pipeline::hex::hex(&digest));
    let without = with_program(&Elf::x86_64());
    let ran = without.run(&GIVEN);
    assert!(
        ran.json["dependencies"].is_null() && ran.json["warnings"].to_string().contains("sbom.cdx.json"),
        "{ran:?}"
    );
}

#[test]
fn two_runs_agree_to_the_byte_wherever_and_whenever_they_were() {
    let ballast: Vec<u8> = (0..50_000_u32).map(|n| (n.wrapping_mul(n) >> 11) as u8).collect();
    let elf = Elf { ballast, ..Elf::x86_64() };
    let (here, there) = (with_program(&elf), with_program(&elf));
    here.run(&GIVEN).expect(0, &[]);
    fs::rename(there.path("program"), there.path("other")).unwrap();
    fs::set_permissions(there.path("other"), fs::Permissions::from_mode(0o400)).unwrap();
    std::thread::sleep(Duration::from_millis(2_100)); // a zip's times have steps of two seconds
    let other = there.path("other").display().to_string();
    there.run(&["bundle", "--bootstrap", &other, "--arch", "x86_64", "--out", "a/b/c"]).expect(0, &[]);
    let (first, second) = (held(&here.path("bundle")), held(&there.path("a/b/c")));
    assert!(
        first == second,
        "{:?}",
        first.iter().find(|(name, bytes)| second.get(*name) != Some(*bytes)).map(|(name, _)| name)
    );
    for (name, bytes) in &first {
        let home = here.home.path().to_str().unwrap().as_bytes();
        assert!(!bytes.windows(home.len()).any(|window| window == home), "{name} has a path of this machine");
    }
}

#[test]
fn the_zip_has_an_executable_bootstrap_and_the_certificates_that_were_given() {
    let scene = with_program(&Elf::x86_64());
    let certificate = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sns/certificate.pem");
    fs::copy(&certificate, scene.path("ca.pem")).unwrap();
    let ran = scene.run(&[&GIVEN[..], &["--rds-ca", "ca.pem"]].concat());
    ran.expect(0, &[("unzipped_bytes", (Elf::x86_64().bytes().len() + fs::read(&certificate).unwrap().len()) as u64)]);
    let mut zip = zip::ZipArchive::new(fs::File::open(scene.path("bundle/bootstrap.zip")).unwrap()).unwrap();
    let mut entry = |name: &str| {
        let (mut file, mut bytes) = (zip.by_name(name).unwrap(), Vec::new());
        file.read_to_end(&mut bytes).unwrap();
        (file.unix_mode().unwrap(), bytes)
    };
    assert!(entry("bootstrap") == (0o100_755, Elf::x86_64().bytes()));
    assert!(entry("rds-ca.pem") == (0o100_644, fs::read(certificate).unwrap()));
    assert_eq!(zip.len(), 2);
    assert!(text(&scene, "bundle/template.yaml").contains("Default: /var/task/rds-ca.pem # bundle: rds-ca-file"));
    assert!(text(&scene, "bundle/DEPLOY.md").contains("is `/var/task/rds-ca.pem`"));

    let scene = with_program(&Elf::x86_64());
    fs::write(scene.path("ca.pem"), "<html>404</html>").unwrap();
    refused(&scene, &["--bootstrap", "program", "--rds-ca", "ca.pem"], &["--rds-ca ca.pem", "no certificate"]);
    refused(&scene, &["--bootstrap", "program", "--rds-ca", "none.pem"], &["none.pem", "No such file"]);
}

#[test]
fn what_lambda_could_not_run_is_refused_with_the_reason() {
    let newer = Elf::x86_64().needing(need("libc.so.6", "GLIBC_2.36", "arc4random"));
    let needed = vec!["libssl.so.3", "libc.so.6"];
    let cases: [(Vec<u8>, &[&str], &[&str]); 6] = [
        (Elf::arm64().bytes(), &["--arch", "x86_64"], &["refused: program is for arm64", "--arch is x86_64"]),
        (
            newer.bytes(),
            &[],
            &["2.34", "arc4random (GLIBC_2.36 of libc.so.6)", "x86_64-unknown-linux-gnu.2.34", "--zigbuild"],
        ),
        (Elf { needed, ..Elf::x86_64() }.bytes(), &[], &["needs libssl.so.3", "statically"]),
        (b"#!/bin/sh\n".to_vec(), &[], &["program is a script", "--target x86_64-unknown-linux-gnu"]),
        (Vec::new(), &[], &["program is empty"]),
        (Elf::x86_64().bytes()[..300].to_vec(), &[], &["program is damaged or incomplete"]),
    ];
    for (bytes, flags, words) in cases {
        let scene = Scene::new();
        fs::write(scene.path("program"), bytes).unwrap();
        refused(&scene, &[&["--bootstrap", "program"], flags].concat(), words);
    }
}

#[test]
fn the_toolkit_itself_is_no_bootstrap() {
    let scene = Scene::new();
    let toolkit = testkit::built("ruminate");
    refused(&scene, &["--bootstrap", toolkit.to_str().unwrap()], &["is not a Lambda runtime", "ruminate-lambda"]);
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let scene = Scene::new();
    fs::create_dir(scene.path("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(scene.path("pipe")).status().unwrap().success());
    fs::File::create(scene.path("giant")).unwrap().set_len(262_144_000).unwrap();
    refused(&scene, &["--bootstrap", "none"], &["none: No such file"]);
    refused(&scene, &["--bootstrap", "directory"], &["directory: is not a regular file"]);
    refused(&scene, &["--bootstrap", "pipe"], &["pipe: is not a regular file"]);
    refused(&scene, &["--bootstrap", "giant"], &["262144000 bytes", "at most 262143999"]);
    refused(&scene, &["--bootstrap", "/dev/zero"], &["/dev/zero: is not a regular file"]);
    refused(&scene, &["--bootstrap", "program", "--source", "."], &["cannot be used with"]);
}

#[test]
fn a_directory_with_other_files_is_unchanged_unless_forced() {
    let scene = with_program(&Elf::x86_64());
    fs::create_dir(scene.path("mine")).unwrap();
    fs::write(scene.path("mine/template.yaml"), "mine").unwrap();
    let mine = [&GIVEN[..], &["--out", "mine"]].concat();
    let ran = scene.run(&mine);
    assert!(ran.code == Some(2) && ran.stderr.contains("template.yaml") && ran.stderr.contains("--force"), "{ran:?}");
    assert_eq!(held(&scene.path("mine")).len(), 1);
    scene.run(&[&mine[..], &["--force"]].concat()).expect(0, &[]);
    fs::write(scene.path("mine/samconfig.toml"), "mine").unwrap();
    fs::write(scene.path("program"), Elf::arm64().bytes()).unwrap();
    scene.run(&mine).expect(0, &[]);
    assert!(text(&scene, "mine/template.yaml").contains("arm64") && text(&scene, "mine/samconfig.toml") == "mine");
    for out in ["program", "program/x", "/proc/bundle"] {
        refused(&scene, &["--bootstrap", "program", "--out", out], &[out]);
    }
}
