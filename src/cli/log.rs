//! Logs on stderr, above the progress bars, and the error message at the end of a run.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::{MakeWriter, format};

use super::global_flags::{GlobalFlags, LogFormat};
use crate::cancellation::Interrupted;
use crate::charset;
use crate::fleet::MissingShards;
use crate::outcome::Exit;
use crate::progress::Progress;
use pipeline::printable;

/// The operating system's code for a missing file (ENOENT, ERROR_FILE_NOT_FOUND).
const NO_SUCH_FILE: i32 = 2;

/// Starts logging as configured by the flags; `RUST_LOG` allows finer settings.
pub(super) fn begin(common: &GlobalFlags, progress: &Progress) {
    let level = match (common.quiet, common.verbose) {
        (true, _) => "error",
        (_, 0) => "error,progress=info,ruminate=info,pipeline=info,problem=warn",
        (_, 1) => "error,progress=info,ruminate=debug,pipeline=debug,problem=debug,retry=info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .fmt_fields(format::debug_fn(write_field).delimited(" "))
        .log_internal_errors(false) // a full or closed log must not end the run: the library would panic
        .with_writer(ProgressAwareWriter { progress: progress.clone(), json: common.log_format == LogFormat::Json })
        .with_ansi(has_colors());
    match common.log_format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().init(),
    }
}

/// Returns true if stderr is a terminal with color support, and colors are not disabled (https://no-color.org).
fn has_colors() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Prints why the program could not run: the chain of causes in one line on stderr. Only missing shards have a line each.
pub(super) fn fail(e: &anyhow::Error) -> Exit {
    if let Some(missing) = e.downcast_ref::<MissingShards>() {
        let message = missing.to_string();
        let message = printable::lines(&message);
        let _ = writeln!(io::stderr(), "error: {}", charset::shown(&message));
        return Exit::CouldNotRun;
    }
    let mut message = format!("{e:#}").replace('\n', " ");
    if message.ends_with(&io::Error::from_raw_os_error(NO_SUCH_FILE).to_string()) {
        message.push_str(": check the path");
    }
    let message = printable::line(&message);
    let message = charset::shown(&message);
    // If stderr is closed too, the error cannot be reported.
    let _ = writeln!(io::stderr(), "error: {message}");
    if e.is::<Interrupted>() { Exit::Stopped } else { Exit::CouldNotRun }
}

/// Writes a field of a log line: the message alone, others with their names. A value from data cannot end the line or
/// control the terminal.
fn write_field(writer: &mut format::Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    let text = printable::line(&text);
    match field.name() {
        "message" => write!(writer, "{text}"),
        name => write!(writer, "{name}={text}"),
    }
}

/// Writes complete lines while the progress bars are hidden.
#[derive(Debug, Clone)]
struct ProgressAwareWriter {
    progress: Progress,
    /// True if the lines are JSON, whose strings may contain control characters.
    json: bool,
}

impl<'a> MakeWriter<'a> for ProgressAwareWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for ProgressAwareWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = if self.json { printable::json(&text) } else { text };
        let shown = charset::shown(&text);
        self.progress.suspend(|| io::stderr().write_all(shown.as_bytes()))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
