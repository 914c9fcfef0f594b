//! Parallel generation of many units, passed on in order, with bounded memory. The sink decides where bytes go, and is the
//! only part that may do I/O.
//!
//! Units run in batches of a few hundred readings or more, with a few batches per thread at a time. Regardless of the
//! number of threads, the sink receives the same batches with the same bytes in the same order, on the calling thread.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, Yield};

use super::{Faults, FileStats, FileUnit, Files, Herd, LineFormat, Part};

/// Pens per batch, unless one unit has more: about 250 KB of lines, large enough to make the handover cheap, and small
/// enough for CPU caches.
pub const BATCH_PENS: u32 = 900;

/// Batches in progress or waiting for the sink, per thread of the pool.
const BATCHES_A_THREAD: usize = 4;

/// The threads that fill batches; the sink runs on the calling thread in addition.
#[derive(Debug, Default)]
pub struct Threads(Option<ThreadPool>);

impl Threads {
    /// Uses one thread per core, from the global pool.
    pub fn all() -> Self {
        Self(None)
    }

    /// Creates a pool of `count` threads.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot create the threads.
    pub fn of(count: NonZeroUsize) -> Result<Self, ThreadPoolBuildError> {
        Ok(Self(Some(ThreadPoolBuilder::new().num_threads(count.get()).build()?)))
    }

    fn count(&self) -> usize {
        self.0.as_ref().map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads)
    }

    fn scope<'scope, R>(&self, run: impl FnOnce(&rayon::Scope<'scope>) -> R) -> R {
        match &self.0 {
            Some(pool) => pool.in_place_scope(run),
            None => rayon::in_place_scope(run),
        }
    }
}

/// Groups the units of a part into batches of at least `pens` pens, fills each with `fill`, and passes them to `sink`
/// in order. `fill` gets a new batch, or one that was passed to `sink` before.
///
/// Memory is bounded by the number of threads and the size of a file, not by the number of files.
///
/// # Errors
///
/// Returns the first error of `sink`, which ends the run; nothing after it is passed on.
pub fn batches<B: Default + Send, E>(
    threads: &Threads,
    herd: &Herd,
    part: Part,
    pens: u32,
    fill: impl Fn(&[FileUnit], &mut B) + Sync,
    mut sink: impl FnMut(&mut B) -> Result<(), E>,
) -> Result<(), E> {
    let mut files = herd.part(part);
    let units_a_batch = pens.div_ceil(herd.lots()) as usize;
    let window = threads.count() * BATCHES_A_THREAD;
    let fill = &fill;
    threads.scope(|scope| {
        let mut under_way: VecDeque<Receiver<B>> = VecDeque::with_capacity(window);
        let start = |mut batch: B, files: &mut Files| {
            let units: Vec<FileUnit> = files.take(units_a_batch).collect();
            if units.is_empty() {
                return None;
            }
            let (done, result) = sync_channel(1);
            scope.spawn(move |_| {
                fill(&units, &mut batch);
                // The receiver is gone only if the sink has failed, and then the result is not needed.
                let _ = done.send(batch);
            });
            Some(result)
        };
        under_way.extend((0..window).map_while(|_| start(B::default(), &mut files)));
        while let Some(mut batch) = under_way.pop_front().and_then(|result| wait(&result)) {
            sink(&mut batch)?;
            under_way.extend(start(batch, &mut files));
        }
        Ok(())
    })
}

