//! The servers that the environment names, and databases of a test's own on them.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

/// A server's variable and the group its tests belong to.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    pub variable: &'static str,
    pub group: &'static str,
}

pub const MYSQL: Server = Server { variable: "RUMINATE_TEST_MYSQL", group: "live_mysql" };
pub const MARIADB: Server = Server { variable: "RUMINATE_TEST_MARIADB", group: "live_mariadb" };
pub const MOTO: Server = Server { variable: "RUMINATE_TEST_MOTO", group: "live_moto" };

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

/// A client of the SNS that moto plays.
pub fn sns(moto: &str) -> aws_sdk_sns::Client {
    use aws_sdk_sns::config::{BehaviorVersion, Builder, Credentials, Region};
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("x", "y", None, None, "test"))
        .region(Region::new("us-east-1"))
        .endpoint_url(moto)
        .http_client(http);
    aws_sdk_sns::Client::from_conf(config.build())
}

/// The 52 readings of four real days, a line each.
pub fn real_readings() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/real");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let lines = files.iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    lines.collect()
}
