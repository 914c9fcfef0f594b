//! The program of the fan-out Lambda, which handles one event at a time.

use lambda_runtime::{Error, run, service_fn};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let filter = EnvFilter::try_from_env("RUMINATE_LOG").unwrap_or_else(|_| EnvFilter::new("warn,ruminate=info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_ansi(false).init();
    run(service_fn(ruminate_fanout::serve)).await
}
