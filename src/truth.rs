//! The truth file: what was done to every reading of a history, and what must be in the stores in the end.
//!
//! `generate --truth` writes it beside the history, `reconcile --truth` and `publish --watch` read it. It is NDJSON, as gzip or
//! zstd where its name ends so:
//!
//! | line | is |
//! | --- | --- |
//! | first | [`Header`]: the version of the form, and the flags that make this history again |
//! | each further one | [`Entry`]: one delivered line, or one reading that is never delivered |
//! | last | [`Totals`]: how many there were of each [`Expectation`]; without it the file was cut short |
//!
//! Owns the form and its reading and writing; what is done to readings belongs to [`crate::herd`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::compression::open_decompressed;

mod writer;

pub use writer::{EncodedLines, Writer};

/// The version of the form that this program writes, and the only one it reads.
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub ruminate_truth: u32,
    /// The history, as flags of `ruminate generate` without their dashes: `farms` → `2`.
    pub history: BTreeMap<String, String>,
}

/// What must become of a line, or of a reading that is never delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Its id must be in the lake and in the warehouse, once.
    Stored,
    /// It is no valid reading: where it is sent at all, it must be in the quarantine, under the SHA-256 of its bytes.
    Quarantined,
    /// It is larger than a topic takes: it must be in no store.
    #[serde(rename = "refused")]
    Oversized,
    /// It is delivered nowhere: its id must be in no store.
    #[serde(rename = "never")]
    Undelivered,
}

impl Expectation {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Quarantined => "quarantined",
            Self::Oversized => "refused",
            Self::Undelivered => "never",
        }
    }
}

/// What was done to one line, or to one reading that is never delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// The file of the line, as a farm delivers its day (also where `generate --out` joined all days in one file); none where the
    /// reading is never delivered.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub file: Option<Cow<'a, str>>,
    /// The line in its file, from 1; 0 where there is none.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub line: u64,
    /// The id, where it is a valid reading.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<Uuid>,
    /// The word of the fault, as `--faults` takes it.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<Cow<'a, str>>,
    /// Which of the fault's kinds, where it has several.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<Cow<'a, str>>,
    /// SHA-256 of the message's bytes in hexadecimal, for [`Expectation::Quarantined`].
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<Cow<'a, str>>,
    /// What must become of it.
    #[serde(rename = "fate")]
    pub expect: Expectation,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(line: &u64) -> bool {
    *line == 0
}

/// The last line: sums over the lines before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Lines delivered.
    pub lines: u64,
    /// Lines of [`Expectation::Stored`].
    pub stored: u64,
    /// Distinct ids among them: the rows there must be.
    pub ids: u64,
    /// Lines of [`Expectation::Quarantined`].
    pub quarantined: u64,
    /// Lines of [`Expectation::Oversized`].
    #[serde(rename = "refused")]
    pub oversized: u64,
    /// Readings of [`Expectation::Undelivered`].
    #[serde(rename = "never")]
    pub undelivered: u64,
    /// How often each fault was done.
    pub faults: BTreeMap<String, u64>,
}

