//! Ground truth of a unit: the injected fault and expected result of each reading. It is derived from the injected
//! fault, never from the intake.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::encode::LineFormat;
use super::fault_rates::Faults;
use super::{DeliveredLine, FileStats, FileUnit, Herd, line_message};
use crate::truth::{EncodedLines, Entry, Expectation};
use pipeline::hex::hex;

/// Destination of the truth of a file.
#[derive(Debug)]
pub struct TruthTarget<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// The encoded lines so far, of this file and others.
    pub lines: &'a mut EncodedLines,
}

impl Herd {
    /// Does the same as [`Herd::write_lines`], and records the truth of every reading. Lines are counted from 1,
    /// including the header.
    pub fn write_lines_with_truth(
        &self,
        unit: FileUnit,
        format: LineFormat,
        faults: &Faults,
        out: &mut Vec<u8>,
        target: TruthTarget<'_>,
    ) -> FileStats {
        let mut recorder = TruthRecorder::new(target, !format.header().is_empty());
        self.write_lines(unit, format, faults, out, |line| {
            recorder.record(line, || line_message::of_line(line.bytes, format));
        })
    }

    /// Does the same as [`Herd::each_reading`], and records the truth of every reading. Rows are counted from 1.
    pub fn readings_with_truth(
        &self,
        unit: FileUnit,
        faults: &Faults,
        target: TruthTarget<'_>,
        mut each: impl FnMut(&DeliveredLine<'_>),
    ) -> FileStats {
        let mut recorder = TruthRecorder::new(target, false);
        self.each_reading(unit, faults, |line| {
            recorder.record(line, || Cow::Borrowed(line.bytes));
            each(line);
        })
    }
}

/// Records the truth of one file.
struct TruthRecorder<'a> {
    target: TruthTarget<'a>,
    number: u64,
    canonical: Vec<u8>,
}

impl<'a> TruthRecorder<'a> {
    fn new(target: TruthTarget<'a>, has_header: bool) -> Self {
        Self { target, number: u64::from(has_header), canonical: Vec::new() }
    }

