//! CloudWatch metrics in a log line: the embedded metric format, one line per event.
//!
//! Namespace `ruminate`, dimension `function`. The format is that of «Specification: Embedded metric format»,
//! CloudWatch User Guide.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pipeline::intake::MessageOutcome;
use serde::Serialize;
use serde_json::{Value, json};

/// Counts of an event's messages and the time spent on the stores; also the response to SNS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Messages in the event; the sum of the next 5 fields.
    pub messages: u64,
    /// Messages that wrote an object or a row.
    pub processed: u64,
    /// Messages already in both stores.
    pub duplicates: u64,
    /// Messages stored in the quarantine.
    pub quarantined: u64,
    /// Messages in the lake whose row the table rejected.
    pub rows_refused: u64,
    /// Messages to be redelivered.
    pub failed: u64,
    /// Messages whose row has other values.
    pub conflicting: u64,
    /// Messages whose object exists and cannot be read.
    pub unverifiable: u64,
    /// Time spent on the lake, in milliseconds.
    pub lake_ms: f64,
    /// Time spent on the warehouse, in milliseconds.
    pub warehouse_ms: f64,
}

impl Counts {
    /// Counts one message.
    pub fn count(&mut self, outcome: MessageOutcome) {
        self.messages += 1;
        *match outcome {
            MessageOutcome::Processed => &mut self.processed,
            MessageOutcome::Duplicate => &mut self.duplicates,
            MessageOutcome::Quarantined => &mut self.quarantined,
            MessageOutcome::RowRefused => &mut self.rows_refused,
            MessageOutcome::Failed => &mut self.failed,
        } += 1;
    }

    /// Records the time spent on the stores.
    pub fn record_times(&mut self, lake: Duration, warehouse: Duration) {
        (self.lake_ms, self.warehouse_ms) = (milliseconds(lake), milliseconds(warehouse));
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Destination of the metrics lines.
type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// Writer of a function's metrics.
pub struct Metrics {
    function: String,
    sink: Sink,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("function", &self.function).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Creates metrics that are written to stdout, where Lambda reads them.
    pub fn new(function: String) -> Self {
        Self { function, sink: Box::new(to_stdout) }
    }

    /// Writes the metrics to another destination.
    pub fn to(self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { sink: Box::new(sink), ..self }
    }

    /// Writes the line of one event.
    pub fn write(&self, request: &str, counts: &Counts, at: DateTime<Utc>) {
        (self.sink)(&self.line(request, counts, at).to_string());
    }

    fn line(&self, request: &str, counts: &Counts, at: DateTime<Utc>) -> Value {
        let mut line = serde_json::to_value(counts).unwrap_or_default();
        let unit = |name: &str| if name.ends_with("_ms") { "Milliseconds" } else { "Count" };
        let names: Vec<String> = line.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
        let metrics: Vec<Value> = names.iter().map(|name| json!({"Name": name, "Unit": unit(name)})).collect();
        line["_aws"] = json!({
            "Timestamp": at.timestamp_millis(),
            "CloudWatchMetrics": [{"Namespace": "ruminate", "Dimensions": [["function"]], "Metrics": metrics}],
        });
        line["function"] = json!(self.function);
        line["requestId"] = json!(request);
        line
    }
}

fn to_stdout(line: &str) {
    if let Err(e) = std::io::stdout().write_all(format!("{line}\n").as_bytes()) {
        tracing::warn!("the metrics of this event are lost: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_each_metric_that_it_holds() {
        let mut counts = Counts::default();
        for outcome in
            [MessageOutcome::Processed, MessageOutcome::Failed, MessageOutcome::Quarantined, MessageOutcome::Processed]
        {
            counts.count(outcome);
        }
        counts.record_times(Duration::from_micros(12_345), Duration::ZERO);
        let line =
            Metrics::new("f".into()).line("r-1", &counts, DateTime::from_timestamp_millis(1_700_000_000_123).unwrap());
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            (&line["_aws"]["Timestamp"], &directive["Dimensions"]),
            (&json!(1_700_000_000_123_i64), &json!([["function"]]))
        );
        let metrics = directive["Metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), 10);
        for metric in metrics {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        let of = |name: &str| line[name].as_f64().unwrap();
        assert_eq!(
            ["messages", "processed", "failed", "lake_ms", "warehouse_ms"].map(of),
            [4.0, 2.0, 1.0, 12.345, 0.0]
        );
        assert_eq!((&line["function"], &line["requestId"]), (&json!("f"), &json!("r-1")));
    }
}
