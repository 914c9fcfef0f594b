//! Many units on many threads, handed over in order. Owns the parallel run and its memory bounds; leaves where bytes go to the
//! sink, which is the only one here that may do IO.
//!
//! Units are run in batches of a few hundred readings or more, a few batches a thread at a time. Whatever the number of threads,
//! the sink sees the same batches with the same bytes in the same order, on the thread that called.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, Yield};

use super::{Faults, FileStats, FileUnit, Files, Herd, LineFormat, Part};

/// Pens a batch, or those of one unit where it has more: some 250 KB of lines, large enough to make handing over cheap, small
/// enough for caches.
pub const BATCH_PENS: u32 = 900;

/// Batches under way or waiting for the sink, for every thread of the pool.
const BATCHES_A_THREAD: usize = 4;

/// The threads that make batches; the sink has one more, that of the caller.
#[derive(Debug, Default)]
pub struct Threads(Option<ThreadPool>);

impl Threads {
    /// As many threads as there are cores, shared with whatever else is run on all of them.
    pub fn all() -> Self {
        Self(None)
    }

    /// So many threads.
    ///
    /// # Errors
    /// The system gives no more.
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

/// Makes something of every few units of a part, of at least `pens` pens where there are so many, by `fill`, and hands it to `sink` in order; what `fill` gets is new, or was
/// handed over before.
///
/// Memory is bounded by the number of threads and the size of a file, not by how many files there are.
///
/// # Errors
/// The first error of `sink`, which ends the run; nothing after it is handed over.
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
                // Nobody listens any more only when the sink has failed, and then nobody needs it.
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

/// Runs a part of a herd on all cores and hands every file to `sink` in order: the unit, its bytes (header included), and
/// what they hold.
///
/// # Errors
/// The first error of `sink`, which ends the run; no file after it is handed over.
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

/// Units one after the other in one buffer, each with where it ends and what it holds.
type Filled = (Vec<u8>, Vec<(FileUnit, usize, FileStats)>);

/// Waits for a batch; none means that its run panicked, which the scope passes on.
///
/// A caller that is itself a thread of the pool lends a hand meanwhile: a pool of one would otherwise wait for itself.
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
    fn parts_in_order_are_the_whole() {
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
