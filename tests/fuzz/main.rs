//! Fuzz targets: everything that is read from others gets damaged and hostile input.
//!
//! A target starts from valid inputs, changes them with mutations that know the structure of text and of binary files, and checks
//! what must hold for every input: no panic, bounded memory and time, the same result twice, and `parse → print → parse` is
//! the identity. Each input follows from the seed and its number alone, so that any of them can be run again.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `FUZZ_INPUTS` | inputs per target; without it, a number that takes about a second |
//! | `FUZZ_SEED` | seed, 1 by default |
//! | `FUZZ_FIRST` | number of the first input, 0 by default |
//! | `FUZZ_FILE` | a file: the only input |
//! | `FUZZ_TRACE` | if set, the number of each input is printed, to find one that ends the process |
//!
//! | file | owns |
//! | --- | --- |
//! | `engine.rs` | running a target, and the report of a failure |
//! | `mutation.rs`, `values.rs` | changes of an input, and the values that are inserted |
//! | `minimize.rs` | the smallest input that fails, and how it is printed |
//! | `memory.rs`, `panics.rs` | limits on memory, and panics with their place |
//! | `corpus.rs` | valid inputs, from `samples/` and from what the program writes |
//! | all others | the targets, one file per kind of input |
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod corpus;
mod engine;
mod memory;
mod minimize;
mod mutation;
mod panics;
mod values;

mod addresses;
mod bombs;
mod events;
mod findings;
mod histories;
mod inventories;
mod load_data;
mod messages;
mod outcomes;
mod parquet_files;
mod runs;
mod settings;
mod signatures;
mod undo_files;
mod xml;
