//! The bootstrap with a lake that panics if a message requests it, for the test that the process survives.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;

use ruminate_lambda::{Clients, Settings, begin_logs, serve};
use testkit::faulty_lake::Faulty;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let variable = |name: &str| std::env::var(name).ok();
    begin_logs(variable);
    let settings = Settings::from_variables(variable).unwrap();
    let aws = pipeline::aws::config(pipeline::retry::TimeoutProfile::Streaming).await.unwrap();
    let lake = Arc::new(Faulty(settings.lake(&aws)));
    serve(Clients::new(lake, settings.warehouse(&aws).unwrap(), &settings)).await.unwrap();
}
