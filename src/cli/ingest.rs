//! Opens the lake of a command that ingests readings, and protects against a second lake: with a mistyped address, the
//! readings of one warehouse would be in two lakes.

use std::sync::Arc;

use anyhow::bail;
use futures::StreamExt as _;

use super::flags::LakeFlags;
use super::write_flags::WriteFlags;
use pipeline::lake::dir::Dir;
use pipeline::lake::{Depth, Lake, LakeUrl};
use pipeline::warehouse::{BulkWarehouse, IdRange};

/// Flag that accepts an empty lake although the warehouse has rows.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct NewLakeFlags {
    /// Accept an empty or missing lake although the warehouse has rows
    ///
    /// Without it that is an error (exit 2), because the lake is usually mistyped.
    #[arg(long)]
    pub allow_empty: bool,
}

/// Opens a lake for writing next to a warehouse: a directory is created, a bucket must exist.
pub(super) async fn open_lake_to_write(
    flags: &LakeFlags,
    writes: &WriteFlags,
    warehouse: &dyn BulkWarehouse,
    new: NewLakeFlags,
) -> anyhow::Result<Arc<dyn Lake>> {
    if flags.lake.local_dir().is_some_and(|path| path.exists() && !path.is_dir()) {
        bail!("lake \"{}\" is a file, not a directory: check --lake", flags.lake);
    }
    let lake = flags.open_for(writes.options()?).await?;
    if !new.allow_empty {
        refuse_second_lake(&flags.lake, &*lake, warehouse).await?;
    }
    if let Some(path) = flags.lake.local_dir() {
        Dir::new(path).create()?;
    }
    lake.clock().await?;
    writes.demand(&*lake, |conditions| conditions.create).await?;
    Ok(lake)
}

/// Returns an error if the lake is empty or missing, and the warehouse has rows.
async fn refuse_second_lake(url: &LakeUrl, lake: &dyn Lake, warehouse: &dyn BulkWarehouse) -> anyhow::Result<()> {
    let is_missing = url.local_dir().is_some_and(|path| !path.exists());
    if !is_missing {
        let page = lake.list("", Depth::OneLevel, None).await?;
        if !page.objects.is_empty() || !page.folders.is_empty() || page.next.is_some() {
            return Ok(());
        }
    }
    if has_rows(warehouse).await? {
        let what = if is_missing { "does not exist" } else { "is empty" };
        bail!(
            "lake \"{url}\" {what}, and the warehouse {} has rows: check --lake; to start a new lake for this warehouse, add \
             --allow-empty",
            warehouse.address()
        );
    }
    Ok(())
}

async fn has_rows(warehouse: &dyn BulkWarehouse) -> anyhow::Result<bool> {
    let schema = warehouse.table_schema().await?;
    let mut snapshot = warehouse.snapshot(&schema).await?;
    let mut pages = snapshot.scan(IdRange::default(), 1, 1, &[]);
    Ok(pages.next().await.transpose()?.is_some_and(|page| !page.is_empty()))
}
