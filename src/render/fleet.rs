//! Text of the outcomes of `plan` and `shard`.

use std::fmt;

use crate::fleet::{PlanOutcome, ShardReport, ShardState};
use crate::render::{LabelledRows, count, duration};

impl fmt::Display for PlanOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.stopped {
            return writeln!(f, "plan: {why}, nothing was written");
        }
        let (listing, id) = (&self.listing, self.plan_id.as_deref().unwrap_or_default());
        let shards = if self.shards == 1 { "shard" } else { "shards" };
        writeln!(f, "plan: {} in {} {shards} ({})", self.job, count(u64::from(self.shards)), duration(self.seconds))?;
        // A compaction only reads objects that no part has.
        let is_compaction = self.job == "compact";
        let reads = if is_compaction { "read requests, at most" } else { "read requests" };
        let mut lines = vec![
            ("objects", count(listing.objects)),
            ("in the largest shard", count(self.largest_shard)),
            (reads, count(listing.get_requests)),
        ];
        if listing.by_day > 0 && !is_compaction {
            lines.insert(1, ("of these, divided by day", count(listing.by_day)));
        }
        if let Some((first, last)) = listing.first_day.zip(listing.last_day) {
            lines.push(("days", format!("{first} to {last}")));
        }
        lines.push(("cost of requests", format!("{} USD at S3 prices", listing.request_cost_usd)));
        lines.push(("plan", id.get(..16).unwrap_or(id).to_owned()));
        write!(f, "{}", LabelledRows(&lines))?;
        let last = self.shards.saturating_sub(1);
        let run = shlex::try_quote(&self.run).unwrap_or_else(|_| self.run.as_str().into());
        writeln!(f, "run every shard, anywhere and in any order, then merge:")?;
        writeln!(f, "  seq 0 {last} | xargs -P4 -I{{}} ruminate shard {run} --shard {{}}")?;
        writeln!(f, "  ruminate merge {run}")
    }
}

impl fmt::Display for ShardReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (of, shard) = (self.shards, self.shard);
        match self.state {
            ShardState::NothingToDo => {
                return writeln!(
                    f,
                    "shard {shard}: nothing to do, the run has {of} shards (0 to {})",
                    of.saturating_sub(1)
                );
            }
            ShardState::Interrupted => {
                return writeln!(f, "shard {shard} of {of}: {}", self.stopped.as_deref().unwrap_or("interrupted"));
            }
            ShardState::AlreadyWritten if self.objects == 0 => {
                return writeln!(f, "shard {shard} of {of}: already complete ({})", duration(self.seconds));
            }
            ShardState::AlreadyWritten => writeln!(f, "shard {shard} of {of}: another attempt had the same result")?,
            ShardState::WrittenDifferently => {
                writeln!(
                    f,
                    "shard {shard} of {of}: another attempt was first, and its outcome counts. It differs in:"
                )?;
                self.differs.iter().try_for_each(|differs| writeln!(f, "  {differs}"))?;
                writeln!(f, "  the stores changed between the two attempts, or one of them is wrong")?;
            }
            ShardState::Written => {
                writeln!(f, "shard {shard} of {of}: {} done ({})", self.job, duration(self.seconds))?
            }
        }
        let lines = [("objects", count(self.objects)), ("entries for the merge", count(self.left))];
        write!(f, "{}", LabelledRows(&lines))
    }
}
