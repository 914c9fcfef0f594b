//! `ruminate bundle`: creates a deployable directory for the Lambda.

use std::path::PathBuf;

use super::Context;
use super::flags::a_path;
use crate::bundle::{self, Arch, Bootstrap, BuildOptions, BundleOptions, Program};
use crate::generate::IfExists;
use crate::progress::Progress;
use crate::render::Rendered;

/// Build the Lambda, and write a directory to deploy
///
/// The directory has the zip, the template, SQL, checksums and DEPLOY.md.
///
/// Reproducible: the same binary gives the same bytes. Fails with a reason if the binary is not a Lambda runtime, targets
/// another architecture, needs libraries other than glibc's or a glibc newer than 2.34, or if the zip exceeds 50 MB.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Bundle the toolkit as a Lambda for shards of a run, with its state machine, instead of the streaming Lambda
    #[arg(long)]
    fanout: bool,
    /// Target architecture: x86_64 or arm64 [default: that of --bootstrap, otherwise the host's]
    #[arg(long, value_enum, value_name = "ARCH", hide_possible_values = true)]
    arch: Option<Arch>,
    /// Use this prebuilt bootstrap binary
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "zigbuild"])]
    bootstrap: Option<PathBuf>,
    /// Workspace to build [default: the nearest parent directory containing lambda/]
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// Always build with cargo-zigbuild against glibc 2.34
    #[arg(long)]
    zigbuild: bool,
    /// Certificate authorities (PEM) of the database, included in the zip [default: those of RDS]
    #[arg(long, value_name = "FILE")]
    rds_ca: Option<PathBuf>,
    /// Output directory
    #[arg(long, value_name = "DIR", default_value = "bundle", value_parser = a_path())]
    out: PathBuf,
    /// Overwrite files not written by an earlier bundle, or modified since
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Rendered> {
    let bootstrap = match args.bootstrap {
        Some(path) => Bootstrap::File { path, arch: args.arch },
        None => Bootstrap::Source(BuildOptions {
            source: args.source,
            arch: args.arch.unwrap_or_else(Arch::host),
            zigbuild: args.zigbuild,
            quiet: matches!(context.progress, Progress::Silent),
        }),
    };
    let existing = if args.force { IfExists::Replace } else { IfExists::Fail };
    let program = if args.fanout { Program::Fanout } else { Program::Intake };
    let order = BundleOptions { program, bootstrap, rds_ca: args.rds_ca, out: args.out, existing };
    let cancel = context.cancel.clone();
    let outcome = tokio::task::spawn_blocking(move || bundle::run(&order, &cancel)).await??;
    Ok(Rendered::of(&outcome))
}
