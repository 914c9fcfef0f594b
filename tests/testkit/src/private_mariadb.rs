//! A separate MariaDB server for tests that need other settings than the shared one. Requires `mariadbd` in PATH.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

/// A server that ends with the test.
pub struct PrivateMariaDb {
    child: Child,
    command: Command,
    _home: tempfile::TempDir,
    port: u16,
}

impl PrivateMariaDb {
    /// Starts a server with these settings.
    pub async fn start(settings: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--user={}", user()))
            .arg(format!("--datadir={}", data.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(made.is_ok_and(|status| status.success()), "mariadb-install-db is missing or failed");
        let init = home.path().join("init.sql");
        let root = "CREATE USER IF NOT EXISTS root@'127.0.0.1';\nGRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\nCREATE DATABASE IF NOT EXISTS own;\n";
        std::fs::write(&init, root).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("mariadbd");
        command
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--socket=server.sock", "--skip-name-resolve"])
            .args(["--innodb-buffer-pool-size=32M"])
            .arg(format!("--user={}", user()))
            .arg(format!("--port={port}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--init-file={}", init.display()))
            .args(settings)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(home.path().join("log")).unwrap());
        let server = Self { child: command.spawn().unwrap(), command, _home: home, port };
        server.answers().await;
        server
    }

    /// Kills the server with SIGKILL.
    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills the server with SIGKILL and starts it again on its files.
    pub async fn restart(&mut self) {
        self.stop();
        self.child = self.command.spawn().unwrap();
        self.answers().await;
    }

    /// Stops the server cleanly, and starts it again with further settings.
    pub async fn restart_with(&mut self, settings: &[&str]) {
        let mut connection = MySqlConnection::connect(&self.url()).await.unwrap();
        let _ = connection.execute("SHUTDOWN").await;
        self.child.wait().unwrap();
        self.command.args(settings);
        self.child = self.command.spawn().unwrap();
        self.answers().await;
    }

    async fn answers(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while MySqlConnection::connect(&self.url()).await.is_err() {
            assert!(Instant::now() < until, "the separate MariaDB did not start within a minute");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/own", self.port)
    }

    /// Runs statements as root.
    pub async fn run(&self, sql: &str) {
        let mut connection = MySqlConnection::connect(&self.url()).await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
}

impl Drop for PrivateMariaDb {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn user() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}
