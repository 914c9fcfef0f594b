//! The truth file: what was done to every reading of a history, and what must be in the stores in the end.
//!
//! `generate --truth` writes it beside the history, `reconcile --truth` and `publish --watch` read it. It is NDJSON, as gzip or
//! zstd where its name ends so:
//!
//! | line | is |
//! | --- | --- |
//! | first | [`Head`]: the version of the form, and the flags that make this history again |
//! | each further one | [`Told`]: one delivered line, or one reading that is never delivered |
//! | last | [`Totals`]: how many there were of each [`Fate`]; without it the file was cut short |
//!
//! Owns the form and its reading and writing; what is done to readings belongs to [`crate::herd`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::pack::Pack;

/// The version of the form that this program writes, and the only one it reads.
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`VERSION`].
    pub ruminate_truth: u32,
    /// The history, as flags of `ruminate generate` without their dashes: `farms` → `2`.
    pub history: BTreeMap<String, String>,
}

/// What must become of a line, or of a reading that is never delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Its id must be in the lake and in the warehouse, once.
    Stored,
    /// It is no valid reading: where it is sent at all, it must be in the quarantine, under the SHA-256 of its bytes.
    Quarantined,
    /// It is larger than a topic takes: it must be in no store.
    Refused,
    /// It is delivered nowhere: its id must be in no store.
    Never,
}

impl Fate {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Quarantined => "quarantined",
            Self::Refused => "refused",
            Self::Never => "never",
        }
    }
}

/// What was done to one line, or to one reading that is never delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told<'a> {
    /// The file of the line; none where the reading is never delivered.
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
    /// SHA-256 of the message's bytes in hexadecimal, for [`Fate::Quarantined`].
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<Cow<'a, str>>,
    /// What must become of it.
    pub fate: Fate,
}

impl Told<'_> {
    /// Appends what serde would write, at a third of the cost: there is one for every reading.
    fn print(&self, out: &mut Vec<u8>) {
        let texts = [&self.file, &self.fault, &self.kind, &self.sha256];
        let is_plain =
            |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
        if !texts.into_iter().flatten().all(|text| is_plain(text)) {
            let _ = serde_json::to_writer(out, self); // writing to a Vec cannot fail
            return;
        }
        out.push(b'{');
        let member = |out: &mut Vec<u8>, name: &str, value: &str| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\",");
        };
        if let Some(file) = &self.file {
            member(out, "\"file\":\"", file);
        }
        if self.line > 0 {
            let _ = write!(out, "\"line\":{},", self.line); // as above
        }
        if let Some(id) = &self.id {
            member(out, "\"id\":\"", id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        }
        for (name, text) in
            [("\"fault\":\"", &self.fault), ("\"kind\":\"", &self.kind), ("\"sha256\":\"", &self.sha256)]
        {
            if let Some(text) = text {
                member(out, name, text);
            }
        }
        out.extend_from_slice(b"\"fate\":\"");
        out.extend_from_slice(self.fate.name().as_bytes());
        out.extend_from_slice(b"\"}");
    }
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
    /// Lines of [`Fate::Stored`].
    pub stored: u64,
    /// Distinct ids among them: the rows there must be.
    pub ids: u64,
    /// Lines of [`Fate::Quarantined`].
    pub quarantined: u64,
    /// Lines of [`Fate::Refused`].
    pub refused: u64,
    /// Readings of [`Fate::Never`].
    pub never: u64,
    /// How often each fault was done.
    pub faults: BTreeMap<String, u64>,
}

impl Totals {
    /// Takes one more line into the sums. A line labelled `duplicate` repeats an id that was told before.
    pub fn add(&mut self, told: &Told<'_>) {
        self.lines += u64::from(told.file.is_some());
        match told.fate {
            Fate::Stored => {
                self.stored += 1;
                self.ids += u64::from(told.fault.as_deref() != Some("duplicate"));
            }
            Fate::Quarantined => self.quarantined += 1,
            Fate::Refused => self.refused += 1,
            Fate::Never => self.never += 1,
        }
        if let Some(fault) = &told.fault {
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
        self.refused += other.refused;
        self.never += other.never;
        for (fault, count) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Last {
    totals: Totals,
}

/// Lines of a truth file with their sums, formed apart from the file: any thread can do it.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    packed: Vec<u8>,
    totals: Totals,
}

impl Lines {
    /// Appends one line.
    pub fn tell(&mut self, told: &Told<'_>) {
        self.totals.add(told);
        told.print(&mut self.bytes);
        self.bytes.push(b'\n');
    }

    /// Packs the lines told so far, as a piece of a file that is packed so; nothing may be told after it.
    ///
    /// # Errors
    /// As [`Pack::pack`].
    pub fn pack(&mut self, pack: Pack) -> io::Result<()> {
        if pack != Pack::None {
            self.packed.clear();
            pack.pack(&self.bytes, &mut self.packed)?;
            std::mem::swap(&mut self.bytes, &mut self.packed);
        }
        Ok(())
    }

    /// Begins anew, in the same memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.totals = Totals::default();
    }
}

/// Writes a truth file.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    pack: Pack,
    totals: Totals,
}

