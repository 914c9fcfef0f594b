//! Tests of the real binary with a test Runtime API, S3, MySQL and moto; `scripts/test` starts the servers.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod bundle;
mod end_to_end;
mod faults;
mod proxy;
mod rds_auth;
mod refused_rows;
mod sqs;
mod startup;

use pipeline::retry::RetryPolicy;
use pipeline::warehouse::mysql::MySql;
use pipeline::warehouse::{TableName, Warehouse};
use testkit::lambda::sandbox::rds;
use testkit::s3::S3Server;
use testkit::{BUCKET, Database, PREFIX, Server};

/// Returns the value of a variable.
pub fn of(env: &[(String, String)], name: &str) -> String {
    env.iter().find(|(known, _)| known == name).unwrap().1.clone()
}

/// Returns the environment with some variables changed; an empty value removes the variable.
pub fn with(mut env: Vec<(String, String)>, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    env.retain(|(name, _)| changes.iter().all(|(changed, _)| name != changed));
    let set = changes.iter().filter(|(_, value)| !value.is_empty());
    env.extend(set.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    env
}

/// A separate S3 and a separate database with the table.
pub struct Stores {
    pub s3: S3Server,
    pub database: Database,
}

impl Stores {
    pub async fn new(server: Server) -> Self {
        let database = Database::new(server).await;
        let url = database.url().parse().unwrap();
        MySql::new(&url, TableName::default(), 1, RetryPolicy::NO_RETRY).unwrap().init().await.unwrap();
        Self { s3: S3Server::with_bucket(BUCKET), database }
    }

    /// Returns the environment of a sandbox that uses these stores.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = rds(&self.database.url());
        env.extend(self.s3.env().map(|(name, value)| (name.to_owned(), value)));
        env.push(("RUMINATE_LAKE".into(), format!("s3://{BUCKET}/{PREFIX}")));
        env
    }

    /// Returns the number of lake objects, quarantine objects and rows.
    pub async fn held(&self) -> (usize, usize, i64) {
        let objects = |prefix: &str| self.s3.store().list(BUCKET, prefix).len();
        let rows = self.database.count("SELECT COUNT(*) FROM historico_consumo").await;
        (objects(PREFIX), objects("quarentena"), rows)
    }
}
