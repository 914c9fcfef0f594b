//! What a sandbox holds on to between events.

use std::sync::Arc;

use pipeline::intake::Intake;
use pipeline::lake::Lake;
use pipeline::warehouse::Warehouse;

use crate::Settings;
use crate::metrics::Metrics;

/// The intake into both stores, and where metrics go. Built once, before the first event, without connecting.
#[derive(Debug)]
pub struct Clients {
    pub(crate) intake: Intake,
    pub(crate) metrics: Metrics,
}

impl Clients {
    /// The intake into that lake and warehouse, by the settings' rules.
    pub fn new(lake: Arc<dyn Lake>, warehouse: Arc<dyn Warehouse>, settings: &Settings) -> Self {
        let metrics = Metrics::new(settings.function.clone());
        Self { intake: Intake::new(lake, warehouse, settings.rules), metrics }
    }

    /// The same, with the metrics' lines given to `sink` and not to stdout.
    #[must_use]
    pub fn with_metrics(self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { metrics: self.metrics.to(sink), ..self }
    }
}
