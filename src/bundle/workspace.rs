//! Location of the Lambda's source: a workspace with the package `ruminate-lambda` in its directory `lambda`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use toml::Table;

/// Name of the Lambda's package.
pub(super) const PACKAGE: &str = "ruminate-lambda";

/// Returns the root of the workspace: `named` if given, or else the current directory or its nearest ancestor with a
/// workspace.
///
/// # Errors
///
/// Returns an error if no workspace is found or a manifest cannot be read.
pub(super) fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(root) = named {
        if is_root(root)? {
            return Ok(root.to_owned());
        }
        bail!(
            "--source {}: no workspace with the package {PACKAGE} in lambda/: pass a checkout of ruminate",
            root.display()
        );
    }
    let here = std::env::current_dir().context("the current directory")?;
    for root in here.ancestors() {
        if is_root(root)? {
            return Ok(root.to_owned());
        }
    }
    bail!(
        "the Lambda's source was not found: run this in a checkout of ruminate, or pass --source DIR or --bootstrap FILE"
    )
}

fn is_root(directory: &Path) -> anyhow::Result<bool> {
    let workspace = manifest(&directory.join("Cargo.toml"))?.is_some_and(|table| table.contains_key("workspace"));
    Ok(workspace && manifest(&directory.join("lambda/Cargo.toml"))?.is_some_and(|table| is_named(&table, PACKAGE)))
}

fn is_named(manifest: &Table, name: &str) -> bool {
    manifest.get("package").and_then(|package| package.get("name")).and_then(|value| value.as_str()) == Some(name)
}

fn manifest(path: &Path) -> anyhow::Result<Option<Table>> {
    // Anything other than a file, such as a directory of that name, is not a manifest.
    if !path.is_file() {
        return Ok(None);
    }
    let name = || path.display().to_string();
    Ok(Some(fs::read_to_string(path).with_context(name)?.parse().with_context(name)?))
}
