//! Text about the sources of the records of a run.

use std::fmt;

use super::{count, counted};
use crate::parts::PartsStats;

/// Maximum number of untrusted parts that are named with the reason.
const SHOWN: usize = 5;

/// Lines about the parts that a run used.
pub(super) struct FromParts<'a>(pub Option<&'a PartsStats>);

impl fmt::Display for FromParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(stats) = self.0.filter(|stats| stats.parts + stats.not_trusted > 0) else { return Ok(()) };
        let PartsStats { rows, fetched, parts, not_trusted, reasons } = stats;
        let (objects, parts) = (counted(*rows, "object", "objects"), counted(*parts, "part", "parts"));
        writeln!(f, "{objects} from {parts}, {} read one by one", count(*fetched))?;
        if *not_trusted > 0 {
            writeln!(f, "parts that were not trusted: {} (their objects were read)", count(*not_trusted))?;
            for part in reasons.iter().take(SHOWN) {
                writeln!(f, "  {}: {}", part.part, part.reason)?;
            }
        }
        Ok(())
    }
}
