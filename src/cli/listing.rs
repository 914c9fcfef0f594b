//! Source of the lake's listings: LIST, or an S3 Inventory.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use chrono::Utc;
use clap::Args;

use super::flags::LakeFlags;
use super::sort_flags::SortFlags;
use crate::inventory::{self, InventoryInfo, InventorySource};
use pipeline::lake::{Lake, LakeUrl};

/// Source of the lake's listings.
#[derive(Debug, Clone, Args)]
pub(super) struct ListingFlags {
    /// List from an S3 Inventory (CSV or Parquet) instead of LIST: inventory:s3://bucket/.../manifest.json
    ///
    /// The last days before the inventory, and everything after it, are still listed. Objects of older days that were
    /// written or deleted after the inventory are not detected.
    #[arg(long, value_name = "SOURCE")]
    pub listing: Option<ListingSource>,
}

/// The manifest of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListingSource {
    bucket: String,
    manifest: String,
}

impl FromStr for ListingSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write inventory:s3://bucket/path/manifest.json";
        let url =
            text.trim().strip_prefix("inventory:").ok_or_else(|| format!("{text:?} is not an inventory: {FORM}"))?;
        match url.parse::<LakeUrl>()?.bucket_and_prefix() {
            Some((bucket, key)) if key.ends_with(".json") => Ok(Self { bucket: bucket.into(), manifest: key.into() }),
            _ => Err(format!("{text:?} is not the address of a manifest: {FORM}")),
        }
    }
}

impl ListingFlags {
    /// Returns the lake with the listings of the inventory, and the inventory; without one, the lake itself.
    pub(super) async fn apply(
        &self,
        lake: Arc<dyn Lake>,
        flags: &LakeFlags,
        sort: &SortFlags,
    ) -> anyhow::Result<(Arc<dyn Lake>, Option<InventoryInfo>)> {
        let Some(source) = &self.listing else { return Ok((lake, None)) };
        let Some((bucket, prefix)) = flags.lake.bucket_and_prefix() else {
            bail!("--listing is for a lake in S3: only S3 has inventories");
        };
        let store = LakeUrl::S3 { bucket: source.bucket.clone(), prefix: String::new() };
        let settings = sort.settings();
        let source = InventorySource {
            store: LakeFlags { lake: store, ..flags.clone() }.open().await?,
            manifest: source.manifest.clone(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            memory: settings.memory,
            dir: settings.dir,
        };
        let opened = inventory::open(lake, source, Utc::now()).await;
        let (lake, info) = opened.map_err(|e| anyhow!(e).context("--listing cannot be used"))?;
        Ok((lake, Some(info)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_in_s3_is_named() {
        let source: ListingSource = "inventory:s3://store/a/b/2026-11-22T01-00Z/manifest.json".parse().unwrap();
        assert_eq!((&*source.bucket, &*source.manifest), ("store", "a/b/2026-11-22T01-00Z/manifest.json"));
        for text in ["s3://b/manifest.json", "inventory:/tmp/manifest.json", "inventory:s3://b/x", "inventory:", ""] {
            assert!(text.parse::<ListingSource>().unwrap_err().contains("write"), "{text}");
        }
    }
}
