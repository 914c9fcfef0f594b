//! The Lambda's entry point: settings from the environment, clients once, then one event after another.

use std::process::ExitCode;

use ruminate_lambda::{Clients, Settings, begin_logs, serve};

/// The crates in this program, which `ruminate bundle` reads from it: a line with this package's version, a line for each
/// crate (build.rs), and an empty line.
static DEPENDENCIES: &str = concat!(
    "ruminate-lambda dependencies, format 1, version ",
    env!("CARGO_PKG_VERSION"),
    "\n",
    include_str!(concat!(env!("OUT_DIR"), "/dependencies.txt")),
    "\n"
);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    std::hint::black_box(DEPENDENCIES); // prevents the linker from removing it
    let variable = |name: &str| std::env::var(name).ok();
    begin_logs(variable);
    let ran = async {
        let settings = Settings::from_variables(variable)?;
        let aws = pipeline::aws::config(pipeline::retry::TimeoutProfile::Streaming).await?;
        let clients = Clients::new(settings.lake(&aws), settings.warehouse(&aws)?, &settings);
        serve(clients).await
    };
    match ran.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!("cannot run: {e}");
            ExitCode::FAILURE
        }
    }
}