impl Totals {
    /// Takes one more line into the sums. A line labelled `duplicate` repeats an id that was told before.
    pub fn add(&mut self, entry: &Entry<'_>) {
        self.lines += u64::from(entry.file.is_some());
        match entry.expect {
            Expectation::Stored => {
                self.stored += 1;
                self.ids += u64::from(entry.fault.as_deref() != Some("duplicate"));
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

/// Reads the truth file of that name, as [`read`] does; packed as gzip or zstd, or not.
///
/// # Errors
/// As [`read`]; the file cannot be opened.
pub fn read_file(path: &Path, each: impl FnMut(&Entry<'_>) -> anyhow::Result<()>) -> anyhow::Result<(Header, Totals)> {
    let file = File::open(path).and_then(open_decompressed).context("cannot be read")?;
    read(file, each)
}

/// Takes the next line in; whether there was one.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>, number: u64) -> anyhow::Result<bool> {
    line.clear();
    match from.read_until(b'\n', line) {
        Ok(read) => Ok(read > 0),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            bail!("ends in the midst of line {number}: it was cut short, so it cannot prove anything")
        }
        Err(e) => Err(e).with_context(|| format!("line {number} cannot be read")),
    }
}

/// Reads a truth file, whole, and believes its sums only where they add up; memory for one line.
///
/// # Errors
/// It is no truth file, of another version, damaged, or cut short; or `each` fails. The line is named.
pub fn read<R: BufRead>(
    mut from: R,
    mut each: impl FnMut(&Entry<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<(Header, Totals)> {
    let (mut line, mut number) = (Vec::new(), 1_u64);
    next_line(&mut from, &mut line, number)?;
    let head: Header = serde_json::from_slice(&line).context("is no truth file of ruminate generate --truth")?;
    if head.ruminate_truth != VERSION {
        bail!("is a truth file of version {}, and this program reads {VERSION}", head.ruminate_truth);
    }
    let mut sums = Totals::default();
    loop {
        number += 1;
        if !next_line(&mut from, &mut line, number)? {
            bail!("ends at line {number} without its totals: it was cut short, so it cannot prove anything");
        }
        match serde_json::from_slice::<Entry<'_>>(&line) {
            Ok(entry) => {
                sums.add(&entry);
                each(&entry).with_context(|| format!("line {number}"))?;
            }
            Err(e) => {
                let last: Trailer = serde_json::from_slice(&line).map_err(|_| anyhow!("line {number}: {e}"))?;
                if last.totals != sums {
                    bail!("its totals do not fit its lines: it was damaged, so it cannot prove anything");
                }
                if next_line(&mut from, &mut line, number + 1)? {
                    bail!("goes on after its totals: give the truth files of several parts one by one");
                }
                return Ok((head, sums));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(super) fn told(line: u64, fault: Option<&'static str>, expect: Expectation) -> Entry<'static> {
        let id = (expect != Expectation::Quarantined).then(|| Uuid::from_u128(u128::from(line)));
        let sha256 = (expect == Expectation::Quarantined).then(|| "ab".repeat(32).into());
        let file = (expect != Expectation::Undelivered).then_some("FazendaUm_Consumo_20260101.json".into());
        Entry { file, line, id, fault: fault.map(Into::into), kind: None, sha256, expect }
    }

    pub(super) fn lines() -> Vec<Entry<'static>> {
        vec![
            told(1, None, Expectation::Stored),
            told(1, Some("duplicate"), Expectation::Stored),
            told(2, Some("malformed"), Expectation::Quarantined),
            told(3, Some("oversized"), Expectation::Oversized),
            told(0, Some("missing_day"), Expectation::Undelivered),
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
    fn what_was_written_is_read_back_with_its_sums() {
        let mut found = Vec::new();
        let text = written();
        let (head, totals) = read(text.as_bytes(), |entry| {
            found.push(format!("{entry:?}"));
            Ok(())
        })
        .unwrap();
        assert_eq!(head.history["farms"], "2");
        assert_eq!(found, lines().iter().map(|told| format!("{told:?}")).collect::<Vec<_>>());
        assert_eq!((totals.lines, totals.stored, totals.ids, totals.quarantined), (4, 2, 1, 1));
        assert_eq!((totals.oversized, totals.undelivered, totals.faults["duplicate"]), (1, 1, 1));
    }

    #[test]
    fn what_cannot_prove_anything_is_refused() {
        let message = |text: &str| format!("{:#}", read(text.as_bytes(), |_| Ok(())).unwrap_err());
        let whole = written();
        assert!(message("").contains("no truth file") && message("{}\n").contains("no truth file"));
        assert!(message(&whole.replacen("truth\":1", "truth\":2", 1)).contains("version 2"));
        let cut: String = whole.split_inclusive('\n').take(4).collect();
        assert!(message(&cut).contains("cut short"));
        let lost: String = whole.split_inclusive('\n').enumerate().filter(|(n, _)| *n != 2).map(|(_, l)| l).collect();
        assert!(message(&lost).contains("do not fit"));
        assert!(message(&whole.replacen("stored", "lost", 1)).starts_with("line 2"));
        assert!(message(&(whole.clone() + &whole)).contains("goes on after"));
    }
}
