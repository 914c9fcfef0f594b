//! Prices of SNS; the quota is what the ARN shows by itself.

use super::super::arn::Arn;
use super::super::terms::Terms;
use super::LIMITS;

/// Payload that is billed as one request, bytes (Amazon SNS pricing: "each 64 KB chunk is billed as 1 request").
const CHUNK_BYTES: f64 = 65_536.0;
/// List price of a million API requests, US dollars (Amazon SNS pricing, standard topics, after the first million a month).
const PRICE: f64 = 0.50;
/// The same of FIFO topics, and of a gigabyte of payload published to them (Amazon SNS pricing, FIFO topics).
const FIFO_PRICE: (f64, f64) = (0.30, 0.017);

/// The terms of a topic.
pub(in super::super) fn terms(arn: &Arn) -> Terms {
    let is_fifo = arn.is_fifo();
    let (per_million, per_gigabyte) = if is_fifo { FIFO_PRICE } else { (PRICE, 0.0) };
    Terms {
        granted_to: if is_fifo { "a message group".into() } else { arn.region().into() },
        region: arn.region().into(),
        quota: arn.quota(),
        keeps_order: is_fifo,
        per_call: LIMITS.entries as f64,
        chunk_bytes: CHUNK_BYTES,
        per_million,
        per_gigabyte,
        endpoint_variable: super::ENDPOINT_VARIABLE,
    }
}
