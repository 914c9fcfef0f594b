//! The program: parse, run, print, exit code. All of it is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(ruminate::cli::main().code())
}
