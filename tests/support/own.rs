//! A MariaDB of a test's own, with the settings that the shared one must not have. Needs `mariadbd` on the PATH.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

/// It ends with the test.
pub struct Own {
    child: Child,
    _home: tempfile::TempDir,
    port: u16,
}

impl Own {
    /// `None`, with a word, where MariaDB's tests are left out or its binaries are not here.
    pub async fn start(settings: &[&str]) -> Option<Self> {
        super::server(super::MARIADB.variable, super::MARIADB.group)?;
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--user={}", user()))
            .arg(format!("--datadir={}", data.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("left out ({}): no mariadb-install-db that works", super::MARIADB.group);
            return None;
        }
        let init = home.path().join("init.sql");
        let root = "CREATE USER IF NOT EXISTS root@'127.0.0.1';\nGRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\nCREATE DATABASE own;\n";
        std::fs::write(&init, root).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("mariadbd")
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--socket=server.sock", "--skip-name-resolve"])
            .args(["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0"])
            .arg(format!("--user={}", user()))
            .arg(format!("--port={port}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--init-file={}", init.display()))
            .args(settings)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(home.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let own = Self { child, _home: home, port };
        let until = Instant::now() + Duration::from_secs(60);
        while MySqlConnection::connect(&own.url()).await.is_err() {
            assert!(Instant::now() < until, "no MariaDB of our own within a minute");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Some(own)
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

impl Drop for Own {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn user() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}
