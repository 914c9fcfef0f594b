//! Logs: one JSON object a line on stdout, the request's id in its `span`.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins to log, at the level of `AWS_LAMBDA_LOG_LEVEL` (Lambda's own setting for JSON logs) or INFO.
///
/// Libraries below log warnings only: at finer levels some of them write requests with what is in them. A panic is a line
/// like any other.
pub fn begin_logs(variable: impl Fn(&str) -> Option<String>) {
    let level = match variable("AWS_LAMBDA_LOG_LEVEL").map(|level| level.to_ascii_uppercase()).as_deref() {
        Some("TRACE") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    let ours = ["pipeline", "ruminate_lambda", "bootstrap", "retry"].map(|target| (target, level));
    // The runtime's span has the request's id, at whatever level; what it says of an error is in our line already.
    let runtime = [("lambda_runtime", LevelFilter::INFO), ("lambda_runtime::layers::panic", LevelFilter::OFF)];
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ours).with_targets(runtime);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false);
    let lines = lines.log_internal_errors(false); // a log that is closed must not end the handler: the library would panic
    // Logging begins once; a test that began before has it already.
    let _ = tracing_subscriber::registry().with(filter).with(lines.with_writer(std::io::stdout)).try_init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}
