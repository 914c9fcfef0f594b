//! Requests of a run to S3, and what they cost. Other stores have other prices and classes: nothing here knows them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use pipeline::lake::{ObjectMeta, Partition};

/// US dollars per 1,000 list requests, in every class (S3's price list for us-east-1, 2025).
const LISTING_PRICE: f64 = 0.005;

/// Returns US dollars per 1,000 reads and per gigabyte read, by storage class (S3's price list for us-east-1, 2025).
fn read_price(class: &str) -> (f64, f64) {
    match class {
        "STANDARD_IA" | "ONEZONE_IA" => (0.001, 0.01),
        "GLACIER_IR" => (0.01, 0.03),
        _ => (0.0004, 0.0),
    }
}

/// Objects of one storage class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassCounts {
    /// Number of objects.
    pub objects: u64,
    /// Total size, in bytes.
    pub bytes: u64,
    /// Number of archived objects that are restored and can be read.
    pub restored: u64,
    /// Number of objects that must be restored before they can be read.
    pub archived: u64,
}

impl ClassCounts {
    /// Adds the counts of another.
    pub fn merge(&mut self, more: &Self) {
        self.objects += more.objects;
        self.bytes += more.bytes;
        self.restored += more.restored;
        self.archived += more.archived;
    }

    /// Returns the cost of reading them, in the currency of the prices: per 1,000 reads, and per gigabyte.
    fn cost(&self, (reads, gigabyte): (f64, f64)) -> f64 {
        let share = (self.objects - self.archived) as f64 / self.objects.max(1) as f64;
        (self.objects - self.archived) as f64 / 1_000.0 * reads + self.bytes as f64 * share / 1e9 * gigabyte
    }
}

/// Counts an object in its class. Returns the class, whose archived objects the caller counts.
pub fn count<'a>(classes: &'a mut BTreeMap<String, ClassCounts>, object: &ObjectMeta) -> &'a mut ClassCounts {
    let class = classes.entry(object.class.to_string()).or_default();
    class.objects += 1;
    class.bytes += object.size;
    class.restored += u64::from(object.restored);
    class
}

/// Adds the classes of other objects.
pub fn merge(classes: &mut BTreeMap<String, ClassCounts>, more: BTreeMap<String, ClassCounts>) {
    for (class, counts) in more {
        classes.entry(class).or_default().merge(&counts);
    }
}

/// Returns the number of list requests that find partitions: of the lake, of each farm and its years, and of its months.
pub fn partition_requests(partitions: &[Partition]) -> u64 {
    let farms: BTreeSet<_> = partitions.iter().map(|partition| &partition.farm).collect();
    let months: BTreeSet<_> =
        partitions.iter().map(|partition| (&partition.farm, partition.day.format("%Y%m").to_string())).collect();
    1 + farms.len() as u64 * 2 + months.len() as u64
}

/// Returns the cost of list requests and of reading all objects that are not archived, in US dollars.
pub fn in_usd(list_requests: u64, classes: &BTreeMap<String, ClassCounts>) -> f64 {
    let reads: f64 = classes.iter().map(|(class, counts)| counts.cost(read_price(class))).sum();
    list_requests as f64 / 1_000.0 * LISTING_PRICE + reads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_consists_of_requests_and_of_bytes_if_the_class_bills_them() {
        let of = |objects, archived, bytes| ClassCounts { objects, archived, bytes, restored: 0 };
        let costs = |class: &str, counts, due: f64| {
            let cost = in_usd(0, &[(class.to_owned(), counts)].into());
            assert!((cost - due).abs() < 1e-9, "{class}: {cost}");
        };
        costs("STANDARD", of(1_000_000, 0, 400_000_000), 0.4);
        costs("STANDARD_IA", of(1_000_000, 0, 1_000_000_000), 1.01);
        costs("STANDARD_IA", of(1_000_000, 500_000, 2_000_000_000), 0.51);
        costs("GLACIER", of(10, 10, 4_000), 0.0); // archived objects are not read
        assert!((in_usd(2_000, &BTreeMap::new()) - 0.01).abs() < 1e-9);
    }

    #[test]
    fn each_level_of_a_lake_is_listed() {
        let partition = |farm: &str, day: &str| Partition { farm: farm.to_owned(), day: day.parse().unwrap() };
        let partitions = [
            partition("a", "2026-01-01"),
            partition("a", "2026-01-02"),
            partition("a", "2026-02-01"),
            partition("b", "2026-01-01"),
        ];
        assert_eq!(partition_requests(&partitions), 1 + 2 * 2 + 3);
        assert_eq!(partition_requests(&[]), 1);
    }
}
