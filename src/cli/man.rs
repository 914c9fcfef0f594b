//! `ruminate man`: prints or writes manual pages.

use std::path::PathBuf;

use anyhow::Context as _;

use super::flags::a_path;
use crate::render::Rendered;

/// Print the man page, or write one page per command
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write ruminate.1 and one page per command to this directory
    #[arg(long, value_name = "DIR", value_parser = a_path())]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Rendered> {
    let command = super::command();
    let Some(dir) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return Ok(Rendered::verbatim(String::from_utf8_lossy(&page).into_owned()));
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write to {}", dir.display()))?;
    Ok(Rendered::nothing())
}
