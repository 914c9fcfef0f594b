//! Messages before a run starts, and the confirmation of a large run.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::ensure;

use super::Args;
use crate::outcome::rounded;
use crate::publish::{Estimate, Source};
use crate::render::{count, counted};
use crate::topic::Terms;
use pipeline::retry::TimeoutProfile;

/// Logs the estimated size of the run and possible problems; a large run must be confirmed.
///
/// # Errors
/// Returns an error if the run is large and was not confirmed.
pub(super) async fn announce_and_confirm(terms: Terms, args: &Args, source: &Source) -> anyhow::Result<()> {
    let schedule = args.pace.schedule();
    let Terms { quota, service, .. } = terms;
    if let Some((rate, quota)) = schedule.highest().zip(quota)
        && rate > f64::from(quota)
        && !terms.keeps_order
    {
        tracing::warn!(
            "{} messages/s is over the quota of {}, {} messages/s, unless it was raised for this account: expect throttling",
            rounded(rate),
            terms.region,
            count(quota.into())
        );
    }
    let estimate = Estimate::of(source, &schedule, terms, args.skip);
    let is_local = is_local_endpoint(service).await?;
    let estimate = if is_local { estimate.unbilled() } else { estimate };
    tracing::info!("{estimate}");
    if args.yes || is_local || !estimate.is_large() {
        return Ok(());
    }
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    ensure!(asks, "large run ({estimate}): pass --yes to confirm");
    ensure!(confirm(&estimate)?, "not started");
    Ok(())
}

/// Logs that the schedule ends before the input does, unless this is intended.
pub(super) fn announce_unreached_messages(args: &Args, source: &Source) {
    let left = Estimate::left_out(source, &args.pace.schedule(), args.skip);
    // The progress of an earlier run is only in its journal, so the rest is reported at the end.
    let Some(left) = left.filter(|_| !args.pace.stop_at_schedule_end && !args.resume) else { return };
    let left = counted(left, "message", "messages");
    let how = "a last stage without a time (hold:RATE) lasts until the input ends";
    if source.is_generated() {
        // A load test may be meant to end with its schedule.
        tracing::info!(
            "the schedule ends before the generated history does: about {left} will not be published; {how}"
        );
    } else {
        tracing::warn!("the schedule ends before the files do: about {left} will not be published; {how}");
    }
}

/// Returns true if the endpoint is on this machine, where requests cost nothing.
async fn is_local_endpoint(service: &str) -> anyhow::Result<bool> {
    let aws = pipeline::aws::config(TimeoutProfile::Bulk).await?;
    let endpoint = pipeline::aws::endpoint(&aws, service);
    let endpoint = endpoint.and_then(|endpoint| url::Url::parse(&endpoint).ok());
    Ok(endpoint.is_some_and(|endpoint| match endpoint.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }))
}

fn confirm(estimate: &Estimate) -> anyhow::Result<bool> {
    let mut err = std::io::stderr().lock();
    write!(err, "This is a large run: {estimate}.\nStart it? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
