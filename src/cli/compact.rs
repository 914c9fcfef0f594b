//! `ruminate compact`: writes the lake as Parquet parts next to it.

use super::Context;
use super::flags::{LakeFlags, SpanFlags, read_concurrency};
use super::write_flags::EncryptionFlags;
use crate::compact::{self, Bodies, Compaction, OnDeleted, Verification};
use crate::render::Rendered;

/// Write the lake as Parquet parts next to it, incrementally
///
/// One file per farm and month. `replay` and `reconcile` read parts instead of objects if the listing shows that the
/// objects have not changed; Athena, Spark, Trino and DuckDB read them as a table. Objects are never changed. Months are
/// never divided: --from and --to are extended to whole months.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    span: SpanFlags,
    /// Show what would be read and written, without doing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    parts: CompactFlags,
    #[command(flatten)]
    encryption: EncryptionFlags,
    /// Concurrent object reads [default: 256; 64 for a directory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    concurrency: Option<u32>,
}

/// Flags about the content and the verification of parts.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct CompactFlags {
    /// Read every part back, and compare a sample of its objects
    #[arg(long)]
    verify: bool,
    /// Also compare every body with its ETag, if that is an MD5
    #[arg(long)]
    deep: bool,
    /// Keep only the fields that are not columns instead of the original objects, which then cannot be restored
    #[arg(long)]
    without_bodies: bool,
    /// Drop the rows of objects that no longer exist; without it, such parts are left as they are
    #[arg(long)]
    drop_deleted: bool,
}

impl CompactFlags {
    /// Returns what is kept of the original objects.
    pub(super) fn bodies(&self) -> Bodies {
        if self.without_bodies { Bodies::ExtraFields } else { Bodies::Keep }
    }

    /// Returns how parts are verified.
    pub(super) fn verification(&self) -> Verification {
        match (self.deep, self.verify) {
            (true, _) => Verification::Deep,
            (false, true) => Verification::Sample,
            (false, false) => Verification::None,
        }
    }

    /// Returns what to do with rows of objects that no longer exist.
    pub(super) fn on_deleted(&self) -> OnDeleted {
        if self.drop_deleted { OnDeleted::Drop } else { OnDeleted::Hold }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let lake = args.lake.open_for(args.encryption.options()?).await?;
    let compaction = Compaction {
        reads: read_concurrency(args.concurrency, lake.read_hints()),
        span: args.span.span()?,
        bodies: args.parts.bodies(),
        verification: args.parts.verification(),
        on_deleted: args.parts.on_deleted(),
        dry_run: args.dry_run,
        allow_empty: args.span.allow_empty,
        ..Compaction::of(lake)
    };
    Ok(Rendered::of(&compact::run(&compaction, &context.progress, &context.cancel).await?))
}
