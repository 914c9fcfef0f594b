//! Retry policies: by kind of error, with exponential backoff.
//!
//! Only for operations that are safe to repeat: reads, writes that cannot overwrite, idempotent statements.

use std::fmt;
use std::time::Duration;

use crate::error::Kind;

/// Timeout profile of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutProfile {
    /// Long timeouts, for bulk jobs with a waiting user.
    Bulk,
    /// Short timeouts, for a few messages before a deadline and connections that may have died unnoticed.
    Streaming,
}

/// Number of attempts and the backoff between them.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Maximum number of attempts, at least 1.
    pub max_attempts: u32,
    /// Backoff after the first failure; doubles with each further failure.
    pub initial_backoff: Duration,
    /// Maximum backoff.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    /// Returns a policy with 8 attempts over about 10 seconds.
    fn default() -> Self {
        Self { max_attempts: 8, initial_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5) }
    }
}

impl RetryPolicy {
    /// Policy without retries.
    pub const NO_RETRY: Self = Self { max_attempts: 1, initial_backoff: Duration::ZERO, max_backoff: Duration::ZERO };

    /// Runs `operation` (with the attempt number, from 0) until it succeeds, fails permanently, or attempts run out.
    ///
    /// # Errors
    /// Returns the last failure.
    pub async fn run<T, E, F>(self, kind: impl Fn(&E) -> Kind, operation: impl FnMut(u32) -> F) -> Result<T, E>
    where
        E: fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        self.run_with_backoff(kind, |_, attempt| self.backoff(attempt), operation).await
    }

    /// Runs `operation` like [`run`](Self::run), with a backoff that the caller computes from the failure and the
    /// number of the failed attempt.
    ///
    /// # Errors
    /// Returns the last failure.
    pub async fn run_with_backoff<T, E, F>(
        self,
        kind: impl Fn(&E) -> Kind,
        pause: impl Fn(&E, u32) -> Duration,
        mut operation: impl FnMut(u32) -> F,
    ) -> Result<T, E>
    where
        E: fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let mut attempt = 0;
        loop {
            match operation(attempt).await {
                Err(e) if kind(&e).is_transient() && attempt + 1 < self.max_attempts => {
                    tracing::info!(target: "retry", "try {} of {} failed: {e}", attempt + 1, self.max_attempts);
                    tokio::time::sleep(pause(&e, attempt)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Returns a random backoff between zero and the exponential value, for many senders that were rejected together
    /// ("full jitter": AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
    pub fn full_jitter(&self, attempt: u32) -> Duration {
        let full = self.initial_backoff.saturating_mul(1 << attempt.min(16)).min(self.max_backoff);
        full.saturating_mul(fastrand::u32(..1_024)) / 1_024
    }

    /// Returns the backoff after failure number `attempt`: exponential, and shortened by up to half at random so that
    /// workers do not retry simultaneously.
    pub fn backoff(&self, attempt: u32) -> Duration {
        let full = self.initial_backoff.saturating_mul(1 << attempt.min(16)).min(self.max_backoff);
        full - full.saturating_mul(fastrand::u32(..512)) / 1_024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: RetryPolicy = RetryPolicy {
        max_attempts: 4,
        initial_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
    };

    #[tokio::test]
    async fn transient_errors_are_retried_and_permanent_errors_are_not() {
        for (kind, tries) in [(Kind::Transient, 4), (Kind::Permanent, 1)] {
            let mut count = 0;
            let outcome: Result<(), &str> = QUICK
                .run(
                    |_| kind,
                    |_| {
                        count += 1;
                        async { Err("no") }
                    },
                )
                .await;
            assert_eq!((outcome, count), (Err("no"), tries));
        }
    }

    #[test]
    fn backoff_grows_to_its_limit() {
        let retry = RetryPolicy::default();
        assert!(retry.backoff(0) >= Duration::from_millis(50) && retry.backoff(0) <= Duration::from_millis(100));
        assert!(retry.backoff(30) <= retry.max_backoff && retry.backoff(30) >= retry.max_backoff / 2);
    }
}
