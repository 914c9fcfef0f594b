//! Tests of `ruminate bundle` with the real binary: reproducible bytes, and a bootstrap that runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::MYSQL;
use testkit::built;
use testkit::lambda::events::message;
use testkit::lambda::sandbox::Sandbox;

use crate::Stores;

/// Runs `ruminate bundle` on the bootstrap and returns its outcome.
fn bundle(out: &Path) -> Value {
    let mut command = Command::new(built("ruminate"));
    command.args(["bundle", "--output", "json", "--bootstrap"]).arg(built("bootstrap")).arg("--out").arg(out);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns all files below a folder with their bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_bill_of_materials_has_the_crates_of_the_function_and_no_others() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("bundle");
    let outcome = bundle(&out);
    let sbom: Value = serde_json::from_slice(&fs::read(out.join("sbom.cdx.json")).unwrap()).unwrap();
    let components = sbom["components"].as_array().unwrap();
    assert_eq!(outcome["dependencies"], components.len());
    let named = |name: &str| components.iter().find(|one| one["name"] == name);
    for name in ["ruminate-pipeline", "tokio", "lambda_runtime", "aws-sdk-s3", "sqlx-mysql"] {
        assert!(named(name).is_some(), "{name} is missing");
    }
    // The list has neither the toolkit's own crates, nor crates that are only used during a build.
    for name in ["clap", "parquet", "minijinja", "serde_derive", "ruminate-lambda", "ruminate"] {
        assert!(named(name).is_none(), "{name}");
    }
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock")).unwrap();
    for one in components.iter().filter(|one| one["name"] != "ruminate-pipeline") {
        let (name, version) = (one["name"].as_str().unwrap(), one["version"].as_str().unwrap());
        let sha256 = one["hashes"][0]["content"].as_str().unwrap_or_else(|| panic!("{name} has no checksum"));
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(
            lock.split("[[package]]\n").any(|package| package.starts_with(&entry) && package.contains(sha256)),
            "{name}"
        );
        assert!(one["licenses"][0]["expression"].is_string(), "{name}");
    }
    let text = sbom.to_string();
    assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "a path of this machine");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_two_bundles_are_the_same_and_the_unzipped_bootstrap_runs() {
    use std::os::unix::fs::OpenOptionsExt;

    let stores = Stores::new(MYSQL).await;
    let home = tempfile::tempdir().unwrap();
    let outs = ["first", "second"].map(|name| home.path().join(name));
    let outcomes = outs.each_ref().map(|out| bundle(out));
    let made = outs.each_ref().map(|out| files(out));
    assert_eq!(made[0], made[1]);
    assert_eq!(outcomes[0]["code_sha256"], outcomes[1]["code_sha256"]);
    let named = ["bootstrap.zip", "template.yaml", "SHA256SUMS", "DEPLOY.md", "sql/mysql/0001_table.sql"];
    assert!(named.iter().all(|name| made[0].contains_key(Path::new(name))), "{:?}", made[0].keys());

    let mut zip = zip::ZipArchive::new(fs::File::open(outs[0].join("bootstrap.zip")).unwrap()).unwrap();
    let mut entry = zip.by_name("bootstrap").unwrap();
    let mode = entry.unix_mode().unwrap();
    assert_eq!(mode & 0o777, 0o755);
    let mut program = Vec::new();
    entry.read_to_end(&mut program).unwrap();
    let bootstrap = home.path().join("bootstrap");
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&bootstrap).unwrap();
    std::io::Write::write_all(&mut file, &program).unwrap();
    drop(file);
    let sandbox = Sandbox::start(&bootstrap, &stores.env()).await;
    assert_eq!(sandbox.api.invoke(message(1)).await.unwrap()["processed"], 1);
    assert_eq!(stores.held().await, (1, 0, 1));
    stores.database.drop().await;
}
