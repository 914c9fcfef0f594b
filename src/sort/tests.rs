//! Sorting with little memory, on failing disks, and next to the directories of ended processes.

use std::fs::File;
use std::io;

use super::runs::{LOCK, YOUNG};
use super::*;

#[test]
fn more_than_one_run_is_returned_in_order() {
    let mut sorter = Sorter::new(1_000);
    let count = 2_010_u32;
    for n in 0..count {
        sorter.push(OrderedId::new(&format!("{:08x}", n.wrapping_mul(2_654_435_761)))).unwrap();
    }
    let sorted: Vec<OrderedId> = sorter.finish().unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(sorted.len(), count as usize);
    assert!(sorted.is_sorted());
}

#[test]
fn a_failing_disk_is_reported_and_nothing_hangs() {
    let home = tempfile::tempdir().unwrap();
    let dir = SortDir::in_dir(home.path()).unwrap();
    let ids = || (0..).map(|n| OrderedId::new(&format!("{n:08x}")));
    let mut sorter = Sorter::in_dir(100, &dir).unwrap();
    std::fs::remove_dir_all(sorter.runs.as_ref().unwrap().dir.path()).unwrap();
    let failed = ids().take(1_000_000).find_map(|id| sorter.push(id).err()).unwrap();
    assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    assert!(sorter.finish().is_err(), "missing entries are never ignored");
    // Dropping the iterator ends its thread, and then the directory is removed.
    let mut sorter = Sorter::in_dir(100, &dir).unwrap();
    ids().take(50_000).for_each(|id| sorter.push(id).unwrap());
    let mut sorted = sorter.finish().unwrap();
    assert!(sorted.next().unwrap().is_ok());
    drop((sorted, dir));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_run_that_lost_its_end_is_an_error_wherever_it_was_cut() {
    for cut in [0, 1, 4, 5, 21, 42] {
        let home = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::in_dir(10, &SortDir::in_dir(home.path()).unwrap()).unwrap();
        (0..5_000).for_each(|n| sorter.push(OrderedId::new(&format!("{n:08x}-0000-8000-8000-000000000000"))).unwrap());
        let first = sorter.runs.as_ref().unwrap().dir.path().join("0");
        // The thread has taken all but the last batches: the first run is on disk, and nothing is written to it again.
        let file = File::options().write(true).open(first).unwrap();
        let whole = file.metadata().unwrap().len();
        assert_eq!(whole % 21, 0, "a length and seventeen bytes for each id");
        file.set_len(cut).unwrap();
        let read: io::Result<Vec<OrderedId>> = sorter.finish().unwrap().collect();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "cut to {cut} of {whole} bytes");
    }
}

#[test]
fn runs_are_removed_with_the_sorter_and_those_of_ended_processes_too() {
    let home = tempfile::tempdir().unwrap();
    let left = home.path().join(".ruminate-sort-dead");
    std::fs::create_dir(&left).unwrap();
    let lock = File::create(left.join(LOCK)).unwrap();
    drop(SortDir::in_dir(home.path()).unwrap());
    assert!(left.exists(), "another process may be about to lock it");
    let earlier = |lock: &File| lock.set_modified(std::time::SystemTime::now() - YOUNG).unwrap();
    earlier(&lock);
    let dir = SortDir::in_dir(home.path()).unwrap();
    earlier(&dir.0._lock);
    let other = SortDir::in_dir(home.path()).unwrap();
    assert!(!left.exists() && dir.0.dir.path().exists());
    let mut sorter = Sorter::in_dir(10, &dir).unwrap();
    (0..100).rev().for_each(|n| sorter.push(OrderedId::new(&format!("{n:08x}"))).unwrap());
    let runs = sorter.runs.as_ref().unwrap().dir.path().to_path_buf();
    drop((dir, other));
    let sorted = sorter.finish().unwrap();
    assert!(std::fs::read_dir(&runs).unwrap().count() > 5);
    let sorted: Vec<_> = sorted.map(|id| id.unwrap()).collect();
    assert!(sorted.is_sorted() && sorted.len() == 100);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_lock_does_not_block() {
    let home = tempfile::tempdir().unwrap();
    let other = home.path().join(".ruminate-sort-other");
    std::fs::create_dir(&other).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(other.join(LOCK)).status().unwrap().success());
    let (done, ended) = std::sync::mpsc::channel();
    let dir = home.path().to_path_buf();
    std::thread::spawn(move || done.send(SortDir::in_dir(&dir).map(drop)));
    ended.recv_timeout(std::time::Duration::from_secs(10)).expect("it does not wait for a writer").unwrap();
    assert!(other.exists(), "a file that is not a lock does not show whether its process runs");
}
