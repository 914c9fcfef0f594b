//! Compares findings with those of an earlier audit: new, persisting, resolved.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context as _, bail};
use sha2::{Digest, Sha256};

use super::drift::Drift;
use super::outcome::BaselineDiff;

/// Findings of an earlier audit that were not found again yet, as hashes of 16 bytes each.
#[derive(Debug)]
pub struct Baseline {
    open: HashSet<[u8; 16]>,
    since: BaselineDiff,
}

impl Baseline {
    /// Reads a drift file or an audit's JSON, which must contain all its findings.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, has another format, or lacks findings.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("--baseline {shown} cannot be read"))?;
        let mut open = HashSet::new();
        let mut text = String::new();
        for (at, line) in BufReader::new(file).lines().enumerate() {
            let line = line.with_context(|| format!("--baseline {shown} cannot be read"))?;
            if at == 0 || !text.is_empty() {
                match serde_json::from_str::<Drift>(&line) {
                    Ok(drift) if text.is_empty() => drop(open.insert(about(&drift))),
                    _ => {
                        text.push_str(&line); // an outcome, possibly on many lines
                        text.push('\n');
                    }
                }
                continue;
            }
            let drift: Drift = serde_json::from_str(&line)
                .with_context(|| format!("--baseline {shown}: line {} is not a finding of a drift file", at + 1))?;
            open.insert(about(&drift));
        }
        if !text.trim().is_empty() {
            open = of_outcome(&text).with_context(|| format!("--baseline {shown}"))?;
        }
        Ok(Self { open, since: BaselineDiff { baseline: shown.to_string(), ..BaselineDiff::default() } })
    }

    /// Compares a finding of this audit with the baseline.
    pub fn observe(&mut self, drift: &Drift) {
        if self.open.remove(&about(drift)) {
            self.since.persisting += 1;
        } else {
            self.since.new += 1;
        }
    }

    /// Returns the comparison, after all findings were observed.
    pub fn finish(self) -> BaselineDiff {
        BaselineDiff { resolved: self.open.len() as u64, ..self.since }
    }
}

fn of_outcome(text: &str) -> anyhow::Result<HashSet<[u8; 16]>> {
    #[derive(serde::Deserialize)]
    struct Audit {
        stopped: Option<String>,
        samples: Vec<Drift>,
        #[serde(flatten)]
        counts: serde_json::Map<String, serde_json::Value>,
    }
    let audit: Audit = serde_json::from_str(text).context("is neither a drift file nor the JSON of an audit")?;
    if let Some(why) = audit.stopped {
        bail!("is of an incomplete audit ({why}), so new findings cannot be determined");
    }
    let count = |name: &str| audit.counts.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let found: u64 = super::DriftKind::ALL.into_iter().map(|kind| count(kind.counter_name())).sum();
    if found != audit.samples.len() as u64 {
        bail!(
            "has {} of its audit's {}: pass the file that --drift or --evidence wrote",
            crate::outcome::count(audit.samples.len() as u64),
            crate::outcome::counted(found, "finding", "findings")
        );
    }
    Ok(audit.samples.iter().map(about).collect())
}

/// Returns the hash that identifies a finding: its kind, its record, and its object if the kind concerns objects.
fn about(drift: &Drift) -> [u8; 16] {
    let text = serde_json::json!([drift.kind, drift.id, drift.key]).to_string();
    let mut hash = [0; 16];
    hash.copy_from_slice(&Sha256::digest(text)[..16]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::{Counter, DriftKind, Outcome};

    fn drift(id: u32) -> Drift {
        Drift::new(DriftKind::LakeOnly, id.to_string(), Some(format!("key {id}")))
    }

    fn since(text: &str, now: impl Iterator<Item = u32>) -> anyhow::Result<[u64; 3]> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("before");
        std::fs::write(&path, text).unwrap();
        let mut baseline = Baseline::read(&path)?;
        now.for_each(|id| baseline.observe(&drift(id)));
        let since = baseline.finish();
        Ok([since.new, since.persisting, since.resolved])
    }

    fn lines(ids: std::ops::Range<u32>) -> String {
        ids.map(|id| serde_json::to_string(&drift(id)).unwrap() + "\n").collect()
    }

    #[test]
    fn findings_are_new_persisting_or_resolved() {
        assert_eq!(since(&lines(0..10), 5..12).unwrap(), [2, 5, 5]);
        assert_eq!(since("", 0..2).unwrap(), [2, 0, 0], "the drift file of a clean audit is empty");
        assert_eq!(since(&lines(0..1), 0..1).unwrap(), [0, 1, 0]);
    }

    #[test]
    fn the_json_of_an_audit_is_a_baseline_if_it_has_all_findings() {
        let mut outcome = Outcome::default();
        (0..10).for_each(|id| outcome.count(&drift(id), None));
        assert_eq!(since(&serde_json::to_string(&outcome).unwrap(), 5..12).unwrap(), [2, 5, 5]);
        assert_eq!(since(&serde_json::to_string_pretty(&outcome).unwrap(), 5..12).unwrap(), [2, 5, 5]);
        outcome[Counter::LakeOnly] += 1;
        let e = format!("{:#}", since(&serde_json::to_string(&outcome).unwrap(), 0..1).unwrap_err());
        assert!(e.contains("10 of its audit's 11"), "{e}");
        outcome.stopped = Some("interrupted".into());
        let e = format!("{:#}", since(&serde_json::to_string(&outcome).unwrap(), 0..1).unwrap_err());
        assert!(e.contains("incomplete audit"), "{e}");
        for invalid in ["x", "{}", "[1]"] {
            assert!(since(invalid, 0..1).is_err(), "{invalid}");
        }
        let e = format!("{:#}", since(&(lines(0..2) + "x\n"), 0..1).unwrap_err());
        assert!(e.contains("line 3"), "{e}");
    }
}
