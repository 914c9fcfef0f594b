//! Dead-letter file: messages that could not be published, complete and with the reason, as one JSON object per line.
//!
//! The file can be published again directly: the message inside each letter is sent, not the letter.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::entry::Entry;
use crate::history::dead_letter::DeadLetter;
use crate::topic::EntryError;

/// Policy for a dead-letter file that already contains letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfNotEmpty {
    /// Fail: the letters belong to another run.
    Fail,
    /// Append to it: this run continues that one.
    Append,
}

/// Writer of the dead-letter file; `None` if no file was given.
#[derive(Debug)]
pub(super) struct DeadLetters(Option<OpenFile>);

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    file: File,
    /// Length of the complete letters in the file, in bytes.
    whole: u64,
    line: Vec<u8>,
}

impl DeadLetters {
    /// Opens the file before anything is sent.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written, or is not empty and `held` is [`IfNotEmpty::Fail`].
    pub(super) fn open(path: Option<&Path>, held: IfNotEmpty) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self(None)) };
        let about = || format!("dead-letter file {}", path.display());
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(held == IfNotEmpty::Append)
            .open(path)
            .with_context(about)?;
        let meta = file.metadata().with_context(about)?;
        anyhow::ensure!(
            held == IfNotEmpty::Append || !meta.is_file() || meta.len() == 0,
            "{} is not empty: publish its messages first, or use another file",
            about()
        );
        let mut whole = meta.len();
        if held == IfNotEmpty::Append && meta.is_file() {
            whole = last_complete_letter(&mut file, whole).with_context(about)?;
            file.set_len(whole).with_context(about)?;
        }
        Ok(Self(Some(OpenFile { path: path.to_owned(), file, whole, line: Vec::new() })))
    }

    /// Writes one message to the file. The letter survives a kill of the process once this returns. A partially written
    /// letter is removed again.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written; the message is not stored then.
    pub(super) fn write(&mut self, entry: &Entry, attempts: u32, refusal: &EntryError) -> Result<(), String> {
        let Some(open) = &mut self.0 else { return Ok(()) };
        let message = String::from_utf8_lossy(&entry.message.body); // only valid UTF-8 is ever sent
        let letter = DeadLetter {
            message: &message,
            id: entry.id,
            code: &refusal.code,
            reason: &refusal.message,
            file: &entry.file,
            line: entry.line,
            attempts,
        };
        open.line.clear();
        let made = serde_json::to_writer(&mut open.line, &letter).map_err(io::Error::from);
        open.line.push(b'\n');
        match made.and_then(|()| open.file.write_all(&open.line)) {
            Ok(()) => {
                open.whole += open.line.len() as u64;
                Ok(())
            }
            Err(e) => {
                // The write error is the one to report; a pipe cannot be truncated.
                let _ = open.file.set_len(open.whole);
                Err(format!(
                    "dead-letter file {}: {e}: free some space, or use another --dead-letters file",
                    open.path.display()
                ))
            }
        }
    }
}

/// Returns the end of the last complete letter, in bytes. Data after it was being written when a run was killed; that
/// message is not completed and is sent again.
fn last_complete_letter(file: &mut File, length: u64) -> io::Result<u64> {
    const BACK: u64 = 64 * 1024;
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(BACK);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(begin))?;
        file.take(end - begin).read_to_end(&mut tail)?;
        if let Some(at) = tail.iter().rposition(|&b| b == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::entry::tests::entry;
    use super::*;
    use crate::history::dead_letter::message_in;
    use pipeline::error::Kind;

    fn refusal() -> EntryError {
        EntryError { kind: Kind::Permanent, code: "C".into(), message: "because".into() }
    }

    #[test]
    fn a_dead_letter_contains_its_message_and_no_other_body_is_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("dead");
        let mut dead = DeadLetters::open(Some(&path), IfNotEmpty::Fail).unwrap();
        let mut sent = entry(3, 1);
        sent.message.body = Bytes::from_static("{\"a\":\"ção \\\" \u{1F404}\"}".as_bytes());
        dead.write(&sent, 2, &refusal()).unwrap();
        let letter: Bytes = std::fs::read(&path).unwrap().into();
        assert_eq!(message_in(&letter[..letter.len() - 1]).unwrap(), sent.message.body);
        for other in [r#"{"message":"x"}"#, r#"{"message":"#, r#"{"id_curral":"1"}"#, "", "x"] {
            assert_eq!(message_in(other.as_bytes()), None);
        }
    }

    #[test]
    fn only_an_incomplete_last_letter_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("dead");
        for (held, kept) in [("{\"a\":1}\n{\"b\":", "{\"a\":1}\n"), ("{\"a\"", ""), ("{}\n", "{}\n"), ("", "")] {
            std::fs::write(&path, held).unwrap();
            let mut dead = DeadLetters::open(Some(&path), IfNotEmpty::Append).unwrap();
            dead.write(&entry(0, 1), 1, &refusal()).unwrap();
            let now = std::fs::read_to_string(&path).unwrap();
            assert!(
                now.starts_with(kept) && now[kept.len()..].starts_with(r#"{"message":"x","code""#),
                "{held}: {now}"
            );
        }
        let long = "x".repeat(200_000);
        std::fs::write(&path, format!("{{}}\n{long}")).unwrap();
        DeadLetters::open(Some(&path), IfNotEmpty::Append).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_reported() {
        let mut dead = DeadLetters::open(Some(Path::new("/dev/full")), IfNotEmpty::Fail).unwrap();
        let message = dead.write(&entry(0, 10), 1, &refusal()).unwrap_err();
        assert!(message.contains("/dev/full") && message.contains("free some space"), "{message}");
    }
}
