//! Reading ahead: a separate thread reads and checks messages, and counts those that the run does not reach.
//!
//! A run may end before its input does: its stages end, it is interrupted, the topic refuses, a file is damaged. What is
//! left is then read without being sent, so that the account covers the whole input. A pipe may be endless: its rest is
//! not read, and the outcome reports it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::batch::ReadResult;
use super::entry;
use super::estimate;
use super::journal_file::CompletedRanges;
use super::{OnInvalid, Settings, Source};
use crate::cancellation::CancellationToken;
use crate::history::{InputMessage, InputReport};
use crate::outcome::count;
use crate::topic::BatchLimits;

/// Number of groups of messages read ahead: enough to fill batches, with bounded memory.
const AHEAD: usize = 16;

/// Number of bytes above which messages are handed over, however few they are: a file can have lines of megabytes.
const TOGETHER_BYTES: usize = 512 * 1024;

/// Maximum time to count the rest after cancellation. Supervisors kill a process after 30 s, and then nothing would be
/// reported.
const REQUESTED: Duration = Duration::from_secs(10);
/// Maximum time to count the rest of a generated history, which can be generated again.
const GENERATED: Duration = Duration::from_secs(2);
/// Maximum time to wait for a thread that may block on a pipe.
const HANGING: Duration = Duration::from_millis(200);
/// Messages counted between two checks of the time and of cancellation.
const CHECK_EVERY: u64 = 1_024;

/// Handle of the reading thread.
pub(super) struct Reader {
    thread: JoinHandle<()>,
    tally: Arc<Tally>,
    may_hang: bool,
}

/// Counts of the thread so far.
#[derive(Debug, Default)]
struct Tally {
    messages: AtomicU64,
    skipped: AtomicU64,
    not_reached: AtomicU64,
    not_counted: Mutex<Option<String>>,
    /// What was found in files that were not inspected before.
    found: Mutex<Vec<InputReport>>,
}

/// Final counts of the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    /// Messages of the complete input; `None` if it was not read to its end.
    pub input: Option<u64>,
    /// Messages skipped, because an earlier run completed them.
    pub skipped: u64,
    /// Messages that were never handed over.
    pub not_reached: u64,
    /// Why further messages could not be counted; `None` if all were.
    pub not_counted: Option<String>,
    /// What was found in files that were not inspected before.
    pub found: Vec<InputReport>,
}

/// Starts a thread that reads and checks messages a little ahead of the run.
pub(super) fn start(
    source: Source,
    settings: &Settings,
    limits: BatchLimits,
    completed: CompletedRanges,
    cancel: CancellationToken,
) -> (mpsc::Receiver<Vec<ReadResult>>, Reader) {
    let (send, receive) = mpsc::channel(AHEAD);
    let (tally, may_hang) = (Arc::<Tally>::default(), !source.is_repeatable());
    let mut thread = Thread {
        send,
        completed,
        limits,
        on_invalid: settings.on_invalid,
        cancel,
        tally: Arc::clone(&tally),
        lot: Vec::new(),
        lot_bytes: 0,
        together: source.batch_size(),
        index: 0,
        over: false,
        ends: None,
    };
    let thread = tokio::task::spawn_blocking(move || thread.run(&source));
    (receive, Reader { thread, tally, may_hang })
}

