//! Many units on all cores, handed over in order. Owns the parallel run and its memory bounds; leaves where bytes go to the
//! sink, which is the only one here that may do IO.
//!
//! Units are run in batches of about [`BATCH_BYTES`], a few batches a thread at a time. Whatever the number of threads,
//! the sink sees the same units with the same bytes in the same order, on the thread that called.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use rayon::Yield;

use super::{Faults, FileUnit, Files, Format, Herd, Part, UnitStats};

/// A batch ends with the unit that reaches this size, bytes: large enough to make handing over cheap, small enough for caches.
const BATCH_BYTES: usize = 256 * 1024;

/// What a reading takes up, bytes, to size a batch before it is run.
const READING_BYTES: usize = 300;

/// Batches under way or waiting for the sink, for every thread of the pool.
const BATCHES_A_THREAD: usize = 4;

/// A run of units, one after the other in one buffer that is used again.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    units: Vec<(FileUnit, usize, UnitStats)>,
}

impl Batch {
    fn fill(&mut self, herd: &Herd, files: &[FileUnit], format: Format, faults: &Faults) {
        self.bytes.clear();
        self.units.clear();
        for &unit in files {
            let stats = herd.write_unit(unit, format, faults, &mut self.bytes);
            self.units.push((unit, self.bytes.len(), stats));
        }
    }
}

/// Runs a part of a herd on the current rayon pool and hands every file to `sink` in order: the unit, its bytes (header
/// included), and what they hold. Returns the sum of what was handed over.
///
/// Memory is bounded by the number of threads and the size of a file, not by how many files there are.
///
/// # Errors
/// The first error of `sink`, which ends the run; no file after it is handed over.
pub fn generate<E>(
    herd: &Herd,
    part: Part,
    format: Format,
    faults: &Faults,
    mut sink: impl FnMut(FileUnit, &[u8], &UnitStats) -> Result<(), E>,
) -> Result<UnitStats, E> {
    let mut files = herd.part(part);
    let units_a_batch = BATCH_BYTES.div_ceil(herd.lots() as usize * READING_BYTES);
    let window = rayon::current_num_threads() * BATCHES_A_THREAD;
    let mut total = UnitStats::default();
    rayon::in_place_scope(|scope| {
        let mut under_way: VecDeque<Receiver<Batch>> = VecDeque::with_capacity(window);
        let start = |mut batch: Batch, files: &mut Files| {
            let units: Vec<FileUnit> = files.take(units_a_batch).collect();
            if units.is_empty() {
                return None;
            }
            let (done, result) = sync_channel(1);
            scope.spawn(move |_| {
                batch.fill(herd, &units, format, faults);
                // Nobody listens any more only when the sink has failed, and then nobody needs it.
                let _ = done.send(batch);
            });
            Some(result)
        };
        under_way.extend((0..window).map_while(|_| start(Batch::default(), &mut files)));
        while let Some(batch) = under_way.pop_front().and_then(|result| wait(&result)) {
            batch.hand_over(&mut sink, &mut total)?;
            under_way.extend(start(batch, &mut files));
        }
        Ok(total)
    })
}

impl Batch {
    fn hand_over<E>(
        &self,
        sink: &mut impl FnMut(FileUnit, &[u8], &UnitStats) -> Result<(), E>,
        total: &mut UnitStats,
    ) -> Result<(), E> {
        let mut begin = 0;
        for (unit, end, stats) in &self.units {
            sink(*unit, &self.bytes[begin..*end], stats)?;
            *total += *stats;
            begin = *end;
        }
        Ok(())
    }
}

/// Waits for a batch; none means that its run panicked, which the scope passes on.
///
/// A caller that is itself a thread of the pool lends a hand meanwhile: a pool of one would otherwise wait for itself.
fn wait(result: &Receiver<Batch>) -> Option<Batch> {
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

    fn run(part: Part, format: Format) -> (Vec<u8>, Vec<FileUnit>, UnitStats) {
        let (mut bytes, mut units) = (Vec::new(), Vec::new());
        let total = generate(&herd(), part, format, &faults(), |unit, file, _| {
            bytes.extend_from_slice(file);
            units.push(unit);
            Ok::<(), ()>(())
        });
        (bytes, units, total.unwrap())
    }

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    /// FNV-1a, 64 bits.
    fn checksum(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
    }

    #[test]
    fn bytes_do_not_depend_on_the_number_of_threads() {
        let mut one_by_one = Vec::new();
        let mut total = UnitStats::default();
        for unit in herd().files() {
            total += herd().write_unit(unit, Format::Ndjson, &faults(), &mut one_by_one);
        }
        for threads in [1, 2, 5] {
            let (bytes, units, stats) = pool(threads).install(|| run(Part::WHOLE, Format::Ndjson));
            assert!(bytes == one_by_one, "{threads} threads");
            assert!(units.into_iter().eq(herd().files()));
            assert_eq!(stats, total);
        }
    }

    #[test]
    fn parts_in_order_are_the_whole() {
        let (whole, _, stats) = run(Part::WHOLE, Format::Csv);
        for of in [2, 3, 11, 500] {
            let (mut joined, mut sum) = (Vec::new(), UnitStats::default());
            for index in 1..=of {
                let (bytes, _, stats) = run(Part::try_new(index, of).unwrap(), Format::Csv);
                joined.extend(bytes);
                sum += stats;
            }
            assert!(joined == whole, "{of} parts");
            assert_eq!(sum, stats);
        }
    }

    #[test]
    fn generated_sets_keep_their_checksums() {
        let faultless = |format| {
            let mut bytes = Vec::new();
            for unit in herd().files() {
                herd().write_unit(unit, format, &Faults::none(), &mut bytes);
            }
            checksum(&bytes)
        };
        let faulty = checksum(&run(Part::WHOLE, Format::Ndjson).0);
        assert_eq!(
            [faultless(Format::Ndjson), faultless(Format::Csv), faulty].map(|sum| format!("{sum:016x}")),
            ["be71ae51cc12d3d2", "e64b40af3537d702", "3934d12cb27df3c5"],
            "a change of these bytes changes every history ever generated: say so in the changelog"
        );
    }

    #[test]
    fn a_sink_that_fails_ends_the_run_there() {
        let mut taken = 0;
        let result = generate(&herd(), Part::WHOLE, Format::Ndjson, &Faults::none(), |_, _, _| {
            taken += 1;
            if taken == 17 { Err("full") } else { Ok(()) }
        });
        assert_eq!(result, Err("full"));
        assert_eq!(taken, 17);
    }
}
