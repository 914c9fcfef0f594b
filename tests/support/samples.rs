//! The real readings that the repository keeps.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};

/// The repository's folder of samples, from whichever package's test.
pub fn samples() -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    home.ancestors().map(|dir| dir.join("samples")).find(|dir| dir.join("real").is_dir()).unwrap()
}

/// The four real files.
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

/// The 52 readings in them, a line each.
pub fn real_readings() -> Vec<String> {
    let texts = real_files().into_iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}
