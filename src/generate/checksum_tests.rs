//! Tests only: the same flags give the same bytes for good. SHA-256 of reference sets, each form with faults and without.
//!
//! A change of these sums changes every history ever generated, so it belongs into the changelog; the test prints what
//! `checksums.txt` should hold then. What Parquet files say also changes with the version of the crate that writes them.

use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::{Destination, GeneratePlan, IfExists, run};
use crate::cancellation::CancellationToken;
use crate::herd::{Herd, Part};
use crate::progress::Progress;
use pipeline::hex::hex;

/// All that can be in any form.
const READINGS: &str = "duplicate=0.02,late=0.1,out_of_order=0.1,missing_day=0.05,corrected=0.02,unknown_farm=0.02,\
                        missing=0.02,zero=0.02";
/// What only lines can hold.
const LINES: &str = "malformed=0.1,oversized=0.0003";

/// Form, whether there are faults, and the sums of the history and of its truth, a line each.
const PINS: &str = include_str!("checksums.txt");

/// The sums of a set, made by so many threads.
fn sums(form: &str, has_faults: bool, threads: usize) -> (String, String) {
    let home = tempfile::tempdir().unwrap();
    let herd = Herd::try_new(7, 13, 40, NaiveDate::from_ymd_opt(2023, 1, 1).unwrap(), 42).unwrap();
    let faults = match (has_faults, form) {
        (false, _) => String::new(),
        (true, "parquet") => READINGS.to_owned(),
        (true, _) => format!("{READINGS},{LINES}"),
    };
    let (file, truth) = (home.path().join("history"), home.path().join("truth"));
    let plan = GeneratePlan {
        faults: faults.parse().unwrap(),
        form: form.parse().unwrap(),
        part: Part::WHOLE,
        threads: threads.try_into().ok(),
        truth: Some(truth.clone()),
        ..GeneratePlan::new(herd)
    };
    run(&plan, Destination::File(file.clone()), IfExists::Fail, &Progress::Silent, &CancellationToken::default())
        .unwrap();
    let sum = |path| hex(&Sha256::digest(std::fs::read(path).unwrap()));
    (sum(file), sum(truth))
}

#[test]
fn reference_sets_keep_their_sums_with_any_number_of_threads() {
    for threads in [1, 3] {
        let mut found = String::new();
        for form in ["ndjson", "csv", "parquet"] {
            for (has_faults, word) in [(false, "faultless"), (true, "faults")] {
                let (history, truth) = sums(form, has_faults, threads);
                found += &format!("{form} {word} {history} {truth}\n");
            }
        }
        assert!(found == PINS, "{threads} threads give other bytes than are pinned:\n{found}");
    }
}
