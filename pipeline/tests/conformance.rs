//! The suites that every back end passes, on those that need no server. S3 is in `tests/conformance`, MySQL in `tests/live`.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use pipeline::lake::Lake as _;
use pipeline::lake::dir::Dir;
use pipeline::lake::memory::Memory as MemoryLake;
use pipeline::warehouse::TableName;
use pipeline::warehouse::memory::Memory as MemoryWarehouse;
use pipeline::warehouse::sqlite::Sqlite;
use testkit::conformance::{lake, warehouse};

#[tokio::test]
async fn a_lake_in_memory_conforms() {
    lake::check(&*MemoryLake::default().sibling("lake")).await;
}

#[tokio::test]
async fn a_lake_in_a_directory_conforms() {
    let home = tempfile::tempdir().unwrap();
    lake::check(&Dir::new(home.path().join("bucket/lake"))).await;
}

#[tokio::test]
async fn a_warehouse_in_memory_conforms() {
    warehouse::check(&MemoryWarehouse::default()).await;
    warehouse::bulk(&MemoryWarehouse::default()).await;
}

#[tokio::test]
async fn a_warehouse_in_sqlite_conforms() {
    let home = tempfile::tempdir().unwrap();
    warehouse::check(&Sqlite::new(&home.path().join("w.db"), TableName::default())).await;
    warehouse::bulk(&Sqlite::new(&home.path().join("b.db"), TableName::default())).await;
}
