//! The real binary under a Runtime API of the tests' own, against S3, MySQL and moto; `scripts/test` starts the servers.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod bundled;
mod faults;
mod logins;
mod proxy;
mod queue;
mod rows;
#[path = "../../../tests/support/samples.rs"]
mod samples;
#[path = "../../../tests/support/servers.rs"]
mod servers;
mod start;
mod stream;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use pipeline::retry::Retry;
use pipeline::warehouse::mysql::MySql;
use pipeline::warehouse::{TableName, Warehouse};
use ruminate_test_s3::S3Server;
use servers::{Database, Server};
use support::sandbox::rds;

pub const BUCKET: &str = "historico-consumo-fazendas";
pub const PREFIX: &str = "historico_diario";

/// A program that cargo builds beside the bootstrap: itself, an example, or another package's. With a selection of tests
/// cargo builds only itself; `cargo test --workspace`, or a build before, makes all of them new.
pub fn built(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_bootstrap")).with_file_name(name);
    assert!(path.exists(), "{} is missing: cargo build --workspace --bins --examples", path.display());
    path
}

/// The value of a variable.
pub fn of(env: &[(String, String)], name: &str) -> String {
    env.iter().find(|(known, _)| known == name).unwrap().1.clone()
}

/// The environment with some variables changed; one that is empty is taken away.
pub fn with(mut env: Vec<(String, String)>, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    env.retain(|(name, _)| changes.iter().all(|(changed, _)| name != changed));
    let set = changes.iter().filter(|(_, value)| !value.is_empty());
    env.extend(set.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    env
}

/// An S3 of the test's own, and a database with the table.
pub struct Stores {
    pub s3: S3Server,
    pub database: Database,
}

impl Stores {
    pub async fn new(server: Server) -> Option<Self> {
        let database = Database::new(server).await?;
        let url = database.url().parse().unwrap();
        MySql::new(&url, TableName::default(), 1, Retry::ONCE).unwrap().init().await.unwrap();
        Some(Self { s3: S3Server::with_bucket(BUCKET), database })
    }

    /// The environment of a sandbox that writes into them.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = rds(&self.database.url());
        env.extend(self.s3.env().map(|(name, value)| (name.to_owned(), value)));
        env.push(("RUMINATE_LAKE".into(), format!("s3://{BUCKET}/{PREFIX}")));
        env
    }

    /// Objects of the lake, objects of the quarantine, rows.
    pub async fn held(&self) -> (usize, usize, i64) {
        let objects = |prefix: &str| self.s3.store().list(BUCKET, prefix).len();
        let rows = self.database.count("SELECT COUNT(*) FROM historico_consumo").await;
        (objects(PREFIX), objects("quarentena"), rows)
    }
}
