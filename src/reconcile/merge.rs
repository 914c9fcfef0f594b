//! The merge: ids in order from both sides, each group judged by the table in the room's docs.

use anyhow::Context as _;

use super::Audit;
use super::entries::{Held, LakeEntry};
use super::findings::{FindingCollector, own};
use super::look::{Suspicion, at_home};
use super::sorters::FULL;
use super::truth::{Proof, Seen};
use super::warehouse_side::Rows;
use super::window::Inside;
use crate::progress::Stage;
use crate::sort::{OrderedId, Sorted};
use crate::stop::Stop;
use pipeline::record::Record;
use pipeline::record::stored::{Row, Shape};

/// The merge of one audit.
pub(super) struct Merge<'a> {
    pub audit: &'a Audit,
    pub shape: Shape,
    pub inside: Option<Inside>,
    pub findings: &'a mut FindingCollector,
    pub stage: Stage,
    /// The truth that is proved on the way.
    pub proof: Option<Proof>,
}

impl Merge<'_> {
    /// Judges every id of both sides; returns whether it came to the end.
    pub(super) async fn run(&mut self, lake: Sorted<LakeEntry>, rows: &mut Rows, stop: &Stop) -> anyhow::Result<bool> {
        let mut entries = lake.peekable();
        let mut row = rows.next().await?;
        let mut group = Vec::new();
        loop {
            if stop.is_set() || self.findings.is_hopeless(self.audit) {
                return Ok(false);
            }
            let lake_id = match entries.peek() {
                Some(Ok(entry)) => Some(&entry.id),
                Some(Err(e)) => anyhow::bail!("the sorted lake side cannot be read back: {e}"),
                None => None,
            };
            let told_id = match &mut self.proof {
                Some(proof) => proof.next()?,
                None => None,
            };
            let first = [lake_id, row.as_ref().map(|row| &row.id), told_id].into_iter().flatten().min();
            let Some(id) = first.cloned() else { return Ok(true) };
            while let Some(entry) = entries.next_if(|entry| entry.as_ref().is_ok_and(|entry| entry.id == id)) {
                group.push(entry?);
            }
            let here = row.as_ref().is_some_and(|row| row.id == id);
            let this = if here { std::mem::replace(&mut row, rows.next().await?) } else { None };
            if this.is_some() {
                self.stage.add(1);
            }
            self.prove(&id, &group, this.is_some())?;
            self.judge(&id, &mut group, this.map(|row| row.row.0))?;
            self.findings.recheck_full(self.audit, &self.shape).await?;
        }
    }

    /// Holds an id against the truth, where there is one.
    fn prove(&mut self, id: &OrderedId, group: &[LakeEntry], row: bool) -> anyhow::Result<()> {
        let Some(proof) = &mut self.proof else { return Ok(()) };
        let inside = |entry: &LakeEntry| match (&self.inside, &entry.held) {
            (None, _) => true,
            (Some(inside), Held::Record(record)) => inside.has_record(&entry.key, record),
            (Some(inside), Held::Name | Held::Nothing) => inside.has_name(&entry.key),
        };
        let key = group.first().map(|entry| entry.key.as_str());
        proof.meet(id, Seen { key, inside: group.iter().any(inside), row }, self.findings)
    }

    fn judge(&mut self, id: &OrderedId, group: &mut Vec<LakeEntry>, row: Option<Row>) -> anyhow::Result<()> {
        // By far the most.
        if let ([LakeEntry { key, held: Held::Record(record), .. }], Some(row)) = (group.as_slice(), &row)
            && self.is_plain(key, record, row)
        {
            self.findings.matched(key, record, row)?;
            group.clear();
            return Ok(());
        }
        let (mut opened, mut names, mut unjudged) = (Vec::new(), Vec::new(), false);
        for entry in group.drain(..) {
            match entry.held {
                Held::Record(record) => opened.push((entry.key, *record)),
                Held::Name => names.push(entry.key),
                Held::Nothing => unjudged = true,
            }
        }
        if let (Some(inside), None) = (&self.inside, &row) {
            // Only for a row inside does a record outside speak.
            opened.retain(|(key, record)| inside.has_record(key, record));
            names.retain(|key| inside.has_name(key));
        }
        match (opened.as_slice(), names.as_slice(), row) {
            ([], [], None) => Ok(()),
            ([], [], Some(row)) if unjudged => {
                self.findings.unjudged(&row);
                Ok(())
            }
            ([], [], Some(row)) => self.findings.suspect(Suspicion::of_row(row)).context(FULL),
            ([], [name], Some(row)) => {
                self.findings.present(name, &row);
                Ok(())
            }
            ([(key, record)], [], Some(row)) if self.is_plain(key, record, &row) => {
                self.findings.matched(key, record, &row)
            }
            (_, _, row) => self.findings.suspect(suspicion(&id.text(), opened, names, row)).context(FULL),
        }
    }

    /// Whether nothing at all is wrong.
    fn is_plain(&self, key: &str, record: &Record, row: &Row) -> bool {
        self.audit.differences(record, row, &self.shape).is_empty() && own(self.audit, key, record).is_empty()
    }
}

/// The object that lies where it belongs is the one that is judged; others of its id are copies.
fn suspicion(id: &str, mut opened: Vec<(String, Record)>, names: Vec<String>, row: Option<Row>) -> Suspicion {
    opened.sort_by(|a, b| (!at_home(&a.0, &a.1), &a.0).cmp(&(!at_home(&b.0, &b.1), &b.0)));
    let unopened = !names.is_empty();
    let mut keys = Vec::with_capacity(opened.len() + names.len());
    let mut home = None;
    for (key, record) in opened {
        keys.push(key);
        home.get_or_insert(record);
    }
    keys.extend(names);
    let record = home.filter(|_| !unopened);
    Suspicion { id: id.to_owned(), keys, record, unopened, row: row.map(super::entries::StoredRow) }
}
