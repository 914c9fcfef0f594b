//! Metrics as CloudWatch takes them from a log line: the embedded metric format, one line an event.
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

/// Counts of an event's messages, and how long the stores took; also the answer to SNS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Messages in the event; the sum of the next five.
    pub messages: u64,
    /// New in a store.
    pub processed: u64,
    /// There before.
    pub duplicates: u64,
    /// Kept in the quarantine.
    pub quarantined: u64,
    /// In the lake, and refused by the table.
    pub refused: u64,
    /// To come again.
    pub failed: u64,
    /// Of the duplicates: rows that hold other values.
    pub conflicting: u64,
    /// Milliseconds that the lake took.
    pub lake_ms: f64,
    /// Milliseconds that the warehouse took.
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
            MessageOutcome::RowRefused => &mut self.refused,
            MessageOutcome::Failed => &mut self.failed,
        } += 1;
    }

    /// Notes what the stores took.
    pub fn record_times(&mut self, lake: Duration, warehouse: Duration) {
        (self.lake_ms, self.warehouse_ms) = (milliseconds(lake), milliseconds(warehouse));
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Where lines of metrics go.
type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// Writes the metrics of a function.
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
    /// Metrics to stdout, where Lambda reads them.
    pub fn new(function: String) -> Self {
        Self { function, sink: Box::new(to_stdout) }
    }

    /// The same to somewhere else.
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
        assert_eq!(metrics.len(), 9);
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
