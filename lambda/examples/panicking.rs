//! The bootstrap with a lake that panics if a message requests it, for the test that the process survives.
#![allow(missing_docs, reason = "a program for a test")]

use std::sync::Arc;

use ruminate_lambda::{Clients, Settings, begin_logs, serve};
use testkit::faulty_lake::Faulty;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let variable = |name: &str| std::env::var(name).ok();
    begin_logs(variable);
    let settings = Settings::from_variables(variable)?;
    let aws = pipeline::aws::config(pipeline::retry::TimeoutProfile::Streaming).await?;
    let lake = Arc::new(Faulty(settings.lake(&aws)));
    serve(Clients::new(lake, settings.warehouse(&aws)?, &settings)).await?;
    Ok(())
}
