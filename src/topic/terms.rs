//! Quota and list prices of a topic service, for warnings and estimates before a run.

/// Quota and prices of a topic service. A topic in this process has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// What the quota applies to, as text: the region, or a message group.
    pub granted_to: String,
    /// The region.
    pub region: String,
    /// Default quota in messages per second; `None` if the service has none.
    pub quota: Option<u32>,
    /// Whether messages of a group keep their order; the quota then applies per group.
    pub keeps_order: bool,
    /// Maximum messages per call.
    pub per_call: f64,
    /// Payload billed as one request, in bytes.
    pub chunk_bytes: f64,
    /// List price per million requests, in US dollars.
    pub per_million: f64,
    /// List price per gigabyte of payload, in US dollars.
    pub per_gigabyte: f64,
    /// Name of the service in settings, such as its endpoint.
    pub service: &'static str,
}
