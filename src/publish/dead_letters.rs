//! Dead letters: messages that could not be published, whole and with the reason, one JSON object a line.
//!
//! A file of them can be published again as it is: the message in a letter is sent, not the letter.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::dead_letter::DeadLetter;
use super::entry::Entry;
use crate::topic::EntryError;

/// What to do with a file that holds letters already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfNotEmpty {
    /// Leave it alone and say so: they are another run's.
    Fail,
    /// Write on behind them: this run goes on where that one stopped.
    Append,
}

/// The file that dead letters go to, if one was named.
#[derive(Debug)]
pub(super) struct DeadLetters(Option<OpenFile>);

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    file: File,
    /// Letters that are whole in the file, bytes.
    whole: u64,
    line: Vec<u8>,
}

impl DeadLetters {
    /// Opens the file before anything is sent.
    ///
    /// # Errors
    /// It cannot be written, or holds letters that are to be left alone.
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
            "{} is not empty: publish what it holds first, or name another file",
            about()
        );
        let mut whole = meta.len();
        if held == IfNotEmpty::Append && meta.is_file() {
            whole = last_complete_letter(&mut file, whole).with_context(about)?;
            file.set_len(whole).with_context(about)?;
        }
        Ok(Self(Some(OpenFile { path: path.to_owned(), file, whole, line: Vec::new() })))
    }

    /// Writes a message down; when this returns, the letter outlives the process. A letter that could be written in part only
    /// is taken away again.
    ///
    /// # Errors
    /// The file cannot be written on, for the reason given; the message is not kept.
    pub(super) fn write(&mut self, entry: &Entry, attempts: u32, refusal: &EntryError) -> Result<(), String> {
        let Some(open) = &mut self.0 else { return Ok(()) };
        let message = String::from_utf8_lossy(&entry.message.body); // only text is ever sent
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
                let _ = open.file.set_len(open.whole); // the first failure is the one to tell of; a pipe has no length
                Err(format!(
                    "dead-letter file {}: {e}: make room, or go on with another --dead-letters",
                    open.path.display()
                ))
            }
        }
    }
}

/// Where the last whole letter ends. What is behind it was being written when a run was killed: that message is not settled,
/// and is sent again.
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

    use super::super::dead_letter::unwrap_dead_letter;
    use super::super::entry::tests::entry;
    use super::*;
    use pipeline::error::Kind;

    fn refusal() -> EntryError {
        EntryError { kind: Kind::Permanent, code: "C".into(), message: "because".into() }
    }

    #[test]
    fn a_letter_holds_its_message_and_everything_else_is_itself() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("dead");
        let mut dead = DeadLetters::open(Some(&path), IfNotEmpty::Fail).unwrap();
        let mut sent = entry(3, 1);
        sent.message.body = Bytes::from_static("{\"a\":\"ção \\\" \u{1F404}\"}".as_bytes());
        dead.write(&sent, 2, &refusal()).unwrap();
        let letter: Bytes = std::fs::read(&path).unwrap().into();
        assert_eq!(unwrap_dead_letter(letter.slice(..letter.len() - 1)), sent.message.body);
        for other in [r#"{"message":"x"}"#, r#"{"message":"#, r#"{"id_curral":"1"}"#, "", "x"] {
            assert_eq!(unwrap_dead_letter(other.into()), other);
        }
    }

    #[test]
    fn a_letter_that_broke_off_is_taken_away_and_no_other() {
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
    fn a_full_disk_is_told_and_nothing_is_kept_by_halves() {
        let mut dead = DeadLetters::open(Some(Path::new("/dev/full")), IfNotEmpty::Fail).unwrap();
        let message = dead.write(&entry(0, 10), 1, &refusal()).unwrap_err();
        assert!(message.contains("/dev/full") && message.contains("make room"), "{message}");
    }
}