impl<W: Write> Writer<W> {
    /// Begins a file for a history.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn new(out: W, history: BTreeMap<String, String>) -> anyhow::Result<Self> {
        Self::packed(out, Pack::None, history)
    }

    /// Begins a file that is packed so.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn packed(out: W, pack: Pack, history: BTreeMap<String, String>) -> anyhow::Result<Self> {
        let mut writer = Self { out, pack, totals: Totals::default() };
        writer.line(&Head { ruminate_truth: VERSION, history })?;
        Ok(writer)
    }

    /// Writes one line of its own, as a piece of its own.
    fn line(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let mut packed = Vec::new();
        self.pack.pack(&bytes, &mut packed)?;
        Ok(self.out.write_all(&packed)?)
    }

    /// Writes one line.
    ///
    /// # Errors
    /// The file cannot be written on.
    pub fn tell(&mut self, told: &Told<'_>) -> anyhow::Result<()> {
        let mut lines = Lines::default();
        lines.tell(told);
        lines.pack(self.pack)?;
        self.take(&lines)
    }

    /// Writes these lines, which are packed as the file is.
    ///
    /// # Errors
    /// The file cannot be written on.
    pub fn take(&mut self, lines: &Lines) -> anyhow::Result<()> {
        self.totals += &lines.totals;
        Ok(self.out.write_all(&lines.bytes)?)
    }

    /// Writes the sums, and gives them and the writer back.
    ///
    /// # Errors
    /// The file cannot be written on.
    pub fn finish(mut self) -> anyhow::Result<(Totals, W)> {
        let last = Last { totals: std::mem::take(&mut self.totals) };
        self.line(&last)?;
        self.out.flush()?;
        Ok((last.totals, self.out))
    }
}

/// Reads a truth file, whole, and believes its sums only where they add up; memory for one line.
///
/// # Errors
/// It is no truth file, of another version, damaged, or cut short; or `each` fails. The line is named.
pub fn read<R: BufRead>(
    mut from: R,
    mut each: impl FnMut(&Told<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<(Head, Totals)> {
    let (mut line, mut number) = (Vec::new(), 1_u64);
    from.read_until(b'\n', &mut line)?;
    let head: Head = serde_json::from_slice(&line).context("is no truth file of ruminate generate --truth")?;
    if head.ruminate_truth != VERSION {
        bail!("is a truth file of version {}, and this program reads {VERSION}", head.ruminate_truth);
    }
    let mut sums = Totals::default();
    loop {
        number += 1;
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            bail!("ends at line {number} without its totals: it was cut short, so it cannot prove anything");
        }
        match serde_json::from_slice::<Told<'_>>(&line) {
            Ok(told) => {
                sums.add(&told);
                each(&told).with_context(|| format!("line {number}"))?;
            }
            Err(e) => {
                let last: Last = serde_json::from_slice(&line).map_err(|_| anyhow!("line {number}: {e}"))?;
                if last.totals != sums {
                    bail!("its totals do not fit its lines: it was damaged, so it cannot prove anything");
                }
                line.clear();
                if from.read_until(b'\n', &mut line)? > 0 {
                    bail!("goes on after its totals: give the truth files of several parts one by one");
                }
                return Ok((head, sums));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: u64, fault: Option<&'static str>, fate: Fate) -> Told<'static> {
        let id = (fate != Fate::Quarantined).then(|| Uuid::from_u128(u128::from(line)));
        let sha256 = (fate == Fate::Quarantined).then(|| "ab".repeat(32).into());
        let file = (fate != Fate::Never).then_some("FazendaUm_Consumo_20260101.json".into());
        Told { file, line, id, fault: fault.map(Into::into), kind: None, sha256, fate }
    }

    fn lines() -> Vec<Told<'static>> {
        vec![
            told(1, None, Fate::Stored),
            told(1, Some("duplicate"), Fate::Stored),
            told(2, Some("malformed"), Fate::Quarantined),
            told(3, Some("oversized"), Fate::Refused),
            told(0, Some("missing_day"), Fate::Never),
        ]
    }

    fn written() -> String {
        let mut writer = Writer::new(Vec::new(), [("farms".to_owned(), "2".to_owned())].into()).unwrap();
        for told in lines() {
            writer.tell(&told).unwrap();
        }
        String::from_utf8(writer.finish().unwrap().1).unwrap()
    }

    #[test]
    fn a_line_is_printed_as_serde_prints_it() {
        let odd = Told {
            file: Some("a \"b\" \u{e7}.json".into()),
            kind: Some("text".into()),
            ..told(7, Some("late"), Fate::Stored)
        };
        for told in lines().into_iter().chain([odd, told(0, None, Fate::Never)]) {
            let mut printed = Vec::new();
            told.print(&mut printed);
            assert_eq!(String::from_utf8(printed).unwrap(), serde_json::to_string(&told).unwrap());
        }
    }

    #[test]
    fn what_was_written_is_read_back_with_its_sums() {
        let mut found = Vec::new();
        let text = written();
        let (head, totals) = read(text.as_bytes(), |told| {
            found.push(format!("{told:?}"));
            Ok(())
        })
        .unwrap();
        assert_eq!(head.history["farms"], "2");
        assert_eq!(found, lines().iter().map(|told| format!("{told:?}")).collect::<Vec<_>>());
        assert_eq!((totals.lines, totals.stored, totals.ids, totals.quarantined), (4, 2, 1, 1));
        assert_eq!((totals.refused, totals.never, totals.faults["duplicate"]), (1, 1, 1));
    }

    #[test]
    fn what_cannot_prove_anything_is_refused() {
        let said = |text: &str| format!("{:#}", read(text.as_bytes(), |_| Ok(())).unwrap_err());
        let whole = written();
        assert!(said("").contains("no truth file") && said("{}\n").contains("no truth file"));
        assert!(said(&whole.replacen("truth\":1", "truth\":2", 1)).contains("version 2"));
        let cut: String = whole.split_inclusive('\n').take(4).collect();
        assert!(said(&cut).contains("cut short"));
        let lost: String = whole.split_inclusive('\n').enumerate().filter(|(n, _)| *n != 2).map(|(_, l)| l).collect();
        assert!(said(&lost).contains("do not fit"));
        assert!(said(&whole.replacen("stored", "lost", 1)).starts_with("line 2"));
        assert!(said(&(whole.clone() + &whole)).contains("goes on after"));
    }
}
