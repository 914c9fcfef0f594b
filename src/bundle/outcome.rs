//! Result of `bundle`: the files of the bundle and what Lambda has to be told of them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::outcome::Exit;
use pipeline::hex::hex;

/// A bundle, or why there is none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// The bundle; none where it stopped early.
    #[serde(flatten)]
    pub made: Option<Bundle>,
    /// The folder.
    pub out: String,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// Time of the run, the build included.
    pub seconds: f64,
}

/// What is in a bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bundle {
    /// Where the zip is.
    pub zip: String,
    /// Its size.
    pub zip_bytes: u64,
    /// The size of what is in it.
    pub unzipped_bytes: u64,
    /// Its SHA-256 in base64, which Lambda calls `CodeSha256`.
    pub code_sha256: String,
    /// The processor, by Lambda's name for it.
    pub arch: String,
    /// The newest version of glibc's symbols that the program needs; none where it is linked statically.
    pub glibc: Option<String>,
    /// The libraries that the program needs.
    pub needed: Vec<String>,
    /// Every file of the bundle, sorted.
    pub files: Vec<BundleFile>,
    /// What could be better.
    pub hints: Vec<String>,
}

/// A file of a bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundleFile {
    /// Its path in the folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl BundleFile {
    /// A file of that path and content.
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
    fn an_outcome_comes_back_from_its_json() {
        let made = Bundle {
            zip: "out/function.zip".into(),
            zip_bytes: 3,
            unzipped_bytes: 9,
            code_sha256: "s".into(),
            arch: "arm64".into(),
            glibc: Some("2.34".into()),
            needed: vec!["libc.so.6".into()],
            files: vec![BundleFile::of("bootstrap", b"x")],
            hints: vec!["smaller".into()],
        };
        for (made, stopped) in [(Some(made), None), (None, Some("interrupted".to_owned()))] {
            let outcome = Outcome { made, out: "out".into(), stopped, seconds: 0.1 };
            let json = serde_json::to_vec(&outcome).unwrap();
            let back: Outcome = read_back(&json).unwrap();
            assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
        }
    }
}
