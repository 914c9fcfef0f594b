//! Quota and list prices of a topic that is a service: what a run is warned of, and estimated by, before it starts.

/// What a service takes and costs. A topic in this process has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Who grants the quota, for people: the region, or a message group.
    pub granted_to: String,
    /// The region.
    pub region: String,
    /// Messages per second, unless the account's quota was raised.
    pub quota: u32,
    /// Whether messages of a group keep their order; the quota is then one of each group.
    pub keeps_order: bool,
    /// Messages per call at most.
    pub per_call: f64,
    /// Payload that is billed as one request, bytes.
    pub chunk_bytes: f64,
    /// List price of a million requests, US dollars.
    pub per_million: f64,
    /// List price of a gigabyte of payload, US dollars.
    pub per_gigabyte: f64,
    /// The variable that names another endpoint.
    pub endpoint_variable: &'static str,
}
