//! Makes a failed history smaller: steps and faults are removed one by one while it still fails.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::faults::{Fault, Site};
use crate::history::History;
use crate::runner::{Failure, run};

/// Maximum number of runs.
const RUNS: u32 = 300;

/// Runs a history. A panic is a failure.
pub fn tried(history: &History, suppressed: &BTreeSet<Site>) -> Result<usize, Failure> {
    catch_unwind(AssertUnwindSafe(|| run(history, suppressed))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Failure { why: format!("panicked: {text}"), faults: Vec::new() })
    })
}

/// A failed history that fails no more without any of its steps and faults, as far as the runs sufficed.
pub struct Minimal {
    history: History,
    suppressed: BTreeSet<Site>,
    failure: Failure,
    runs: u32,
}

impl Minimal {
    pub fn of(history: &History, failure: Failure) -> Self {
        let mut this = Self { history: history.clone(), suppressed: BTreeSet::new(), failure, runs: 0 };
        while this.drop_a_step() || this.drop_messages() || this.drop_a_fault() {}
        this
    }

    /// Runs a smaller history, and keeps it if it fails too.
    fn keep_if_it_fails(&mut self, history: History, suppressed: BTreeSet<Site>) -> bool {
        if self.runs >= RUNS {
            return false;
        }
        self.runs += 1;
        let Err(failure) = tried(&history, &suppressed) else { return false };
        (self.history, self.suppressed, self.failure) = (history, suppressed, failure);
        true
    }

    fn drop_a_step(&mut self) -> bool {
        (0..self.history.steps.len()).rev().any(|at| {
            self.history.steps.len() > 1 && self.keep_if_it_fails(self.history.without(at), self.suppressed.clone())
        })
    }

    /// Drops the messages that are delivered at the same time as a command.
    fn drop_messages(&mut self) -> bool {
        (0..self.history.steps.len()).any(|at| {
            let mut without = self.history.clone();
            without.steps[at].concurrent.clear();
            !self.history.steps[at].concurrent.is_empty() && self.keep_if_it_fails(without, self.suppressed.clone())
        })
    }

    fn drop_a_fault(&mut self) -> bool {
        let happened: Vec<Site> = self.failure.faults.iter().map(|(site, _)| site.clone()).collect();
        happened.into_iter().rev().any(|site| {
            let mut suppressed = self.suppressed.clone();
            suppressed.insert(site) && self.keep_if_it_fails(self.history.clone(), suppressed)
        })
    }

    /// Returns the history, its faults, and how to run it again.
    pub fn report(&self) -> String {
        let mut text = String::new();
        let History { seed, kind, steps } = &self.history;
        let _ = writeln!(text, "seed {seed}: {}", self.failure.why);
        let _ = writeln!(text, "  {kind:?}; after {} runs to make it smaller:", self.runs);
        for step in steps {
            let _ = writeln!(text, "  {step}");
        }
        for (site, fault) in &self.failure.faults {
            let _ = writeln!(text, "  {site}: {}", shown(*fault));
        }
        let _ = write!(text, "  run it again: SIM_SEED={seed} cargo test --test simulation");
        text
    }
}

fn shown(fault: Fault) -> String {
    format!("{fault:?}")
}
