//! What `bundle` made.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Lines, count, duration};
use crate::outcome::Exit;
use pipeline::hex::hex;

/// A bundle, or why there is none.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The bundle; none where it stopped early.
    #[serde(flatten)]
    pub made: Option<Made>,
    /// The folder.
    pub out: String,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// Time of the run, the build included.
    pub seconds: f64,
}

/// What is in a bundle.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
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
    pub files: Vec<Listed>,
    /// What could be better.
    pub hints: Vec<String>,
}

/// A file of a bundle.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its path in the folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Listed {
    /// A file of that path and content.
    pub(crate) fn of(path: &str, bytes: &[u8]) -> Self {
        Self { path: path.into(), bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
    }
}

impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() { Exit::Stopped } else { Exit::Clean }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = duration(self.seconds);
        if let Some(made) = &self.made {
            writeln!(f, "bundle: {} files for {} in {took}, in {}", made.files.len(), made.arch, self.out)?;
            write!(f, "{made}")?;
            writeln!(f, "to deploy it, read {}/DEPLOY.md", self.out)?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "bundle: stopped early after {took}: {why}; nothing was written")?;
            writeln!(f, "to go on, run the same command again: cargo keeps what it has built")?;
        }
        Ok(())
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = if self.needed.is_empty() { "nothing".into() } else { self.needed.join(", ") };
        let lines = [
            ("zip", format!("{} bytes, unzipped {}: {}", count(self.zip_bytes), count(self.unzipped_bytes), self.zip)),
            ("CodeSha256", self.code_sha256.clone()),
            ("needs", self.glibc.as_ref().map_or(needed.clone(), |glibc| format!("{needed}; glibc {glibc} or newer"))),
        ];
        write!(f, "{}", Lines(&lines))?;
        self.hints.iter().try_for_each(|hint| writeln!(f, "  hint: {hint}"))
    }
}
