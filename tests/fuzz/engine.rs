//! Runs a target: inputs from its corpus, changed by mutations, each checked within limits on memory and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::minimize::{minimized, shown};
use crate::mutation::Mutator;
use crate::{memory, panics};

/// Result of an input: whether the program accepted it, or the property that does not hold.
pub type Verdict = Result<bool, String>;

/// Maximum time for one input. Most take less than a millisecond; this finds loops that do not end.
const LONGEST: Duration = Duration::from_secs(20);
/// Time after which an input that has not returned ends the process, with its number.
const HANGS: Duration = Duration::from_secs(120);

/// A reader that is tested, and its inputs.
pub struct Target {
    /// Path of the test in this program, for the command that repeats a failure.
    pub name: &'static str,
    /// Number of inputs without `FUZZ_INPUTS`.
    pub inputs: u64,
    /// Valid inputs, and a few that are not.
    pub corpus: Vec<Vec<u8>>,
    /// Words of the format, which are inserted.
    pub words: &'static [&'static str],
    /// Number of first bytes that are not part of the format: they select how the rest is read.
    pub header: usize,
    /// Last step of an input, such as its compression or a checksum.
    pub seal: fn(Vec<u8>, &mut Rng) -> Vec<u8>,
}

impl Target {
    /// Returns a target without words, header and last step. A usual run has a third of the inputs.
    pub fn new(name: &'static str, inputs: u64, corpus: Vec<Vec<u8>>) -> Self {
        Self { name, inputs: inputs / 3, corpus, words: &[], header: 0, seal: |bytes, _| bytes }
    }

    /// Returns an input before its last step.
    fn raw(&self, seed: u64, number: u64) -> Vec<u8> {
        if let Some(bytes) = usize::try_from(number).ok().and_then(|number| self.corpus.get(number)) {
            return bytes.clone();
        }
        let mut rng = self.rng(seed, number);
        let mut bytes = self.corpus[rng.usize(..self.corpus.len())].clone();
        let mutator = Mutator { corpus: &self.corpus, words: self.words, header: self.header };
        for _ in 0..[1, 1, 1, 2, 2, 3, 5, 9][rng.usize(..8)] {
            mutator.change(&mut bytes, &mut rng);
        }
        bytes
    }

    fn sealed(&self, raw: Vec<u8>, seed: u64, number: u64) -> Vec<u8> {
        (self.seal)(raw, &mut self.rng(!seed, number))
    }

    /// Returns the random numbers of an input.
    fn rng(&self, seed: u64, number: u64) -> Rng {
        let name = self.name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Rng::with_seed(name.rotate_left(32).wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Runs the inputs, and fails with the smallest input for which a property does not hold.
    pub fn run(&self, check: impl Fn(&[u8]) -> Verdict) {
        if let Some(path) = std::env::var_os("FUZZ_FILE") {
            let input = std::fs::read(path).unwrap();
            let verdict = attempt(&check, &input);
            eprintln!("{}: {verdict:?}", self.name);
            return assert!(verdict.is_ok(), "{}: {}\n{}", self.name, verdict.unwrap_err(), shown(&input));
        }
        let (seed, first) = (number("FUZZ_SEED").unwrap_or(1), number("FUZZ_FIRST").unwrap_or(0));
        let inputs = number("FUZZ_INPUTS").unwrap_or(self.inputs);
        let (is_traced, watch) = (std::env::var_os("FUZZ_TRACE").is_some(), Watch::start(self.name, seed));
        let (mut accepted, mut slowest) = (0, (Duration::ZERO, 0));
        let began = Instant::now();
        for number in first..first + inputs {
            watch.at(number);
            if is_traced {
                eprintln!("{} {number}", self.name);
            }
            let input = self.sealed(self.raw(seed, number), seed, number);
            let started = Instant::now();
            match attempt(&check, &input) {
                Ok(is_accepted) => accepted += u64::from(is_accepted),
                Err(why) => self.fail(&check, (seed, number), &why),
            }
            slowest = slowest.max((started.elapsed(), number));
        }
        let took = began.elapsed().as_secs_f64();
        let (slowest, number) = slowest;
        eprintln!(
            "{}: {inputs} inputs in {took:.1} s, {accepted} accepted; the slowest is {number} with {} ms",
            self.name,
            slowest.as_millis()
        );
        if first == 0 && inputs > 2 * self.corpus.len() as u64 {
            assert!(accepted > 0, "{}: no input was accepted", self.name);
            assert!(accepted < inputs, "{}: no input was rejected", self.name);
        }
    }

    fn fail(&self, check: &impl Fn(&[u8]) -> Verdict, (seed, number): (u64, u64), why: &str) -> ! {
        let fails = |raw: &[u8]| attempt(check, &self.sealed(raw.to_vec(), seed, number)).err();
        let raw = minimized(self.raw(seed, number), self.header, |raw| fails(raw).is_some());
        let reason = fails(&raw).unwrap_or_default();
        let input = self.sealed(raw, seed, number);
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name.replace("::", "-"));
        std::fs::write(&file, &input).unwrap();
        panic!(
            "input {number} of seed {seed}: {why}\n\
             the smallest input that fails has {} bytes: {reason}\n{}\n\
             run it again: FUZZ_FILE={} cargo test --test fuzz {}\n\
             as it was: FUZZ_SEED={seed} FUZZ_FIRST={number} FUZZ_INPUTS=1 cargo test --test fuzz {}\n",
            input.len(),
            shown(&input),
            file.display(),
            self.name,
            self.name
        )
    }
}

/// Checks an input within the limits.
fn attempt(check: &impl Fn(&[u8]) -> Verdict, input: &[u8]) -> Verdict {
    let started = Instant::now();
    let verdict = memory::limited(|| panics::caught(|| check(input)))?;
    match started.elapsed() {
        took if took > LONGEST => Err(format!("it took {} s", took.as_secs())),
        _ => verdict,
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.replace('_', "").parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// A thread that ends the process if an input does not return.
struct Watch {
    number: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Watch {
    fn start(name: &'static str, seed: u64) -> Self {
        let watch = Self { number: Arc::new(AtomicU64::new(u64::MAX)), ended: Arc::default() };
        let (number, ended) = (Arc::clone(&watch.number), Arc::clone(&watch.ended));
        std::thread::spawn(move || {
            let (mut last, mut since) = (u64::MAX, Instant::now());
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(500));
                let now = number.load(Ordering::Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if since.elapsed() > HANGS && !ended.load(Ordering::Relaxed) {
                    eprintln!("{name}: input {now} of seed {seed} does not end");
                    std::process::exit(101);
                }
            }
        });
        watch
    }

    fn at(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Returns an error if two results of the same input differ.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, one: &T, other: &T) -> Result<(), String> {
    if one == other { Ok(()) } else { Err(format!("{what}: {one:?}\nis not {other:?}")) }
}

/// Returns an error if a condition does not hold.
pub fn ensure(condition: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(what()) }
}

/// Returns an error if a reason is empty, or could control a terminal or a log.
pub fn check_reason(why: &str) -> Result<(), String> {
    ensure(!why.trim().is_empty(), || "the reason is empty".into())
}