impl Reader {
    /// Waits until the thread has counted the rest. The receiver must be closed or dropped before.
    pub(super) async fn end(self) -> Counted {
        let Self { mut thread, tally, may_hang } = self;
        let ended = if may_hang {
            tokio::time::timeout(HANGING, &mut thread).await.is_ok()
        } else {
            if tokio::time::timeout(Duration::from_secs(1), &mut thread).await.is_err() {
                tracing::info!("counting the messages that were not reached; Ctrl-C leaves them uncounted");
                let _ = (&mut thread).await; // after a panic of the thread its counts do not add up, which is reported
            }
            true
        };
        let get = |number: &AtomicU64| number.load(Ordering::SeqCst);
        let mut not_counted = tally.not_counted.lock().unwrap_or_else(PoisonError::into_inner).take();
        if !ended {
            not_counted.get_or_insert_with(|| "the rest of standard input was not read".into());
        }
        Counted {
            input: not_counted.is_none().then(|| get(&tally.messages)),
            skipped: get(&tally.skipped),
            not_reached: get(&tally.not_reached),
            not_counted,
            found: std::mem::take(&mut *tally.found.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// State of the reading thread.
struct Thread {
    send: mpsc::Sender<Vec<ReadResult>>,
    completed: CompletedRanges,
    limits: BatchLimits,
    on_invalid: OnInvalid,
    cancel: CancellationToken,
    tally: Arc<Tally>,
    lot: Vec<ReadResult>,
    /// Size of the collected messages, in bytes.
    lot_bytes: usize,
    /// Number of messages handed over together.
    together: usize,
    index: u64,
    /// True if no more messages are accepted: they are only counted.
    over: bool,
    /// When to stop counting; `None` until the time limit starts.
    ends: Option<Instant>,
}

impl Thread {
    fn run(&mut self, source: &Source) {
        for part in 0..source.parts() {
            let pipe = source.pipe(part);
            if self.over
                && let Some(name) = &pipe
            {
                self.leave_uncounted(format!("the rest of {name} was not read"));
                continue;
            }
            let (mut left, before) = (false, self.index);
            let fed = source.feed(part, &mut |message| {
                let flow = self.message(message, source);
                left = flow.is_break() || self.over && pipe.is_some();
                if left { ControlFlow::Break(()) } else { flow }
            });
            self.hand_over();
            match (fed, pipe) {
                (Err(e), _) if self.index == before && e.rejection().is_some() => self.note(e.report()),
                (Err(e), _) => {
                    self.leave_uncounted(format!("what is left of {} cannot be read", source.name(part)));
                    self.fail(e.into());
                }
                (Ok(report), Some(name)) if left => {
                    self.note(report);
                    self.leave_uncounted(format!("the rest of {name} was not read"));
                }
                (Ok(_), None) if left => return,
                (Ok(report), _) => self.note(report),
            }
        }
        if !self.over && !self.cancel.is_cancelled() && self.index < self.completed.first_incomplete() {
            let (requested, there) = (count(self.completed.first_incomplete()), count(self.index));
            self.fail(anyhow::anyhow!(
                "expected to skip {requested} messages, but the source has {there}: is it the same source?"
            ));
        }
    }

    /// Processes one message. Returns a break if the rest must not be counted.
    fn message(&mut self, message: InputMessage, source: &Source) -> ControlFlow<()> {
        let this = self.index;
        self.index += 1;
        self.tally.messages.store(self.index, Ordering::SeqCst);
        if self.completed.contains(this) {
            self.tally.skipped.fetch_add(1, Ordering::SeqCst);
        } else if self.over {
            self.tally.not_reached.fetch_add(1, Ordering::SeqCst);
        } else {
            self.lot_bytes += message.body.len();
            self.lot.push(Ok(entry::prepare(this, message, self.on_invalid, self.limits)));
            if self.lot.len() >= self.together || self.lot_bytes >= TOGETHER_BYTES {
                self.hand_over();
            }
        }
        if this.is_multiple_of(CHECK_EVERY) { self.check_stop(source) } else { ControlFlow::Continue(()) }
    }

    /// Hands the collected messages over. If the receiver is gone, they count as not reached.
    fn hand_over(&mut self) {
        let lot = std::mem::take(&mut self.lot);
        self.lot_bytes = 0;
        if lot.is_empty() {
            return;
        }
        let left = if self.over || self.cancel.is_cancelled() {
            lot.len()
        } else {
            self.send.blocking_send(lot).map_or_else(|unsent| unsent.0.len(), |()| 0)
        };
        self.over |= left > 0;
        self.tally.not_reached.fetch_add(left as u64, Ordering::SeqCst);
    }

    /// Checks for cancellation, and returns a break when the time to count the rest is over.
    fn check_stop(&mut self, source: &Source) -> ControlFlow<()> {
        let requested = self.cancel.is_cancelled();
        self.over |= requested;
        if !self.over {
            return ControlFlow::Continue(());
        }
        let generated = source.is_generated();
        let time = if generated { Some(GENERATED) } else { requested.then_some(REQUESTED) };
        let Some(time) = time else { return ControlFlow::Continue(()) };
        if Instant::now() < *self.ends.get_or_insert_with(|| Instant::now() + time) {
            return ControlFlow::Continue(());
        }
        let about = if generated { estimate::messages(source) } else { None };
        self.leave_uncounted(match about {
            Some(about) => format!("the rest of the history was not counted: it has about {} in all", count(about)),
            None => format!("the rest was not counted within {} s", time.as_secs()),
        });
        ControlFlow::Break(())
    }

    /// Ends the run with this error, unless it has already ended.
    fn fail(&mut self, e: anyhow::Error) {
        if !std::mem::replace(&mut self.over, true) {
            let _ = self.send.blocking_send(vec![Err(e)]); // the receiver is gone if the run has ended
        }
    }

    /// Records what was found in a file that was not inspected before.
    fn note(&self, report: Option<InputReport>) {
        self.tally.found.lock().unwrap_or_else(PoisonError::into_inner).extend(report);
    }

    fn leave_uncounted(&self, why: String) {
        self.tally.not_counted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }
}
