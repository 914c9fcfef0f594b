//! Logs: one JSON object per line on stdout, with the request id in its `span`.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging at the level of `AWS_LAMBDA_LOG_LEVEL` (Lambda's setting for JSON logs) or INFO.
///
/// Dependencies log warnings only, because some write request contents at finer levels. A panic is logged as one line.
pub fn begin_logs(variable: impl Fn(&str) -> Option<String>) {
    let level = match variable("AWS_LAMBDA_LOG_LEVEL").map(|level| level.to_ascii_uppercase()).as_deref() {
        Some("TRACE") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    let ours = ["pipeline", "ruminate_lambda", "bootstrap", "retry"].map(|target| (target, level));
    // The runtime's span has the request id at any level. Its error messages duplicate the handler's log line.
    let runtime = [("lambda_runtime", LevelFilter::INFO), ("lambda_runtime::layers::panic", LevelFilter::OFF)];
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ours).with_targets(runtime);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false);
    let lines = lines.log_internal_errors(false); // otherwise the library panics if stdout is closed, which would end the handler
    // Logging can be started only once; an earlier test may have done so.
    let _ = tracing_subscriber::registry().with(filter).with(lines.with_writer(std::io::stdout)).try_init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}
