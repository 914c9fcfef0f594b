//! Detects that a service fails for all requests, from failures in a row: requests that have not started then fail at
//! once. Otherwise each of a million messages would wait for its own retries.

/// Failures of concurrent work on one service, each after all its attempts.
#[derive(Debug)]
pub struct Outage<F> {
    in_a_row: usize,
    /// Number of failures in a row that is an outage.
    limit: usize,
    failure: Option<F>,
}

impl<F> Outage<F> {
    /// Returns the state of a service that works. `limit` failures in a row are an outage: at least as many as are made
    /// at once, so that all of them have failed.
    pub fn new(limit: usize) -> Self {
        Self { in_a_row: 0, limit: limit.max(1), failure: None }
    }

    /// Records a result: a temporary failure, or `None` if the service did its work or rejected it.
    pub fn record(&mut self, failure: Option<F>) {
        let Some(failure) = failure else {
            self.in_a_row = 0;
            return;
        };
        self.in_a_row += 1;
        if self.in_a_row >= self.limit {
            self.failure = Some(failure);
        }
    }

    /// Returns the newest failure of an outage; `None` if the service works.
    pub fn failure(&self) -> Option<&F> {
        self.failure.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_an_outage_only_if_nothing_works_between_them() {
        let mut outage = Outage::new(3);
        for result in [Some(1), Some(2), None, Some(3), Some(4)] {
            outage.record(result);
            assert_eq!(outage.failure(), None);
        }
        outage.record(Some(5));
        assert_eq!(outage.failure(), Some(&5));
    }
}
