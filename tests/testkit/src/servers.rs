//! Real servers, whose addresses are in environment variables, and databases of a single test on them.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};

/// Variable with the address of a server.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    pub variable: &'static str,
}

pub const MYSQL: Server = Server { variable: "RUMINATE_TEST_MYSQL" };
pub const MARIADB: Server = Server { variable: "RUMINATE_TEST_MARIADB" };
pub const MOTO: Server = Server { variable: "RUMINATE_TEST_MOTO" };

/// Returns the value of a variable.
///
/// # Panics
/// Panics if it is not set: a test that needs a server is ignored, and does not pass without it.
pub fn server(variable: &str) -> String {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    value.unwrap_or_else(|| panic!("{variable} is not set: start the servers with `scripts/servers start`"))
}

/// A new, empty database on a server.
pub struct Database {
    root: String,
    pub name: String,
}

impl Database {
    pub async fn new(server: Server) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let root = self::server(server.variable);
        let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let database = Self { root, name };
        database.run(&format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    /// Returns the address of this database.
    pub fn url(&self) -> String {
        format!("{}/{}", self.root, self.name)
    }

    /// Runs statements as root in this database, outside any pool; returns the rows changed.
    pub async fn run(&self, sql: &str) -> u64 {
        let url = if sql.contains("DATABASE") { self.root.clone() } else { self.url() };
        let mut connection = MySqlConnection::connect(&url).await.unwrap();
        let done = connection.execute(AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    }

    /// Runs statements that change one row each, in one transaction.
    pub async fn run_all(&self, statements: &[String]) {
        let mut connection = MySqlConnection::connect(&self.url()).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        for statement in statements {
            let done = transaction.execute(AssertSqlSafe(&**statement)).await.unwrap();
            assert_eq!(done.rows_affected(), 1, "{statement}");
        }
        transaction.commit().await.unwrap();
        connection.close().await.unwrap();
    }

    /// Returns the other sessions that use this database, oldest first.
    pub async fn sessions(&self) -> Vec<i64> {
        let mut connection = MySqlConnection::connect(&self.url()).await.unwrap();
        let sql = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist \
                   WHERE db = DATABASE() AND id <> CONNECTION_ID() ORDER BY 1";
        let rows = connection.fetch_all(sql).await.unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Kills another session. Returns false if it had already ended.
    pub async fn kill(&self, session: i64) -> bool {
        let mut connection = MySqlConnection::connect(&self.url()).await.unwrap();
        let killed = connection.execute(AssertSqlSafe(format!("KILL {session}"))).await;
        connection.close().await.unwrap();
        match killed {
            Ok(_) => true,
            // ER_NO_SUCH_THREAD
            Err(sqlx::Error::Database(error)) if error.message().starts_with("Unknown thread id") => false,
            Err(error) => panic!("KILL {session}: {error}"),
        }
    }

    /// Returns one number.
    pub async fn count(&self, sql: &str) -> i64 {
        let mut connection = MySqlConnection::connect(&self.url()).await.unwrap();
        let row = connection.fetch_one(AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
        row.get(0)
    }

    /// Returns ids in order.
    pub async fn ids(&self) -> Vec<String> {
        let mut connection = MySqlConnection::connect(&self.url()).await.unwrap();
        let rows = connection.fetch_all("SELECT id_treated_data FROM historico_consumo ORDER BY 1").await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub async fn drop(self) {
        self.run(&format!("DROP DATABASE {}", self.name)).await;
    }
}
