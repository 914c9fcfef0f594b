//! The truth file: which faults were injected into each reading of a history, and what the stores must contain in the
//! end.
//!
//! `generate --truth` writes it next to the history; `reconcile --truth` and `publish --watch` read it. It is NDJSON,
//! compressed with gzip or zstd if its name ends in `.gz` or `.zst`:
//!
//! | line | content |
//! | --- | --- |
//! | first | [`Header`]: the version of the format, and the flags that generate this history again |
//! | each further one | [`Entry`]: one delivered line, or one reading that is never delivered |
//! | last | [`Totals`]: counts per [`Expectation`]; without them the file is truncated |
//!
//! This module owns the format, its reading and its writing. [`crate::herd`] injects the faults.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::compression::open_decompressed;
use crate::line_limit::read_line;

mod writer;

pub use writer::{EncodedLines, Writer};

/// Version of the format that this program writes, and the only one it reads.
pub const VERSION: u32 = 2;

/// Maximum length of a line, in bytes; most have fewer than 300.
const MAX_LINE_BYTES: usize = 1 << 20;

/// The first line of a truth file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Format version, [`VERSION`].
    pub ruminate_truth: u32,
    /// The history, as flags of `ruminate generate` without their dashes: `farms` → `2`.
    pub history: BTreeMap<String, String>,
}

/// Expected result of a line, or of a reading that is never delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Its id must be in the lake and in the warehouse, once.
    Stored,
    /// It is not a valid reading. If it is sent, it must be in the quarantine, under the SHA-256 of its bytes.
    Quarantined,
    /// It is larger than a topic accepts: it must be in no store.
    Oversized,
    /// It is never delivered: its id must be in no store.
    Undelivered,
}

impl Expectation {
    /// Returns its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Quarantined => "quarantined",
            Self::Oversized => "oversized",
            Self::Undelivered => "undelivered",
        }
    }
}

/// Name of the fault whose line repeats an earlier reading, with its id.
pub const REPEAT: &str = "duplicate";

/// Name of the fault whose line corrects an earlier reading of the same natural key.
pub const CORRECTION: &str = "corrected";

/// Ground truth for one line, or for one reading that is never delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// File of the line, as a farm delivers its day, even if `generate --out` joined all days into one file. `None` if
    /// the reading is never delivered.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub file: Option<Cow<'a, str>>,
    /// The line in its file, from 1; 0 if there is none.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub line: u64,
    /// The id; `None` if it is not a valid reading.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<Uuid>,
    /// Name of the fault, as in `--faults`; `None` if there is none.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<Cow<'a, str>>,
    /// Subtype of the fault; `None` if it has none.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<Cow<'a, str>>,
    /// SHA-256 of the message's bytes in hexadecimal, for [`Expectation::Quarantined`].
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<Cow<'a, str>>,
    /// The expected result.
    pub expect: Expectation,
}

impl Entry<'_> {
    /// Returns true if the line repeats an earlier reading, with its id.
    pub fn is_repeat(&self) -> bool {
        self.fault.as_deref() == Some(REPEAT)
    }

    /// Returns true if the line corrects an earlier reading.
    pub fn is_correction(&self) -> bool {
        self.fault.as_deref() == Some(CORRECTION)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(line: &u64) -> bool {
    *line == 0
}

/// The last line of a truth file: totals of all lines before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Lines delivered.
    pub lines: u64,
    /// Lines with [`Expectation::Stored`].
    pub stored: u64,
    /// Distinct ids among the stored lines: the expected number of rows.
    pub ids: u64,
    /// Lines with [`Expectation::Quarantined`].
    pub quarantined: u64,
    /// Lines with [`Expectation::Oversized`].
    pub oversized: u64,
    /// Readings with [`Expectation::Undelivered`].
    pub undelivered: u64,
    /// Number of injected faults, by name.
    pub faults: BTreeMap<String, u64>,
}

impl Totals {
    /// Adds one line to the totals.
    pub fn add(&mut self, entry: &Entry<'_>) {
        self.lines += u64::from(entry.file.is_some());
        match entry.expect {
            Expectation::Stored => {
                self.stored += 1;
                self.ids += u64::from(!entry.is_repeat());
            }
            Expectation::Quarantined => self.quarantined += 1,
            Expectation::Oversized => self.oversized += 1,
            Expectation::Undelivered => self.undelivered += 1,
        }
        if let Some(fault) = &entry.fault {
            match self.faults.get_mut(&**fault) {
                Some(count) => *count += 1,
                None => _ = self.faults.insert(fault.to_string(), 1),
            }
        }
    }
}