    fn record<'l>(&mut self, line: &DeliveredLine<'_>, message: impl FnOnce() -> Cow<'l, [u8]>) {
        let is_delivered = line.is_delivered();
        self.number += u64::from(is_delivered);
        let expect = line.fault.map_or(Expectation::Stored, |chosen| chosen.fault.expectation());
        let is_reading = expect != Expectation::Quarantined;
        self.target.lines.push(&Entry {
            file: is_delivered.then(|| self.target.file.into()),
            line: if is_delivered { self.number } else { 0 },
            id: is_reading.then(|| line.reading.id_in(&mut self.canonical)),
            fault: line.fault.map(|chosen| chosen.fault.name().into()),
            kind: line.fault.and_then(|chosen| chosen.malformed).map(|subtype| subtype.name().into()),
            sha256: (!is_reading).then(|| hex(&Sha256::digest(message())).into()),
            expect,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use chrono::NaiveDate;
    use uuid::Uuid;

    use super::*;
    use crate::herd::{Fault, Malformed};
    use crate::history;
    use crate::topic::Message;
    use crate::truth::{self, Totals, Writer};
    use pipeline::record::{self, reading_id};

    /// Maximum message size of SNS in bytes.
    const TOPIC_BYTES: usize = 256 * 1024;

    fn herd() -> Herd {
        Herd::try_new(3, 40, 20, NaiveDate::from_ymd_opt(2024, 2, 20).unwrap(), 11).unwrap()
    }

    /// The entry of each line in the truth file, by file and line.
    type ByLine = HashMap<(String, u64), Entry<'static>>;

    /// Writes the history to a directory and returns its truth.
    fn written(
        faults: &str,
        format: LineFormat,
        dir: &std::path::Path,
    ) -> (ByLine, Vec<Entry<'static>>, Totals, FileStats) {
        let (faults, herd) = (Faults::parse(faults).unwrap(), herd());
        let (mut writer, mut stats) = (Writer::new(Vec::new(), [].into()).unwrap(), FileStats::default());
        let mut lines = EncodedLines::default();
        for unit in herd.files() {
            let mut out = format.header().to_vec();
            lines.clear();
            let file = unit.name(&herd, format);
            let target = TruthTarget { file: &file, lines: &mut lines };
            stats += herd.write_lines_with_truth(unit, format, &faults, &mut out, target);
            writer.write_lines(&lines).unwrap();
            std::fs::write(dir.join(file), out).unwrap();
        }
        let (mut message, mut undelivered) = (ByLine::new(), Vec::new());
        let text = writer.finish().unwrap().1;
        let (_, totals) = truth::read(&text[..], |entry| {
            let owned: Entry<'static> = serde_json::from_str(serde_json::to_string(entry)?.leak())?;
            match &owned.file {
                Some(file) => assert_eq!(message.insert((file.to_string(), owned.line), owned), None),
                None => undelivered.push(owned),
            }
            Ok(())
        })
        .unwrap();
        (message, undelivered, totals, stats)
    }

    /// Returns the actual result of a message in intake and topic: its id if it is a valid reading, and its
    /// expectation.
    fn expected(body: &[u8]) -> (Option<Uuid>, Expectation) {
        match record::Reading::parse(body) {
            Err(_) => (None, Expectation::Quarantined),
            Ok(reading) => {
                let id = Some(reading_id(&reading));
                let cod_cliente = Some(reading.cod_cliente);
                let message =
                    Message { body: body.to_vec().into(), cod_cliente, id_lote: None, dedup_id: String::new() };
                (id, if message.size_bytes() > TOPIC_BYTES { Expectation::Oversized } else { Expectation::Stored })
            }
        }
    }

    /// Reads the history as `publish` does, and compares every line with the truth file.
    fn check(faults: &str, format: LineFormat) -> (Totals, FileStats) {
        let home = tempfile::tempdir().unwrap();
        let (mut extra, undelivered, totals, stats) = written(faults, format, home.path());
        let (mut ids, mut bodies) = (HashSet::new(), HashSet::new());
        for unit in herd().files() {
            let name = unit.name(&herd(), format);
            for message in
                history::InputFile::open(&home.path().join(&name), history::InputSettings::default()).unwrap()
            {
                let message = message.unwrap();
                let entry = extra.remove(&(name.clone(), message.line)).expect("every line has an entry");
                let (id, expect) = expected(&message.body);
                assert_eq!((entry.id, entry.expect), (id, expect), "{faults} {entry:?} {}", message.body.len());
                let sha256 = hex(&Sha256::digest(&message.body));
                assert_eq!(entry.sha256.is_some(), expect == Expectation::Quarantined);
                assert!(entry.sha256.is_none_or(|owned| *owned == *sha256));
                let is_new = if expect == Expectation::Quarantined { bodies.insert(sha256) } else { ids.insert(id) };
                assert_eq!(is_new, entry.fault.as_deref() != Some("duplicate"), "{faults} {}", message.line);
            }
        }
        assert!(extra.is_empty(), "{faults}: entries for lines that do not exist: {extra:?}");
        for owned in undelivered {
            assert!(owned.expect == Expectation::Undelivered && !ids.contains(&owned.id) && owned.id.is_some());
        }
        for (fault, count) in stats.faults.iter() {
            assert_eq!(totals.faults.get(fault).copied().unwrap_or_default(), count, "{fault}");
        }
        assert_eq!(stats.readings, totals.lines);
        (totals, stats)
    }

    #[test]
    fn the_intake_agrees_with_the_truth_of_every_fault() {
        for format in [LineFormat::Ndjson, LineFormat::Csv] {
            check("", format);
            for fault in Fault::ALL {
                let rate = if fault == Fault::Oversized { 0.005 } else { 0.9 };
                let (totals, _) = check(&format!("{fault}={rate}"), format);
                assert!(totals.faults[fault.name()] > 0, "{fault}");
            }
        }
    }

    #[test]
    fn the_intake_rejects_every_subtype_of_malformed() {
        for format in [LineFormat::Ndjson, LineFormat::Csv] {
            for kind in Malformed::ALL {
                let (totals, _) = check(&format!("malformed.{kind}=1"), format);
                assert_eq!((totals.quarantined, totals.stored), (totals.lines, 0), "{kind}");
            }
        }
    }

    #[test]
    fn the_intake_agrees_with_all_faults_at_once() {
        let rate = |fault| match fault {
            Fault::Late | Fault::OutOfOrder | Fault::Malformed => 0.1,
            Fault::Oversized => 0.002,
            _ => 0.05,
        };
        let faults = Fault::ALL.map(|fault| format!("{fault}={}", rate(fault))).join(",");
        for format in [LineFormat::Ndjson, LineFormat::Csv] {
            let (totals, stats) = check(&faults, format);
            assert!(totals.faults.len() == Fault::ALL.len() && stats.faults.total() > 500, "{totals:?}");
            assert_eq!(totals.ids, totals.stored - totals.faults["duplicate"]);
        }
    }
}
