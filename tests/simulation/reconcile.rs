//! Audits, repairs, and their undo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use pipeline::lake::Span;
use pipeline::record::{Rules, row::Row};
use pipeline::warehouse::TableName;
use ruminate::parts::PartsMode;
use ruminate::progress::Progress;
use ruminate::reconcile::{
    Audit, Counter, DriftKind, DriftWriter, Finding, Outcome, RepairCounter, RepairPlan, RepairTarget, Trust,
    TruthOptions, WrittenFindings, repair, run,
};
use ruminate::undo::{UndoCounter, revert};

use crate::judge::{Facts, Judgement, Object, judge, objects};
use crate::load::{Expected, check_rows};
use crate::model::{Model, key_of};
use crate::must;
use crate::world::{Content, Stores, World};

/// Returns the audit of the complete stores.
pub fn audit_of(stores: &Stores, uses_parts: bool, cache: Option<&Path>) -> Audit {
    Audit {
        lake: Arc::clone(&stores.lake),
        warehouse: Arc::clone(&stores.bulk),
        span: Span::default(),
        rules: Rules::default(),
        reads: 8,
        halt_after: None,
        quick: false,
        tolerances: Vec::new(),
        sort: stores.sort.clone(),
        cache: cache.map(Path::to_owned),
        parts: if uses_parts { PartsMode::Auto } else { PartsMode::Never },
        listing: None,
        truth: TruthOptions::default(),
        allow_empty: true,
    }
}

/// The result of a complete audit.
pub struct Audited {
    pub outcome: Outcome,
    pub findings: WrittenFindings,
}

/// Runs an audit; `None` if it stopped early.
pub async fn audited(audit: &Audit, stores: &Stores) -> anyhow::Result<Option<Audited>> {
    let (outcome, sink) = run(audit, DriftWriter::new(None)?, &Progress::Silent, &stores.cancel).await?;
    if !outcome.is_complete() {
        return Ok(None);
    }
    outcome.check()?;
    Ok(Some(Audited { outcome, findings: sink.finish(&stores.sort)? }))
}

impl Audited {
    fn ids(&self) -> anyhow::Result<BTreeMap<DriftKind, BTreeSet<String>>> {
        let mut ids = BTreeMap::<DriftKind, BTreeSet<String>>::new();
        for finding in self.findings.read()? {
            let Finding { kind, id, key, .. } = finding?;
            let of_key = || key.as_deref().map(crate::judge::id_of_key).map(str::to_owned);
            ids.entry(kind).or_default().extend(id.clone().or_else(of_key));
        }
        Ok(ids)
    }

    /// Checks an audit of stores that no other process changed. Objects that could not be read because of faults are the only
    /// difference from the judge.
    pub fn check(&self, model: &Model, content: &Content, has_faults: bool) -> anyhow::Result<()> {
        let cutoff = self.outcome.cutoff.ok_or_else(|| anyhow::anyhow!("no cutoff"))?.naive_utc();
        let truth = judge(content, &model.readings, cutoff);
        let found = self.ids()?;
        let kinds = [
            (DriftKind::LakeOnly, &truth.lake_only),
            (DriftKind::WarehouseOnly, &truth.warehouse_only),
            (DriftKind::Differing, &truth.differing),
            (DriftKind::Unreadable, &truth.unreadable),
            (DriftKind::ForgedId, &truth.forged),
        ];
        for (kind, expected) in kinds {
            let found = found.get(&kind).cloned().unwrap_or_default();
            let is_right = match has_faults {
                false => found == *expected,
                true if kind == DriftKind::Unreadable => found.is_superset(expected),
                true => found.is_subset(expected),
            };
            let wrong: Vec<&String> = found.symmetric_difference(expected).collect();
            let bodies = wrong.iter().filter_map(|id| content.objects.get(key_of(content, id)?));
            let bodies: Vec<_> = bodies.map(|body| String::from_utf8_lossy(body)).collect();
            must!(
                is_right,
                "{}: the audit has {found:?}, the judge {expected:?}; objects of {wrong:?}: {bodies:?}",
                kind.name()
            );
        }
        let known: BTreeSet<DriftKind> = kinds.iter().map(|(kind, _)| *kind).collect();
        let other = found.keys().find(|kind| !known.contains(*kind));
        must!(other.is_none(), "the audit found {other:?}: {found:?}");
        self.check_counts(content, &truth, has_faults)
    }

    fn check_counts(&self, content: &Content, truth: &Judgement, has_faults: bool) -> anyhow::Result<()> {
        let counts = [
            (Counter::LakeObjects, content.objects.len()),
            (Counter::WarehouseRows, content.rows.len()),
            (Counter::Matched, truth.matched.len()),
            (Counter::NotCompared, truth.not_compared.len()),
        ];
        for (counter, expected) in counts {
            let is_exact = !has_faults || matches!(counter, Counter::LakeObjects | Counter::WarehouseRows);
            let found = self.outcome[counter];
            must!(!is_exact || found == expected as u64, "{counter:?}: the audit has {found}, the judge {expected}");
        }
        Ok(())
    }
}

