//! The real readings of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the repository's folder of samples.
pub fn samples() -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    home.ancestors().map(|dir| dir.join("samples")).find(|dir| dir.join("real").is_dir()).unwrap()
}

/// Returns the four real files.
pub fn real_files() -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir(samples().join("real"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.ends_with(".json"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 4);
    files
}

/// Returns the 52 readings in them, one per line.
pub fn real_readings() -> Vec<String> {
    let texts = real_files().into_iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Returns a command line with a verb and the real files.
pub fn with_real<'a>(verb: &'a str, files: &'a [String]) -> Vec<&'a str> {
    std::iter::once(verb).chain(files.iter().map(String::as_str)).collect()
}

/// Extracts the legacy lake into a directory.
pub fn extract_legacy_lake(into: &Path) {
    let archive = samples().join("real/old-lake.tar");
    let done = Command::new("tar").arg("xf").arg(archive).arg("-C").arg(into).status().unwrap();
    assert!(done.success());
}
