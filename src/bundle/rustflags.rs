//! Compiler flags that cargo takes from outside the workspace's manifests, and whether they suit a program for Lambda.
//!
//! Only `target-cpu=native` is rejected: it makes the program specific to the processor that compiles it. Other flags
//! are left to the user.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use toml::{Table, Value};

const NATIVE: &str = "target-cpu=native";

/// Checks the flags in the environment and in cargo's configuration for a build in that directory.
///
/// # Errors
///
/// Returns an error if the program would be specific to this machine's processor.
pub(super) fn check(root: &Path, target: &str) -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(found) = native(target, variable, || configurations(root, variable)) else { return Ok(()) };
    let why = format!("{NATIVE}, which builds for this machine's processor and may fail with SIGILL on Lambda's");
    match found {
        FlagSource::Variable(name) => bail!("{name} has {why}: remove it"),
        FlagSource::File(path) => bail!(
            "{} has {why}: remove it, or set RUSTFLAGS= (empty), which overrides the flags of that file",
            path.display()
        ),
    }
}

/// Source of a flag.
#[derive(Debug, PartialEq, Eq)]
enum FlagSource {
    Variable(String),
    File(PathBuf),
}

/// Returns where cargo would take the flag from, in its order of precedence
/// (<https://doc.rust-lang.org/cargo/reference/config.html#buildrustflags>). Each of the first two variables overrides
/// all other flags. `None` if the flag is not set.
fn native(
    target: &str,
    variable: impl Fn(&str) -> Option<String>,
    files: impl FnOnce() -> Vec<(PathBuf, Table)>,
) -> Option<FlagSource> {
    for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"] {
        if let Some(flags) = variable(name) {
            return is_native(&flags).then(|| FlagSource::Variable(name.into()));
        }
    }
    let of_target = format!("CARGO_TARGET_{}_RUSTFLAGS", target.to_uppercase().replace('-', "_"));
    for name in [of_target, "CARGO_BUILD_RUSTFLAGS".into()] {
        if variable(&name).is_some_and(|flags| is_native(&flags)) {
            return Some(FlagSource::Variable(name));
        }
    }
    files().into_iter().find(|(_, config)| has_native(config, target)).map(|(path, _)| FlagSource::File(path))
}

/// Returns true if flags contain [`NATIVE`]; rustc accepts `_` for `-` in the names of its options.
fn is_native(flags: &str) -> bool {
    flags.replace('_', "-").contains(NATIVE)
}

/// Returns true if a configuration has the flag for all targets, for this one, or for any `cfg(…)`, which is not
/// evaluated here.
fn has_native(config: &Table, target: &str) -> bool {
    let targets = config.get("target").and_then(Value::as_table).into_iter().flatten();
    let of_target = targets.filter(|(name, _)| *name == target || name.starts_with("cfg(")).map(|(_, its)| its);
    config.get("build").into_iter().chain(of_target).filter_map(|its| its.get("rustflags")).any(|flags| match flags {
        Value::String(flags) => is_native(flags),
        Value::Array(flags) => flags.iter().filter_map(Value::as_str).any(is_native),
        _ => false,
    })
}

/// Returns cargo's configuration files for a directory: in it and its ancestors, then the user's. Invalid TOML is
/// skipped, because cargo reports it.
fn configurations(root: &Path, variable: impl Fn(&str) -> Option<String>) -> Vec<(PathBuf, Table)> {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let user =
        variable("CARGO_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cargo")));
    let folders = root.ancestors().map(|above| above.join(".cargo")).chain(user);
    let paths = folders.flat_map(|dir| ["config", "config.toml"].map(|name| dir.join(name)));
    let read = |path: PathBuf| fs::read_to_string(&path).ok()?.parse().ok().map(|config| (path, config));
    paths.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "x86_64-unknown-linux-gnu";

    fn found(variables: &[(&str, &str)], config: &str) -> Option<FlagSource> {
        let variable = |name: &str| Some((*variables.iter().find(|(known, _)| *known == name)?.1).to_owned());
        native(TARGET, variable, || vec![("config.toml".into(), config.parse().unwrap())])
    }

    #[test]
    fn the_flag_is_found_in_every_place_that_cargo_reads() {
        for (name, flags) in [
            ("RUSTFLAGS", "-C opt-level=3 -C target-cpu=native"),
            ("CARGO_ENCODED_RUSTFLAGS", "-C\u{1f}target-cpu=native"),
            ("CARGO_BUILD_RUSTFLAGS", "-Ctarget_cpu=native"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "--codegen target-cpu=native"),
        ] {
            assert_eq!(found(&[(name, flags)], ""), Some(FlagSource::Variable(name.into())));
        }
        for config in [
            "build.rustflags = '-C target-cpu=native'",
            "build.rustflags = ['-C', 'target-cpu=native']",
            "target.x86_64-unknown-linux-gnu.rustflags = ['-Ctarget-cpu=native']",
            "[target.'cfg(target_os = \"linux\")']\nrustflags = '-Ctarget-cpu=native'",
        ] {
            assert_eq!(found(&[], config), Some(FlagSource::File("config.toml".into())), "{config}");
        }
    }

    #[test]
    fn overridden_and_other_flags_are_accepted() {
        let native = "build.rustflags = '-C target-cpu=native'";
        for variables in [
            &[("RUSTFLAGS", "")][..],
            &[("RUSTFLAGS", "-C target-cpu=x86-64-v2")],
            &[("CARGO_ENCODED_RUSTFLAGS", ""), ("RUSTFLAGS", "-C target-cpu=native")],
            &[("RUSTFLAGS", "-C debuginfo=0"), ("CARGO_BUILD_RUSTFLAGS", "-C target-cpu=native")],
        ] {
            assert_eq!(found(variables, native), None, "{variables:?}");
        }
        for config in [
            "",
            "build.target = 'native'",
            "build.rustflags = 1",
            "target.aarch64-unknown-linux-gnu.rustflags = '-C target-cpu=native'",
            "target = 'x'",
        ] {
            assert_eq!(found(&[], config), None, "{config}");
        }
    }
}
