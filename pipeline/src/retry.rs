//! Trying again: by kind of error, with growing pauses, in one place.
//!
//! Only what is safe to repeat comes here: reads, writes that cannot overwrite, statements that change nothing twice.

use std::fmt;
use std::time::Duration;

use crate::error::Kind;

/// How long one try may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutProfile {
    /// Much at once, for somebody who waits.
    Bulk,
    /// A few messages before a deadline, perhaps over connections that died unnoticed.
    Streaming,
}

/// How often and how patiently to try.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Tries in all, at least one.
    pub max_attempts: u32,
    /// The pause after the first failure; doubles with each further one.
    pub initial_backoff: Duration,
    /// The longest pause.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    /// Eight tries over roughly ten seconds.
    fn default() -> Self {
        Self { max_attempts: 8, initial_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5) }
    }
}

impl RetryPolicy {
    /// No second try.
    pub const NO_RETRY: Self = Self { max_attempts: 1, initial_backoff: Duration::ZERO, max_backoff: Duration::ZERO };

    /// Runs `operation` (given the number of the try, from 0) until it succeeds, fails for good, or tries run out.
    ///
    /// # Errors
    /// The last failure.
    pub async fn run<T, E, F>(self, kind: impl Fn(&E) -> Kind, operation: impl FnMut(u32) -> F) -> Result<T, E>
    where
        E: fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        self.run_with_backoff(kind, |_, attempt| self.backoff(attempt), operation).await
    }

    /// The same with pauses of the caller's own, from the failure and the number of the try that failed.
    ///
    /// # Errors
    /// The last failure.
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

    /// A pause anywhere between none and all of what doubling gives, for many senders that were refused together
    /// ("full jitter": AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
    pub fn full_jitter(&self, attempt: u32) -> Duration {
        let full = self.initial_backoff.saturating_mul(1 << attempt.min(16)).min(self.max_backoff);
        full.saturating_mul(fastrand::u32(..1_024)) / 1_024
    }

    /// The pause after failure number `attempt`: doubled each time, and shortened by up to half at random so that
    /// many workers do not come back at once.
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
    async fn what_is_transient_is_tried_again_and_what_is_not_is_not() {
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
    fn pauses_grow_to_their_limit() {
        let retry = RetryPolicy::default();
        assert!(retry.backoff(0) >= Duration::from_millis(50) && retry.backoff(0) <= Duration::from_millis(100));
        assert!(retry.backoff(30) <= retry.max_backoff && retry.backoff(30) >= retry.max_backoff / 2);
    }
}
