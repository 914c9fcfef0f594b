//! `ruminate bundle`: the Lambda as a folder to deploy.

use std::path::PathBuf;

use super::Context;
use super::flags::a_path;
use crate::bundle::{self, Arch, Bootstrap, BuildOptions, BundleOptions};
use crate::generate::IfExists;
use crate::progress::Progress;
use crate::render::Rendered;

/// Builds the Lambda, checks that Lambda can run it, and writes a folder to deploy: zip, template, SQL, checksums, DEPLOY.md
///
/// The same program gives the same bytes. Refused, with the reason: a program that is no Lambda runtime or is for another
/// processor, one that needs other libraries than glibc's own or a newer glibc than 2.34, and a zip over 50 MB.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The processor: x86_64 or arm64 [default: the bootstrap's, else this machine's]
    #[arg(long, value_enum, value_name = "ARCH", hide_possible_values = true)]
    arch: Option<Arch>,
    /// A program that is built already
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "zigbuild"])]
    bootstrap: Option<PathBuf>,
    /// Where the Lambda's source is [default: this directory, or the nearest above it that has lambda/]
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// Build with cargo-zigbuild against glibc 2.34 even where this machine's linker would do
    #[arg(long)]
    zigbuild: bool,
    /// RDS's certificates, a PEM file, to go into the zip and be what the Lambda checks its database with
    #[arg(long, value_name = "FILE")]
    rds_ca: Option<PathBuf>,
    /// The folder
    #[arg(long, value_name = "DIR", default_value = "bundle", value_parser = a_path())]
    out: PathBuf,
    /// Replace files there that no bundle wrote, or that were changed since
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
    let order = BundleOptions { bootstrap, rds_ca: args.rds_ca, out: args.out, existing };
    let cancel = context.cancel.clone();
    let outcome = tokio::task::spawn_blocking(move || bundle::run(&order, &cancel)).await??;
    Ok(Rendered::of(&outcome))
}