impl std::ops::AddAssign<&Self> for Totals {
    fn add_assign(&mut self, other: &Self) {
        self.lines += other.lines;
        self.stored += other.stored;
        self.ids += other.ids;
        self.quarantined += other.quarantined;
        self.oversized += other.oversized;
        self.undelivered += other.undelivered;
        for (fault, count) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    totals: Totals,
}

/// Reads the truth file at `path`, as [`read`] does, compressed with gzip or zstd or not.
///
/// # Errors
///
/// Returns the errors of [`read`], or an error if the file cannot be opened.
pub fn read_file(path: &Path, each: impl FnMut(&Entry<'_>) -> anyhow::Result<()>) -> anyhow::Result<(Header, Totals)> {
    let file = File::open(path).and_then(open_decompressed).context("cannot be read")?;
    read(file, each)
}

/// Parses the first line. The version comes first, because another one may have other fields.
fn header(line: &[u8]) -> anyhow::Result<Header> {
    #[derive(Deserialize)]
    struct Version {
        ruminate_truth: u64,
    }
    let wrong = "is not a truth file of ruminate generate --truth";
    let Version { ruminate_truth } = serde_json::from_slice(line).context(wrong)?;
    if ruminate_truth != u64::from(VERSION) {
        bail!(
            "is a truth file of version {ruminate_truth}, and this program reads version {VERSION}: generate it again with \
             this version"
        );
    }
    serde_json::from_slice(line).context(wrong)
}

/// Reads the next line into `line`. Returns false at the end of the file.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>, number: u64) -> anyhow::Result<bool> {
    line.clear();
    match read_line(from, line, MAX_LINE_BYTES) {
        Ok(read) => Ok(read > 0),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            bail!("truncated at line {number}: not a complete truth file")
        }
        Err(e) => Err(e).with_context(|| format!("line {number} cannot be read")),
    }
}

/// Reads a complete truth file and checks its totals, with memory for one line.
///
/// # Errors
///
/// Returns an error with the line number if it is not a truth file, has another version, is damaged or truncated, or if
/// `each` fails.
pub fn read<R: BufRead>(
    mut from: R,
    mut each: impl FnMut(&Entry<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<(Header, Totals)> {
    let (mut line, mut number) = (Vec::new(), 1_u64);
    next_line(&mut from, &mut line, number)?;
    let head = header(&line)?;
    let mut sums = Totals::default();
    loop {
        number += 1;
        if !next_line(&mut from, &mut line, number)? {
            bail!("ends at line {number} without its totals: truncated, not a complete truth file");
        }
        match serde_json::from_slice::<Entry<'_>>(&line) {
            Ok(entry) => {
                sums.add(&entry);
                each(&entry).with_context(|| format!("line {number}"))?;
            }
            Err(e) => {
                let last: Trailer = serde_json::from_slice(&line).map_err(|_| anyhow!("line {number}: {e}"))?;
                if last.totals != sums {
                    bail!("totals do not match its lines: the file is corrupt");
                }
                if next_line(&mut from, &mut line, number + 1)? {
                    bail!("continues after its totals: pass the truth files of several parts one by one");
                }
                return Ok((head, sums));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(super) fn entry(line: u64, fault: Option<&'static str>, expect: Expectation) -> Entry<'static> {
        let id = (expect != Expectation::Quarantined).then(|| Uuid::from_u128(u128::from(line)));
        let sha256 = (expect == Expectation::Quarantined).then(|| "ab".repeat(32).into());
        let file = (expect != Expectation::Undelivered).then_some("FazendaUm_Consumo_20260101.json".into());
        Entry { file, line, id, fault: fault.map(Into::into), kind: None, sha256, expect }
    }

    pub(super) fn lines() -> Vec<Entry<'static>> {
        vec![
            entry(1, None, Expectation::Stored),
            entry(1, Some("duplicate"), Expectation::Stored),
            entry(2, Some("malformed"), Expectation::Quarantined),
            entry(3, Some("oversized"), Expectation::Oversized),
            entry(0, Some("missing_day"), Expectation::Undelivered),
        ]
    }

    fn written() -> String {
        let mut writer = Writer::new(Vec::new(), [("farms".to_owned(), "2".to_owned())].into()).unwrap();
        for entry in lines() {
            writer.write(&entry).unwrap();
        }
        String::from_utf8(writer.finish().unwrap().1).unwrap()
    }

    #[test]
    fn a_written_file_is_read_back_with_its_totals() {
        let mut found = Vec::new();
        let text = written();
        let (head, totals) = read(text.as_bytes(), |entry| {
            found.push(format!("{entry:?}"));
            Ok(())
        })
        .unwrap();
        assert_eq!(head.history["farms"], "2");
        assert_eq!(found, lines().iter().map(|entry| format!("{entry:?}")).collect::<Vec<_>>());
        assert_eq!((totals.lines, totals.stored, totals.ids, totals.quarantined), (4, 2, 1, 1));
        assert_eq!((totals.oversized, totals.undelivered, totals.faults["duplicate"]), (1, 1, 1));
    }

    #[test]
    fn an_incomplete_or_damaged_file_is_rejected() {
        let message = |text: &str| format!("{:#}", read(text.as_bytes(), |_| Ok(())).unwrap_err());
        let whole = written();
        assert!(message("").contains("not a truth file") && message("{}\n").contains("not a truth file"));
        assert!(message(&whole.replacen("truth\":2", "truth\":1", 1)).contains("version 1"));
        let newer = "{\"ruminate_truth\":3,\"generator\":{}}\n";
        assert!(message(newer).contains("version 3"), "the version comes before all other fields: {}", message(newer));
        let endless = whole.replacen("{\"file", &format!("{}{{\"file", " ".repeat(2 << 20)), 1);
        assert!(
            message(&endless).contains("line 2") && message(&endless).contains("more than"),
            "{}",
            message(&endless)
        );
        let cut: String = whole.split_inclusive('\n').take(4).collect();
        assert!(message(&cut).contains("without its totals"));
        let lost: String = whole.split_inclusive('\n').enumerate().filter(|(n, _)| *n != 2).map(|(_, l)| l).collect();
        assert!(message(&lost).contains("do not match"));
        assert!(message(&whole.replacen("stored", "lost", 1)).starts_with("line 2"));
        assert!(message(&(whole.clone() + &whole)).contains("continues after"));
    }
}
