//! The servers that the environment names, and databases of a test's own on them.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

/// A MySQL-like server's variable and the group its tests belong to.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    pub variable: &'static str,
    pub group: &'static str,
}

pub const MYSQL: Server = Server { variable: "RUMINATE_TEST_MYSQL", group: "live_mysql" };
pub const MARIADB: Server = Server { variable: "RUMINATE_TEST_MARIADB", group: "live_mariadb" };

/// The value of a variable, or a word on what is left out.
pub fn server(variable: &str, group: &str) -> Option<String> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        eprintln!("left out ({group}): {variable} is not set");
    }
    value
}

/// A new, empty database on a server; dropped by [`Database::drop`].
pub struct Database {
    root: String,
    pub name: String,
}

impl Database {
    pub async fn new(server: Server) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let root = self::server(server.variable, server.group)?;
        let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let database = Self { root, name };
        database.run(&format!("CREATE DATABASE {}", database.name)).await;
        Some(database)
    }

    /// The address of this database.
    pub fn url(&self) -> String {
        format!("{}/{}", self.root, self.name)
    }

    /// Runs a statement as root, outside any pool.
    pub async fn run(&self, sql: &str) {
        let mut connection = MySqlConnection::connect(&self.root).await.unwrap();
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
    }

    pub async fn drop(self) {
        self.run(&format!("DROP DATABASE {}", self.name)).await;
    }
}
