//! Dry run of a replay: lists every object and reads a sample, without changes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::outcome::{Preview, ReadSample};
use super::plan::Plan;
use super::policy::Policy;
use crate::cancellation::CancellationToken;
use crate::reader::{Age, ObjectContent};
use crate::request_cost::{self, ClassCounts};
use pipeline::lake::{self, Depth, Key, ObjectMeta, Partition, is_folder_marker};
use pipeline::warehouse::{BulkWarehouse, Reason};

/// Number of concurrent listings.
const LISTINGS: usize = 16;

/// Number of objects in the sample, and the time limit for reading them.
const SAMPLE: usize = 2_000;
const SAMPLE_TIME: Duration = Duration::from_secs(5);

/// Totals of one partition's listing.
#[derive(Default)]
struct ListingTotals {
    objects: u64,
    bytes: u64,
    pages: u64,
    archived: u64,
    after_cutoff: u64,
    future_dated: u64,
    unrecognized: u64,
    folder_markers: u64,
    classes: BTreeMap<String, ClassCounts>,
    sample: Vec<ObjectMeta>,
}

impl Plan {
    /// Performs the dry run: lists the planned objects, reads a sample, and checks how the warehouse would be loaded.
    ///
    /// # Errors
    /// Returns an error if the lake cannot be listed. Problems of the warehouse are part of the preview.
    pub async fn preview(
        &self,
        bulk: &dyn BulkWarehouse,
        policy: Policy,
        reads: usize,
        cancel: &CancellationToken,
    ) -> Result<Preview, lake::Error> {
        let mut preview = Preview {
            lake: self.lake.address(),
            warehouse: bulk.address(),
            options: self.options(policy),
            cutoff: Some(self.cutoff.instant()),
            partitions: self.partitions.len() as u64,
            first_day: self.partitions.first().map(|p| p.day),
            last_day: self.partitions.last().map(|p| p.day),
            unrecognized: self.unrecognized.count(),
            folder_markers: self.unrecognized.folder_markers(),
            objects: self.unrecognized.count() + self.unrecognized.folder_markers(),
            ..Preview::default()
        };
        let looked = cancel.run_until_cancelled(self.fill_preview(&mut preview, bulk, policy, reads)).await;
        if looked.transpose()?.is_none() {
            preview.stopped = Some("interrupted".into());
        }
        Ok(preview)
    }

    async fn fill_preview(
        &self,
        preview: &mut Preview,
        bulk: &dyn BulkWarehouse,
        policy: Policy,
        reads: usize,
    ) -> Result<(), lake::Error> {
        let sample = self.list(preview).await?;
        preview.list_requests += request_cost::partition_requests(&self.partitions);
        preview.get_requests = preview.objects
            - preview.archived
            - preview.after_cutoff
            - preview.future_dated
            - preview.unrecognized
            - preview.folder_markers;
        preview.request_cost_usd = request_cost::in_usd(preview.list_requests, &preview.classes);
        preview.sample = self.sample(sample, reads).await?;
        preview.seconds =
            preview.sample.as_ref().map(|sample| preview.get_requests as f64 / sample.per_second.max(1e-9));
        ask(bulk, policy, preview).await;
        Ok(())
    }

    /// Lists every partition, and picks objects for a sample.
    async fn list(&self, preview: &mut Preview) -> Result<Vec<ObjectMeta>, lake::Error> {
        let each = (SAMPLE / self.partitions.len().max(1)).max(1);
        let every = (self.partitions.len() / SAMPLE).max(1);
        let partitions = self.partitions.iter().cloned().enumerate();
        let mut listed = stream::iter(partitions)
            .map(|(at, partition)| async move {
                let sampled = if at % every == 0 { each } else { 0 };
                Ok::<_, lake::Error>((self.listed(&partition, sampled).await?, partition))
            })
            .buffered(LISTINGS);
        let mut sample = Vec::new();
        while let Some((found, partition)) = listed.try_next().await? {
            preview.objects += found.objects;
            preview.bytes += found.bytes;
            preview.archived += found.archived;
            preview.after_cutoff += found.after_cutoff;
            preview.future_dated += found.future_dated;
            preview.unrecognized += found.unrecognized;
            preview.folder_markers += found.folder_markers;
            preview.list_requests += found.pages;
            *preview.farms.entry(partition.farm).or_insert(0) += found.objects;
            request_cost::merge(&mut preview.classes, found.classes);
            sample.extend(found.sample);
        }
        Ok(sample)
    }

