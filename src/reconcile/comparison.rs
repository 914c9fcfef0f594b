//! Merge of both sides in id order; each group is classified by the table in the documentation of [`super`].

use anyhow::Context as _;

use super::Audit;
use super::entries::{LakeEntry, ObjectState};
use super::findings::{FindingCollector, record_findings};
use super::recheck::{Candidate, has_canonical_key};
use super::sorters::FULL;
use super::truth::{Observed, TruthCheck};
use super::warehouse_side::RowStream;
use super::window::AuditWindow;
use crate::cancellation::CancellationToken;
use crate::progress::Stage;
use crate::sort::{OrderedId, Sorted};
use pipeline::record::row::{Row, TableSchema};
use pipeline::record::{IdCheck, Record};

/// Merge of one audit.
pub(super) struct Merge<'a> {
    pub audit: &'a Audit,
    pub schema: TableSchema,
    pub inside: Option<AuditWindow>,
    pub findings: &'a mut FindingCollector,
    pub stage: Stage,
    /// Truth that is checked during the merge.
    pub truth_check: Option<TruthCheck>,
}

impl Merge<'_> {
    /// Classifies every id of both sides; returns true if it reached the end.
    pub(super) async fn run(
        &mut self,
        lake: Sorted<LakeEntry>,
        rows: &mut RowStream,
        cancel: &CancellationToken,
    ) -> anyhow::Result<bool> {
        let mut entries = lake.peekable();
        let mut row = rows.next().await?;
        let mut group = Vec::new();
        loop {
            if cancel.is_cancelled() || self.findings.reached_limit(self.audit) {
                return Ok(false);
            }
            let lake_id = match entries.peek() {
                Some(Ok(entry)) => Some(&entry.id),
                Some(Err(e)) => anyhow::bail!("the sorted lake side cannot be read back: {e}"),
                None => None,
            };
            let truth_id = match &mut self.truth_check {
                Some(truth_check) => truth_check.next()?,
                None => None,
            };
            let first = [lake_id, row.as_ref().map(|row| &row.id), truth_id].into_iter().flatten().min();
            let Some(id) = first.cloned() else { return Ok(true) };
            while let Some(entry) = entries.next_if(|entry| entry.as_ref().is_ok_and(|entry| entry.id == id)) {
                let entry = entry?;
                // A store may list an object on two pages, which makes no copy.
                if group.last().is_none_or(|last: &LakeEntry| last.key != entry.key) {
                    group.push(entry);
                }
            }
            let here = row.as_ref().is_some_and(|row| row.id == id);
            let this = if here { std::mem::replace(&mut row, rows.next().await?) } else { None };
            if this.is_some() {
                self.stage.add(1);
            }
            self.check_truth(&id, &group, this.is_some())?;
            self.compare_group(&id, &mut group, this.map(|row| row.row.0))?;
            self.findings.recheck_full(self.audit, &self.schema).await?;
        }
    }

    /// Compares an id with the truth, if there is one.
    fn check_truth(&mut self, id: &OrderedId, group: &[LakeEntry], row: bool) -> anyhow::Result<()> {
        let Some(truth_check) = &mut self.truth_check else { return Ok(()) };
        let inside = |entry: &LakeEntry| match (&self.inside, &entry.state) {
            (None, _) => true,
            (Some(inside), ObjectState::Record(record)) => inside.has_record(&entry.key, record),
            (Some(inside), ObjectState::IdOnly | ObjectState::Unavailable) => inside.has_name(&entry.key),
        };
        let key = group.first().map(|entry| entry.key.as_str());
        truth_check.check_id(id, Observed { key, inside: group.iter().any(inside), row }, self.findings)
    }

    fn compare_group(&mut self, id: &OrderedId, group: &mut Vec<LakeEntry>, row: Option<Row>) -> anyhow::Result<()> {
        if let Some(deferred) = self.findings.deferred()
            && !deferred.has_all_evidence(id, group, row.as_ref())
        {
            return deferred.leave(id, group.drain(..), row, self.inside.as_ref()).context(FULL);
        }
        // By far the most frequent case.
        if let ([LakeEntry { key, state: ObjectState::Record(record), .. }], Some(row)) = (group.as_slice(), &row)
            && self.is_plain(key, record, row)
        {
            self.findings.matched(key, record, row)?;
            group.clear();
            return Ok(());
        }
        let (mut opened, mut names, mut not_compared) = (Vec::new(), Vec::new(), false);
        for entry in group.drain(..) {
            match entry.state {
                ObjectState::Record(record) => opened.push((entry.key, *record)),
                ObjectState::IdOnly => names.push(entry.key),
                ObjectState::Unavailable => not_compared = true,
            }
        }
        if let (Some(inside), None) = (&self.inside, &row) {
            // A record outside of the window counts only if the row is inside.
            opened.retain(|(key, record)| inside.has_record(key, record));
            names.retain(|key| inside.has_name(key));
        }
        match (opened.as_slice(), names.as_slice(), row) {
            ([], [], None) => Ok(()),
            ([], [], Some(row)) if not_compared => {
                self.findings.add_not_compared(&row);
                Ok(())
            }
            ([], [], Some(row)) => self.findings.add_candidate(Candidate::of_row(row)).context(FULL),
            ([], [name], Some(row)) => self.findings.present(name, &row),
            ([(key, record)], [], Some(row)) if self.is_plain(key, record, &row) => {
                self.findings.matched(key, record, &row)
            }
            (_, _, row) => self.findings.add_candidate(candidate(&id.text(), opened, names, row)).context(FULL),
        }
    }

    /// Returns true if record and row agree and have no other problem, and no repair has changed the object.
    fn is_plain(&self, key: &str, record: &Record, row: &Row) -> bool {
        self.audit.differences(record, row, &self.schema).is_empty()
            && matches!(record.check_id(), IdCheck::Proven | IdCheck::Unproven)
            && record_findings(self.audit, key, record).is_empty()
    }
}

/// Returns the candidate for an id. The object with the canonical key is compared; others with the same id are copies.
fn candidate(id: &str, mut opened: Vec<(String, Record)>, names: Vec<String>, row: Option<Row>) -> Candidate {
    opened.sort_by(|a, b| (!has_canonical_key(&a.0, &a.1), &a.0).cmp(&(!has_canonical_key(&b.0, &b.1), &b.0)));
    let unopened = !names.is_empty();
    let mut keys = Vec::with_capacity(opened.len() + names.len());
    let mut home = None;
    for (key, record) in opened {
        keys.push(key);
        home.get_or_insert(record);
    }
    keys.extend(names);
    let record = home.filter(|_| !unopened);
    Candidate { id: id.to_owned(), keys, record, unopened, row: row.map(super::entries::SpooledRow) }
}