/// Audits both stores, and compares the result with the judge, unless the stores change during the audit.
pub async fn audit(world: &World, model: &Model, (parts, cached): (bool, bool), is_alone: bool) -> anyhow::Result<()> {
    let content = world.content().await?;
    let cache = cached.then(|| world.file("cache"));
    world
        .operate(async |stores| {
            let has_faults = !stores.is_quiet;
            let done = audited(&audit_of(&stores, parts, cache.as_deref()), &stores).await?;
            if let Some(done) = done.as_ref().filter(|_| is_alone) {
                done.check(model, &content, has_faults)?;
            }
            Ok(done.map(drop))
        })
        .await
}

/// Audits without faults, and compares the result with the judge.
pub async fn audit_quietly(world: &World, model: &Model) -> anyhow::Result<()> {
    let (content, stores) = (world.content().await?, world.quiet());
    match audited(&audit_of(&stores, true, None), &stores).await? {
        Some(done) => done.check(model, &content, false),
        None => anyhow::bail!("an audit without faults stopped early"),
    }
}

/// Options of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairOptions {
    pub direction: RepairTarget,
    pub trust: Trust,
}

/// Repairs until a repair has seen all objects; `unreadable` of them cannot be read. Returns the outcome of the last audit.
pub async fn repair_all(
    world: &World,
    options: RepairOptions,
    unreadable: u64,
    undo: &Path,
) -> anyhow::Result<Outcome> {
    world
        .operate(async |stores| {
            let audit = audit_of(&stores, true, None);
            let Some(Audited { outcome, findings }) = audited(&audit, &stores).await? else { return Ok(None) };
            let plan = RepairPlan {
                direction: options.direction,
                trust: options.trust,
                dry_run: false,
                unidentified: outcome[Counter::Unidentified],
                max_changes: None,
                ids: outcome.ids(),
                undo: (undo.to_owned(), TableName::default().to_string()),
            };
            let repaired = repair(&audit, &findings, &plan, &Progress::Silent, &stores.cancel).await?;
            must!(
                repaired[RepairCounter::Verified] == repaired.changes(),
                "{} changes, {} verified",
                repaired.changes(),
                repaired[RepairCounter::Verified]
            );
            // With faults, other objects may have been taken for unreadable ones.
            let is_complete = repaired.stopped.is_none() && outcome[Counter::Unreadable] <= unreadable;
            Ok((is_complete && repaired[RepairCounter::Failed] == 0).then_some(outcome))
        })
        .await
}

/// Checks both stores after a complete repair.
pub fn check_repaired(
    model: &Model,
    (before, after): (&Content, &Content),
    options: RepairOptions,
    cutoff: chrono::NaiveDateTime,
) -> anyhow::Result<()> {
    let truth = judge(before, &model.readings, cutoff);
    let objects = objects(before, &model.readings);
    let (rows_too, objects_too) = match options.direction {
        RepairTarget::Warehouse => (true, false),
        RepairTarget::Lake => (false, true),
        RepairTarget::Both => (true, true),
    };
    let mut expected: BTreeMap<String, Expected<'_>> =
        before.rows.iter().map(|(id, row)| (id.clone(), Expected::Kept(row))).collect();
    for id in truth.lake_only.iter().chain(&truth.differing).filter(|_| rows_too) {
        let Some(Object::Record { facts, is_forged: false }) = objects.get(id) else { continue };
        let row = before.rows.get(id).and_then(Facts::of_row);
        let updates = row.is_none_or(|row| options.trust == Trust::Lake && !is_only_row_intact(model, facts, &row));
        if updates {
            expected.insert(id.clone(), Expected::Of(facts.clone()));
        }
    }
    check_rows(model, &expected, &after.rows)?;
    for id in truth.warehouse_only.iter().filter(|_| objects_too) {
        check_object(model, after, id, &before.rows[id])?;
    }
    let is_trusted = objects_too && options.trust == Trust::Warehouse;
    for id in truth.differing.iter().filter(|_| is_trusted) {
        check_object(model, after, id, &before.rows[id])?;
    }
    Ok(())
}

/// Returns true if only the row holds the values of the reading.
fn is_only_row_intact(model: &Model, object: &Facts, row: &Facts) -> bool {
    let own = model.readings.number(&row.id).map(|number| model.readings.values(number));
    own.is_some_and(|own| row.values == own && object.values != own)
}

/// Checks that the object of a row holds its values.
fn check_object(model: &Model, content: &Content, id: &str, row: &Row) -> anyhow::Result<()> {
    let key = key_of(content, id);
    let object = key.map(|key| Object::of(key, &content.objects[key], &model.readings));
    let row = Facts::of_row(row);
    let is_right = match (&object, &row) {
        (Some(Object::Record { facts, .. }), Some(row)) => facts.is_in(row),
        _ => false,
    };
    must!(is_right, "the object of {id} is {object:?}, its row {row:?}");
    Ok(())
}

/// Reverts all changes in an undo file.
pub async fn undo(world: &World, path: &Path) -> anyhow::Result<()> {
    world
        .operate(async |stores| {
            let table = TableName::default().to_string();
            let lake = Some(&*stores.lake);
            let undone = revert(&*stores.bulk, lake, path, &table, false, &stores.cancel).await?;
            undone.check()?;
            must!(undone[UndoCounter::ModifiedSince] == 0, "an undo found changes of others: {undone}");
            Ok((undone[UndoCounter::NotProcessed] == 0).then_some(()))
        })
        .await
}