/// Generates a part of a herd on all cores and passes every file to `sink` in order: the unit, its bytes (including the
/// header), and its statistics.
///
/// # Errors
///
/// Returns the first error of `sink`, which ends the run; no file after it is passed on.
pub fn generate<E>(
    herd: &Herd,
    part: Part,
    format: LineFormat,
    faults: &Faults,
    mut sink: impl FnMut(FileUnit, &[u8], &FileStats) -> Result<(), E>,
) -> Result<(), E> {
    let fill = |units: &[FileUnit], (bytes, done): &mut Filled| {
        bytes.clear();
        done.clear();
        for &unit in units {
            let stats = herd.write_unit(unit, format, faults, bytes);
            done.push((unit, bytes.len(), stats));
        }
    };
    batches(&Threads::all(), herd, part, BATCH_PENS, fill, |(bytes, done): &mut Filled| {
        let mut begin = 0;
        for (unit, end, stats) in &*done {
            sink(*unit, &bytes[begin..*end], stats)?;
            begin = *end;
        }
        Ok(())
    })
}

/// Units in one buffer, each with its end and its statistics.
type Filled = (Vec<u8>, Vec<(FileUnit, usize, FileStats)>);

/// Waits for a batch. `None` means that its task panicked, which the scope propagates.
///
/// If the caller is a thread of the pool, it runs other tasks in the meantime; otherwise a pool of one thread would
/// wait for itself.
fn wait<B>(result: &Receiver<B>) -> Option<B> {
    loop {
        match result.try_recv() {
            Ok(batch) => return Some(batch),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => match rayon::yield_now() {
                None => return result.recv().ok(),
                Some(Yield::Executed) => {}
                Some(Yield::Idle) => {
                    if let Ok(batch) = result.recv_timeout(Duration::from_millis(1)) {
                        return Some(batch);
                    }
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn herd() -> Herd {
        Herd::try_new(7, 13, 40, NaiveDate::from_ymd_opt(2023, 1, 1).unwrap(), 42).unwrap()
    }

    fn faults() -> Faults {
        let faults = "duplicate=0.02,malformed=0.1,late=0.1,out_of_order=0.1,missing=0.02,missing_day=0.05,zero=0.02,\
                      corrected=0.02,oversized=0.0003,unknown_farm=0.02";
        Faults::parse(faults).unwrap()
    }

    fn run(part: Part, format: LineFormat) -> (Vec<u8>, Vec<FileUnit>, FileStats) {
        let (mut bytes, mut units) = (Vec::new(), Vec::new());
        let mut total = FileStats::default();
        let done = generate(&herd(), part, format, &faults(), |unit, file, stats| {
            bytes.extend_from_slice(file);
            units.push(unit);
            total += *stats;
            Ok::<(), ()>(())
        });
        done.unwrap();
        (bytes, units, total)
    }

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn bytes_do_not_depend_on_the_number_of_threads() {
        let mut one_by_one = Vec::new();
        let mut total = FileStats::default();
        for unit in herd().files() {
            total += herd().write_unit(unit, LineFormat::Ndjson, &faults(), &mut one_by_one);
        }
        for threads in [1, 2, 5] {
            let (bytes, units, stats) = pool(threads).install(|| run(Part::WHOLE, LineFormat::Ndjson));
            assert!(bytes == one_by_one, "{threads} threads");
            assert!(units.into_iter().eq(herd().files()));
            assert_eq!(stats, total);
        }
    }

    #[test]
    fn parts_in_order_are_the_complete_history() {
        let (whole, _, stats) = run(Part::WHOLE, LineFormat::Csv);
        for of in [2, 3, 11, 500] {
            let (mut joined, mut sum) = (Vec::new(), FileStats::default());
            for index in 1..=of {
                let (bytes, _, stats) = run(Part::try_new(index, of).unwrap(), LineFormat::Csv);
                joined.extend(bytes);
                sum += stats;
            }
            assert!(joined == whole, "{of} parts");
            assert_eq!(sum, stats);
        }
    }

    #[test]
    fn a_sink_that_fails_ends_the_run_there() {
        let mut taken = 0;
        let result = generate(&herd(), Part::WHOLE, LineFormat::Ndjson, &Faults::none(), |_, _, _| {
            taken += 1;
            if taken == 17 { Err("full") } else { Ok(()) }
        });
        assert_eq!(result, Err("full"));
        assert_eq!(taken, 17);
    }
}