    async fn listed(&self, partition: &Partition, sampled: usize) -> Result<ListingTotals, lake::Error> {
        let (mut listed, mut after) = (ListingTotals::default(), None);
        loop {
            let page = self.lake.list(&partition.prefix(), Depth::Recursive, after.as_deref()).await?;
            listed.pages += 1;
            for object in page.objects.into_iter().filter(|object| self.has(object)) {
                listed.objects += 1;
                listed.bytes += object.size;
                let class = request_cost::count(&mut listed.classes, &object);
                match (Key::parse(&object.key), self.cutoff.age(object.last_modified)) {
                    (None, _) if is_folder_marker(&object) => listed.folder_markers += 1,
                    (None, _) => listed.unrecognized += 1,
                    (Some(_), Age::After) => listed.after_cutoff += 1,
                    (Some(_), Age::Future) => listed.future_dated += 1,
                    (Some(_), Age::Included) if object.archived => {
                        class.archived += 1;
                        listed.archived += 1;
                    }
                    (Some(_), Age::Included) if listed.sample.len() < sampled => listed.sample.push(object),
                    (Some(_), Age::Included) => {}
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(listed),
            }
        }
    }

    /// Reads a sample as the run would.
    async fn sample(&self, objects: Vec<ObjectMeta>, reads: usize) -> Result<Option<ReadSample>, lake::Error> {
        if objects.is_empty() {
            return Ok(None);
        }
        let started = Instant::now();
        let mut sample = ReadSample::default();
        let mut found = std::pin::pin!(self.reader(reads).read_objects(objects));
        while let Some(found) = found.next().await {
            sample.objects += 1;
            sample.records += u64::from(matches!(found?.item, ObjectContent::Record(_)));
            if started.elapsed() > SAMPLE_TIME {
                break;
            }
        }
        sample.per_second = sample.objects as f64 / started.elapsed().as_secs_f64().max(1e-6);
        Ok(Some(sample))
    }
}

/// Adds the current rows of the warehouse, the loading method, and the changes to the preview.
async fn ask(bulk: &dyn BulkWarehouse, policy: Policy, preview: &mut Preview) {
    match bulk.table_schema().await {
        Ok(_) => {}
        Err(e) if e.reason == Reason::NoTable => {}
        Err(e) => preview.blockers.push(e.to_string()),
    }
    match bulk.status().await {
        Ok(status) => preview.current_rows = status.rows,
        Err(e) => preview.blockers.push(e.to_string()),
    }
    match bulk.load_strategy().await {
        Ok(method) => preview.method = method.to_string(),
        Err(e) => preview.blockers.push(e.to_string()),
    }
    preview.planned_changes.push(match preview.current_rows {
        Some(_) => "missing rows are inserted; only these rows are locked, for about a second".to_owned(),
        None => "nothing, because there is no table: run `ruminate init` first".to_owned(),
    });
    if preview.current_rows.is_none() {
        return;
    }
    preview.planned_changes.push(match policy {
        Policy::Keep => "rows with other values stay unchanged and are reported".to_owned(),
        Policy::Overwrite => "rows with other values are overwritten, after each is saved to the undo file".to_owned(),
        Policy::Fail => "the run stops at the first row with other values".to_owned(),
    });
    preview.planned_changes.push(match bulk.open_journal(false).await {
        Ok(true) => "the run is recorded in the existing table ruminate_journal".to_owned(),
        Ok(false) => "the table ruminate_journal is created (unless --no-journal)".to_owned(),
        Err(e) => format!("cannot check for the journal: {e}"),
    });
}
