//! Result of `bundle`: its files, and the settings for Lambda.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::outcome::Exit;
use pipeline::hex::hex;

/// Result of a bundle run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// The bundle; `None` if the run stopped early.
    #[serde(flatten)]
    pub made: Option<Bundle>,
    /// The output directory.
    pub out: String,
    /// Why it stopped early; `None` if it completed.
    pub stopped: Option<String>,
    /// Duration of the run including the build, in seconds.
    pub seconds: f64,
}

/// Content of a bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bundle {
    /// Path of the zip.
    pub zip: String,
    /// Size of the zip.
    pub zip_bytes: u64,
    /// Size of its content.
    pub unzipped_bytes: u64,
    /// Its SHA-256 in base64, Lambda's `CodeSha256`.
    pub code_sha256: String,
    /// The processor architecture, by its Lambda name.
    pub arch: String,
    /// The newest glibc symbol version that the program needs; `None` if it is linked statically.
    pub glibc: Option<String>,
    /// The libraries that the program needs.
    pub needed_libraries: Vec<String>,
    /// Every file of the bundle, sorted.
    pub files: Vec<BundleFile>,
    /// Number of crates in `sbom.cdx.json`; `None` if the program does not list them.
    pub dependencies: Option<u64>,
    /// Suggested improvements.
    pub warnings: Vec<String>,
}

/// A file of a bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundleFile {
    /// Its path in the directory.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl BundleFile {
    /// Creates the entry of a file with that path and content.
    pub(super) fn of(path: &str, bytes: &[u8]) -> Self {
        Self { path: path.into(), bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() { Exit::Stopped } else { Exit::Clean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::read_back;

    #[test]
    fn an_outcome_survives_a_json_round_trip() {
        let made = Bundle {
            zip: "out/function.zip".into(),
            zip_bytes: 3,
            unzipped_bytes: 9,
            code_sha256: "s".into(),
            arch: "arm64".into(),
            glibc: Some("2.34".into()),
            needed_libraries: vec!["libc.so.6".into()],
            files: vec![BundleFile::of("bootstrap", b"x")],
            dependencies: Some(7),
            warnings: vec!["smaller".into()],
        };
        for (made, stopped) in [(Some(made), None), (None, Some("interrupted".to_owned()))] {
            let outcome = Outcome { made, out: "out".into(), stopped, seconds: 0.1 };
            let json = serde_json::to_vec(&outcome).unwrap();
            let back: Outcome = read_back(&json).unwrap();
            assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
        }
    }
}
