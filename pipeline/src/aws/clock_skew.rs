//! Difference between this machine's clock and a service's, by which AWS rejects the signatures of requests.

use chrono::{DateTime, TimeDelta, Utc};

/// Difference above which it is reported with a rejected request. AWS rejects requests from 5 or 15 minutes on.
const REPORTED: TimeDelta = TimeDelta::minutes(4);

/// Returns the difference between the clocks, this machine's minus the service's, if a rejected request may be due to it.
///
/// `date` is the `Date` header of the response.
pub fn of_response(status: u16, date: Option<&str>, now: DateTime<Utc>) -> Option<TimeDelta> {
    if !matches!(status, 400 | 401 | 403) {
        return None;
    }
    let theirs = DateTime::parse_from_rfc2822(date?).ok()?.to_utc();
    let skew = now - theirs;
    (skew.abs() > REPORTED).then_some(skew)
}

/// Returns what to do about the difference, with its size.
pub fn explain(skew: TimeDelta) -> String {
    let (seconds, side) = (skew.num_seconds().abs(), if skew > TimeDelta::zero() { "ahead of" } else { "behind" });
    let size = match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    };
    format!("this machine's clock is {size} {side} the service's: set it, for example with NTP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rejected_request_with_a_difference_of_minutes_is_due_to_the_clock() {
        let now = "2026-11-22T18:00:00Z".parse().unwrap();
        let of = |status, date| of_response(status, date, now).map(explain);
        let behind = of(403, Some("Sun, 22 Nov 2026 18:20:05 GMT")).unwrap();
        assert!(behind.starts_with("this machine's clock is 20 min 5 s behind the service's: set it"), "{behind}");
        let ahead = of(400, Some("Sun, 22 Nov 2026 15:30:00 GMT")).unwrap();
        assert!(ahead.starts_with("this machine's clock is 2 h 30 min ahead of"), "{ahead}");
        assert_eq!(of(200, Some("Sun, 22 Nov 2026 18:20:05 GMT")), None);
        assert_eq!(of(403, Some("Sun, 22 Nov 2026 18:01:05 GMT")), None);
        assert_eq!((of(403, None), of(403, Some("today"))), (None, None));
    }
}
