//! Lists the crates that become part of the function, for the software bill of materials of `ruminate bundle`: one line per
//! crate with name, version, licence, SHA-256 and repository, separated by tabs. The program contains the list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const PACKAGE: &str = "ruminate-lambda";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let lock = directory.ancestors().map(|parent| parent.join("Cargo.lock")).find(|path| path.is_file());
    if let Some(lock) = &lock {
        println!("cargo::rerun-if-changed={}", lock.display());
    }
    println!("cargo::rerun-if-changed=Cargo.toml");
    let list = lock.ok_or_else(|| "no Cargo.lock".into()).and_then(|lock| list(&directory, &lock));
    let list = list.unwrap_or_else(|why| {
        println!("cargo::warning=the list of dependencies stays empty: {why}");
        String::new()
    });
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("dependencies.txt");
    if let Err(e) = fs::write(&out, list) {
        println!("cargo::error={}: {e}", out.display());
    }
}

/// Returns the list, sorted.
fn list(directory: &Path, lock: &Path) -> Result<String, String> {
    let checksums = checksums(&fs::read_to_string(lock).map_err(|e| format!("{}: {e}", lock.display()))?);
    let target = env::var("TARGET").map_err(|e| e.to_string())?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(directory)
        .args(["tree", "--quiet", "--locked", "--offline", "--package", PACKAGE, "--edges", "normal,no-proc-macro"])
        .args(["--target", &target, "--prefix", "none", "--format", "{p}\t{l}\t{r}"])
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " "));
    }
    let crates: BTreeSet<String> =
        String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| entry(line, &checksums)).collect();
    Ok(crates.into_iter().map(|line| line + "\n").collect())
}

/// Returns the line of a crate: `name v1.2.3 (path)`, licence and repository become five fields. `None` for the function
/// itself.
fn entry(line: &str, checksums: &BTreeMap<(String, String), String>) -> Option<String> {
    let line = line.strip_suffix(" (*)").unwrap_or(line); // printed earlier
    let mut fields = line.split('\t');
    let mut words = fields.next()?.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let (licence, repository) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let checksum = checksums.get(&(name.to_owned(), version.to_owned())).map_or("", String::as_str);
    (name != PACKAGE).then(|| format!("{name}\t{version}\t{licence}\t{checksum}\t{repository}"))
}

/// Returns the checksums in a Cargo.lock by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let package = |text: &str| {
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
            found.map(str::to_owned)
        };
        Some(((value("name")?, value("version")?), value("checksum")?))
    };
    lock.split("[[package]]").filter_map(package).collect()
}
