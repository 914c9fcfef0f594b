//! Prices of SNS. The quota follows from the ARN.

use super::super::terms::Terms;
use super::{LIMITS, SnsArn};

/// Payload billed as one request, in bytes (Amazon SNS pricing: "each 64 KB chunk is billed as 1 request").
const CHUNK_BYTES: f64 = 65_536.0;
/// List price per million API requests, in US dollars (Amazon SNS pricing, standard topics, after the first million per
/// month).
const PRICE: f64 = 0.50;
/// List price per million requests and per gigabyte of payload for FIFO topics, in US dollars (Amazon SNS pricing, FIFO
/// topics).
const FIFO_PRICE: (f64, f64) = (0.30, 0.017);

/// Returns quota and prices of a topic.
pub(in super::super) fn terms(arn: &SnsArn) -> Terms {
    let is_fifo = arn.is_fifo();
    let (per_million, per_gigabyte) = if is_fifo { FIFO_PRICE } else { (PRICE, 0.0) };
    Terms {
        granted_to: if is_fifo { "a message group".into() } else { arn.region().into() },
        region: arn.region().into(),
        quota: Some(arn.quota()),
        keeps_order: is_fifo,
        per_call: LIMITS.entries as f64,
        chunk_bytes: CHUNK_BYTES,
        per_million,
        per_gigabyte,
        service: super::SERVICE,
    }
}
