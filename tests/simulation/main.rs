//! Deterministic simulation: lake, warehouse, Lambdas, commands and clock in one process, driven by a seed, with faults at
//! any call of a store, and a model of what must hold (`docs/reliability.md`).
//!
//! | file | content |
//! | --- | --- |
//! | `history` | Histories: commands of an operator, deliveries and damage, drawn from a seed |
//! | `runner` | Runs a history step by step, and checks the model after each |
//! | `model` | What must be in the stores: simple sets of what was delivered and damaged |
//! | `judge` | What an audit must find, computed from the content of both stores |
//! | `ingest`, `load`, `reconcile`, `snapshots`, `fleet`, `damage` | The steps, and the checks of their results |
//! | `faults` | The schedule of faults: which call fails, and how |
//! | `lake`, `warehouse` | Stores that consult the schedule at each call |
//! | `world`, `clock` | The stores of a history, the processes that use them, and their time |
//! | `readings`, `random` | Messages, and random numbers as a function of a key |
//! | `shrink` | Makes a failed history smaller |
//!
//! `SIM_SEEDS=N` runs the seeds 1 to N (default 200), `SIM_FIRST=K` starts at seed K, and `SIM_SEED=N` runs one seed and
//! prints its steps.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::float_cmp,
    missing_docs,
    reason = "tests; numbers must be equal bit by bit"
)]

mod clock;
mod damage;
mod faults;
mod fleet;
mod history;
mod ingest;
mod judge;
mod lake;
mod load;
mod model;
mod random;
mod readings;
mod reconcile;
mod runner;
mod shrink;
mod snapshots;
mod warehouse;
mod world;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use history::History;
use runner::Failure;
use shrink::{Minimal, tried};

/// Number of seeds without `SIM_SEEDS`.
const SEEDS: u64 = 200;
/// Number of failed seeds after which no further seed is run.
const FAILURES: usize = 3;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number: {text}")))
}

#[test]
fn random_histories_with_faults_keep_every_guarantee() {
    if let Some(seed) = variable("SIM_SEED") {
        return run_one(seed);
    }
    let first = variable("SIM_FIRST").unwrap_or(1);
    let last = first + variable("SIM_SEEDS").unwrap_or(SEEDS);
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::<(u64, Failure)>::new()));
    let faults = AtomicUsize::new(0);
    let work = || {
        while failed.lock().unwrap().len() < FAILURES {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last {
                break;
            }
            match tried(&History::of(seed), &BTreeSet::new()) {
                Ok(happened) => drop(faults.fetch_add(happened, Ordering::Relaxed)),
                Err(failure) => failed.lock().unwrap().push((seed, failure)),
            }
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    eprintln!("{} seeds from {first}, {} faults", last - first, faults.load(Ordering::Relaxed));
    let mut failed = failed.into_inner().unwrap();
    failed.sort_by_key(|(seed, _)| *seed);
    let seeds: Vec<u64> = failed.iter().map(|(seed, _)| *seed).collect();
    if let Some((seed, failure)) = failed.into_iter().next() {
        panic!("seeds {seeds:?} failed\n{}", Minimal::of(&History::of(seed), failure).report());
    }
}

fn run_one(seed: u64) {
    let history = History::of(seed);
    eprintln!("seed {seed}, {:?}", history.kind);
    history.steps.iter().for_each(|step| eprintln!("{step}"));
    match tried(&history, &BTreeSet::new()) {
        Ok(faults) => eprintln!("{faults} faults"),
        Err(failure) => panic!("{}", Minimal::of(&history, failure).report()),
    }
}

#[test]
fn a_history_depends_on_its_seed_only() {
    let shown = |seed| History::of(seed).steps.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(7), shown(7));
    assert_ne!(shown(7), shown(8));
}
