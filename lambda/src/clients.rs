//! State of a sandbox between events.

use std::sync::Arc;

use pipeline::intake::Intake;
use pipeline::lake::Lake;
use pipeline::warehouse::Warehouse;

use crate::Settings;
use crate::metrics::Metrics;

/// The intake into both stores, and the metrics. Built once, before the first event, without connecting.
#[derive(Debug)]
pub struct Clients {
    pub(crate) intake: Intake,
    pub(crate) metrics: Metrics,
}

impl Clients {
    /// Creates the intake for a lake and a warehouse, with the rules of the settings.
    pub fn new(lake: Arc<dyn Lake>, warehouse: Arc<dyn Warehouse>, settings: &Settings) -> Self {
        let metrics = Metrics::new(settings.function.clone());
        Self { intake: Intake::new(lake, warehouse, settings.rules), metrics }
    }

    /// Sends the metrics lines to `sink` instead of stdout.
    #[must_use]
    pub fn with_metrics(self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { metrics: self.metrics.to(sink), ..self }
    }
}
