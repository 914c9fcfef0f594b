//! Lake side of a repair: writes missing objects, and overwrites others with a row's values if the warehouse is
//! trusted.

use anyhow::Context as _;
use bytes::Bytes;

use super::{RepairResult, Repaired, Repairer, require_undo_entry};
use crate::reconcile::finding::Finding;
use crate::reconcile::intact::with_row_values;
use crate::undo::ObjectChange;
use pipeline::lake::{ChangeResult, Key, PutResult, Reason, head};
use pipeline::record::row::Row;
use pipeline::record::{Column, MAX_OBJECT_BYTES, Record, RecordId};

impl Repairer<'_> {
    /// Writes the object of a row without an object.
    pub(super) async fn write_object(&mut self, finding: &Finding) -> anyhow::Result<RepairResult> {
        let Some(row) = self.row(finding).await? else { return Ok(Err("the row no longer exists".into())) };
        let record = match self.record_of(&row) {
            Ok(record) => record,
            Err(why) => return Ok(Err(why.into())),
        };
        let Some(key) = Key::of(&record) else { return Ok(Err("its id cannot be part of an object's name".into())) };
        let (key, body) = (key.to_string(), record.object_from_values());
        let after = std::str::from_utf8(&body).context("an object is text")?;
        let taken = Err(format!("the name {key} is taken by another object"));
        if head(&*self.audit.lake, &key).await?.is_some() {
            return Ok(taken);
        }
        let object = ObjectChange { lake: &self.lake, key: &key, before: None, after };
        require_undo_entry(self.undo_file.record_object(object))?;
        if self.audit.lake.put_new(&key, Bytes::from(body.clone())).await? == PutResult::AlreadyExists {
            return Ok(taken);
        }
        let written = self.audit.lake.get_within(&key, MAX_OBJECT_BYTES).await?;
        Ok(match Record::parse(&written) {
            Ok(written) if written.differences(&row, &self.schema).is_empty() => Ok(Repaired::Changed),
            _ => Err(format!("{key} reads back with other values")),
        })
    }

    async fn row(&self, finding: &Finding) -> anyhow::Result<Option<Row>> {
        let id = finding.row_id().to_owned();
        Ok(self.by_id(std::slice::from_ref(&id)).await?.remove(&id))
    }

    /// Returns the record for the object of a row, or the reason not to write one.
    fn record_of(&self, row: &Row) -> Result<Record, &'static str> {
        let record = row.to_record().ok_or("the row has NULLs or values that no record can have")?;
        if !id_matches_data(&record) {
            return Err(
                "the time in its id differs from its data: the row was changed, and its object has another path",
            );
        }
        if !self.audit.span.is_everything() && !has_content_id(&record) {
            return Err(
                "its legacy id does not determine the path of its object, which may be outside this window: audit everything",
            );
        }
        let mut record = self.audit.apply_rule(record, row, &self.schema);
        record.mark_repaired();
        Ok(record)
    }

    /// Writes the differing values of a row into its object, if both have not changed since the audit.
    pub(super) async fn replace_object(&mut self, finding: &Finding) -> anyhow::Result<RepairResult> {
        let (Some(id), Some(key)) = (&finding.id, &finding.key) else {
            return Ok(Err("it has no id or no key".into()));
        };
        // The version token is read first: the conditional write then detects any change after it.
        let Some(meta) = head(&*self.audit.lake, key).await? else {
            return Ok(Err("the object no longer exists".into()));
        };
        let body = match self.audit.lake.get_within(key, MAX_OBJECT_BYTES).await {
            Ok(body) => body,
            Err(e) if e.reason == Reason::NotFound => return Ok(Err("the object no longer exists".into())),
            Err(e) if e.concerns_one_object() => {
                return Ok(Err(format!("the object can no longer be read: {}", e.message)));
            }
            Err(e) => return Err(e.into()),
        };
        let Some(record) = Record::parse(&body).ok().filter(|record| record.id_treated_data == *id) else {
            return Ok(Err("the object now holds another record, or none".into()));
        };
        let Some(row) = self.row(finding).await? else { return Ok(Err("the row no longer exists".into())) };
        let (new, columns) = match self.with_values_of(finding, &record, &row, key) {
            Ok(Some(new)) => new,
            Ok(None) => return Ok(Ok(Repaired::AlreadyEqual)),
            Err(why) => return Ok(Err(why.into())),
        };
        let new = new.object_with_columns(&body, &columns).context("an object that was parsed is JSON")?;
        let Ok(before) = std::str::from_utf8(&body) else {
            return Ok(Err(
                "the object is compressed, and an undo file holds text: decompress it, then audit again".into()
            ));
        };
        let after = std::str::from_utf8(&new).context("an object is text")?;
        let object = ObjectChange { lake: &self.lake, key, before: Some(before), after };
        require_undo_entry(self.undo_file.record_object(object))?;
        if self.audit.lake.change_if_match(key, &meta.etag, Some(Bytes::from(new.clone()))).await?
            == ChangeResult::Conflict
        {
            return Ok(Err("the object changed in the meantime: audit again".into()));
        }
        let written = self.audit.lake.get_within(key, MAX_OBJECT_BYTES).await?;
        Ok(match Record::parse(&written) {
            Ok(written) if written.differences(&row, &self.schema).is_empty() => Ok(Repaired::Changed),
            _ => Err("verification failed: another process is writing".into()),
        })
    }

    /// Returns the record with a row's values, and the changed columns. `None` if nothing changes.
    fn with_values_of(
        &self,
        finding: &Finding,
        record: &Record,
        row: &Row,
        key: &str,
    ) -> Result<Option<(Record, Vec<Column>)>, &'static str> {
        let differences = record.differences(row, &self.schema);
        if differences.is_empty() {
            return Ok(None);
        }
        if !finding.is_unchanged(&differences) {
            return Err("the row or the object changed since the audit: audit again");
        }
        let new = with_row_values(record, row, &differences);
        let mut new = new.ok_or("the row has NULLs or values that no record can have")?;
        let mut columns: Vec<Column> = differences.iter().map(|difference| difference.column).collect();
        if columns.contains(&Column::IdTreatedData) {
            return Err("an object's id is never changed");
        }
        if columns.contains(&Column::ConsumoMeta) {
            new = self.audit.apply_rule(new, row, &self.schema);
        }
        new.mark_repaired();
        if Key::parse(key).is_none_or(|path| !path.fits(&new)) || Key::of(&new).is_none() {
            return Err("its path consists of values that differ: it would be in the wrong place");
        }
        if has_content_id(&new) && !id_matches_data(&new) {
            return Err("its id contains its data, which would no longer match");
        }
        if !new.differences(row, &self.schema).is_empty() {
            return Err("no object can hold just these values");
        }
        columns.dedup();
        Ok(Some((new, columns)))
    }
}

/// Returns true if the id is of version 8, which determines the object's key.
fn has_content_id(record: &Record) -> bool {
    RecordId::new(&record.id_treated_data).is_made_here()
}

/// Returns true if the time in an id of this toolkit (version 8) is the second of the row's `data`; other ids always
/// match.
fn id_matches_data(record: &Record) -> bool {
    let millis = RecordId::new(&record.id_treated_data).data_millis();
    millis.is_none_or(|millis| millis / 1_000 == record.reading.data.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::conformance::warehouse::record;

    #[test]
    fn an_id_contains_the_time_of_its_reading() {
        let mut record = record(1);
        assert!(id_matches_data(&record));
        record.reading.data += chrono::TimeDelta::days(1);
        assert!(!id_matches_data(&record));
        record.id_treated_data = "0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab".into();
        assert!(id_matches_data(&record), "an older id is random");
    }
}
