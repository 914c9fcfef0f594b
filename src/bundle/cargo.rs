//! Builds the bootstrap with cargo as a child process, or with cargo-zigbuild for another target.

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use serde::Deserialize;

use super::glibc::Glibc;
use super::{Arch, BuildOptions, Linker, Program, rustflags};
use crate::cancellation::CancellationToken;

/// Interval between two checks for cancellation.
const EVERY: Duration = Duration::from_millis(50);

/// Builds the Lambda from the workspace at `root` and returns the path of the program. Returns `None` after
/// cancellation, which also ends cargo.
///
/// # Errors
///
/// Returns an error if a tool is missing, flags would make the program specific to this machine, or the build failed.
/// Cargo has printed the reason to stderr.
pub(super) fn build(
    root: &Path,
    program: Program,
    build: &BuildOptions,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<PathBuf>> {
    let (package, binary) = (program.package(), program.binary());
    let (arch, linker) = (build.arch, build.linker());
    rustflags::check(root, arch.target())?;
    check_toolchain(root, arch, linker)?;
    let target = match linker {
        Linker::System => arch.target().to_owned(),
        Linker::Zig => format!("{}.{}", arch.target(), Glibc::LAMBDA),
    };
    let mut command = cargo(root, linker);
    command.args(["--profile", "lambda", "-p", package, "--bin", binary, "--target", &target, "--locked"]);
    command.arg("--message-format=json-render-diagnostics");
    if build.quiet {
        command.arg("--quiet");
    }
    // Otherwise aws-lc may collect jitter entropy on each cold start, for up to a second.
    command.env("AWS_LC_SYS_NO_JITTER_ENTROPY", "1");
    tracing::info!("building {package} for {target} in {}", root.display());
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| cannot_start("cargo", &e))?;
    match watch(&mut child, program, cancel)? {
        BuildResult::Stopped => Ok(None),
        BuildResult::Failed(status) => {
            bail!("cargo could not build {package} for {target} ({status}): see its output above")
        }
        BuildResult::Built(path) => Ok(Some(path)),
    }
}

/// Returns the command `cargo build` or `cargo zigbuild` in the workspace, without stdin.
fn cargo(root: &Path, linker: Linker) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).stdin(Stdio::null()).arg(match linker {
        Linker::System => "build",
        Linker::Zig => "zigbuild",
    });
    command
}

fn cannot_start(program: &str, e: &std::io::Error) -> anyhow::Error {
    match e.kind() {
        ErrorKind::NotFound => {
            anyhow!("{program} is not on the PATH: install Rust from https://rustup.rs, or pass --bootstrap FILE")
        }
        _ => anyhow!("cannot start {program}: {e}"),
    }
}

/// Checks that the build tools are installed, for better error messages than those of the build.
fn check_toolchain(root: &Path, arch: Arch, linker: Linker) -> anyhow::Result<()> {
    let target = arch.target();
    if linker == Linker::Zig {
        let help = cargo(root, linker).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !help.map_err(|e| cannot_start("cargo", &e))?.success() {
            bail!(
                "building for {arch} here takes cargo-zigbuild, which is not installed: run `pip install cargo-zigbuild` (it \
                brings zig) and `rustup target add {target}`, or give one built elsewhere by --bootstrap FILE"
            );
        }
    }
    // If rustc cannot print it, cargo will report the problem.
    let requested =
        Command::new("rustc").current_dir(root).args(["--print", "target-libdir", "--target", target]).output();
    let libraries = requested.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let missing = libraries.is_some_and(|path| !Path::new(String::from_utf8_lossy(&path).trim_end()).is_dir());
    ensure!(
        !missing,
        "Rust's library for {target} is not installed: run `rustup target add {target}` in {}",
        root.display()
    );
    Ok(())
}

/// Result of a build.
enum BuildResult {
    Built(PathBuf),
    Failed(ExitStatus),
    Stopped,
}

/// Waits for the end of a build, or ends it on cancellation.
///
/// In a terminal, Ctrl-C has reached all processes already. If only this process was signalled, cargo is killed. Its
/// remaining child processes end at their next write to the closed stdout.
fn watch(child: &mut Child, program: Program, cancel: &CancellationToken) -> anyhow::Result<BuildResult> {
    let programs = programs(child, program.binary());
    let mut built = None;
    let status = loop {
        if cancel.is_cancelled() {
            let _ = child.kill(); // it may have exited already
            child.wait().context("cargo")?;
            return Ok(BuildResult::Stopped);
        }
        match programs.recv_timeout(EVERY) {
            Ok(path) => built = Some(path),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => match child.try_wait().context("cargo")? {
                Some(status) => break status,
                None => std::thread::sleep(EVERY),
            },
        }
    };
    if status.success() {
        let path = built.with_context(|| {
            let (package, binary) = (program.package(), program.binary());
            format!("cargo built no binary {binary}: does {package} have a binary of this name?")
        });
        return path.map(BuildResult::Built);
    }
    std::thread::sleep(EVERY); // the Ctrl-C that ended cargo may not have been processed yet
    Ok(if cancel.is_cancelled() { BuildResult::Stopped } else { BuildResult::Failed(status) })
}

/// A message of cargo on stdout, one per line:
/// <https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages>.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        target: Target,
        executable: Option<PathBuf>,
    },
    BuildFinished,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Reads the child's stdout in a separate thread, and returns the paths of the programs built.
fn programs(child: &mut Child, binary: &'static str) -> Receiver<PathBuf> {
    let (sender, receiver) = channel();
    let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).split(b'\n'));
    std::thread::spawn(move || {
        for line in lines.into_iter().flatten().map_while(Result::ok) {
            match serde_json::from_slice(&line) {
                Ok(Message::CompilerArtifact { target, executable: Some(path) })
                    if target.name == binary && target.kind.iter().any(|kind| kind == "bin") =>
                {
                    let _ = sender.send(path); // after an interruption nothing receives
                }
                // A process that keeps stdout open after that is not part of the build.
                Ok(Message::BuildFinished) => return,
                Ok(_) => {}
                Err(_) => tracing::debug!("cargo: {}", String::from_utf8_lossy(&line)),
            }
        }
    });
    receiver
}
