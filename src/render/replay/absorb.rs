//! Two runs as one: the account of a run that caught up with another is added to it.

use super::{Cell, Outcome, Pause};

impl Cell {
    fn absorb(&mut self, more: &Self) {
        self.listed += more.listed;
        self.conflicting += more.conflicting;
        self.rejected += more.rejected;
        self.archived += more.archived;
        self.unreadable += more.unreadable;
        self.skipped += more.skipped;
        self.pending += more.pending;
    }
}

impl Outcome {
    /// Adds the account of a run about other objects of the same lake, which went into the same table.
    pub fn absorb(&mut self, more: Self) {
        self.listed += more.listed;
        self.inserted += more.inserted;
        self.identical += more.identical;
        self.conflicting += more.conflicting;
        self.rejected += more.rejected;
        self.archived += more.archived;
        self.unreadable += more.unreadable;
        self.skipped += more.skipped;
        self.skipped_foreign += more.skipped_foreign;
        self.skipped_after_fence += more.skipped_after_fence;
        self.skipped_future_dated += more.skipped_future_dated;
        self.skipped_until += more.skipped_until;
        self.skipped_data += more.skipped_data;
        self.skipped_pending += more.skipped_pending;
        self.overwritten += more.overwritten;
        self.not_found += more.not_found;
        self.verified += more.verified;
        self.unverified += more.unverified;
        self.seconds += more.seconds;
        self.transactions += more.transactions;
        self.reading_seconds += more.reading_seconds;
        self.loading_seconds += more.loading_seconds;
        self.newest_row_ts = self.newest_row_ts.max(more.newest_row_ts);
        self.newest_data = self.newest_data.max(more.newest_data);
        self.pressure = more.pressure; // the lake counts from its opening on
        more.pauses.into_iter().for_each(|pause| self.waited(pause));
        for (place, cell) in &more.days {
            self.days.entry(place.clone()).or_default().absorb(cell);
        }
        self.problems.absorb(more.problems);
    }

    fn waited(&mut self, pause: Pause) {
        match self.pauses.iter_mut().find(|known| known.reason == pause.reason) {
            Some(known) => {
                known.times += pause.times;
                known.seconds += pause.seconds;
            }
            None => self.pauses.push(pause),
        }
    }
}
