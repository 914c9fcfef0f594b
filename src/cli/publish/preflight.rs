//! Messages before a run starts, and the confirmation of a large run.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::ensure;

use super::Args;
use crate::publish::{Estimate, Source};
use crate::render::count;
use crate::topic::Terms;
use pipeline::retry::TimeoutProfile;

/// Logs the estimated size of the run and possible problems; a large run must be confirmed.
///
/// # Errors
/// Returns an error if the run is large and was not confirmed.
pub(super) async fn announce_and_confirm(terms: Terms, args: &Args, source: &Source) -> anyhow::Result<()> {
    let schedule = args.pace.schedule();
    let Terms { quota, service, .. } = terms;
    if let Some(rate) = schedule.highest().filter(|&rate| rate > f64::from(quota) && !terms.keeps_order) {
        tracing::warn!(
            "{rate} messages/s is over the quota of {}, {quota} messages/s, unless it was raised for this account: expect \
             throttling",
            terms.region
        );
    }
    let estimate = Estimate::of(source, &schedule, terms, args.skip);
    tracing::info!("{estimate}");
    if args.yes || !estimate.is_large() || is_local_endpoint(service).await? {
        return Ok(());
    }
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    ensure!(asks, "large run ({estimate}): pass --yes to confirm");
    ensure!(confirm(&estimate)?, "not started");
    Ok(())
}

/// Logs that the schedule ends before the files do, unless this is intended.
pub(super) fn announce_unreached_messages(args: &Args, source: &Source) {
    let left = Estimate::left_out(source, &args.pace.schedule(), args.skip);
    // The progress of an earlier run is only in its journal, so the rest is reported at the end.
    if let Some(left) = left.filter(|_| !args.pace.stop_at_schedule_end && !args.resume) {
        tracing::warn!(
            "the schedule ends before the files do: about {} messages will not be published; a last stage without a time \
             (hold:RATE) lasts until the input ends",
            count(left)
        );
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
