//! The accounts of `sql/mysql/accounts.sql`: each has exactly the privileges of its programs.

use pipeline::warehouse::{TableName, mysql_accounts};
use testkit::{Database, Scene, Server};

const PASSWORD: &str = "it's a %40 \\ secret";

/// A database with a lake, and accounts that are named like the database.
struct Accounts {
    database: Database,
    scene: Scene,
    count: u64,
}

impl Accounts {
    async fn new(server: Server) -> Self {
        let (database, scene, count) = crate::replay::scene(server).await;
        let accounts = Self { database, scene, count };
        let sql = accounts.named(&mysql_accounts(&TableName::default()));
        let quoted = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
        let set = format!(
            "SET @intake_password = '{quoted}', @operator_password = '{quoted}', @auditor_password = '{quoted}'"
        );
        accounts.database.run(&format!("{set};\n{sql}")).await;
        accounts.database.run(&format!("{set};\n{sql}")).await; // a repeated run changes nothing
        accounts
    }

    /// Replaces the names of the accounts, because they are unique on the server.
    fn named(&self, text: &str) -> String {
        text.replace("ruminate_", &format!("{}_", self.database.name))
    }

    /// Returns the address for an account.
    fn address(&self, account: &str) -> String {
        let url = self.database.url();
        let (_, rest) = url.split_once('@').unwrap();
        let password = PASSWORD.replace('%', "%25").replace(' ', "%20").replace('\\', "%5C").replace('\'', "%27");
        format!("mysql://{}:{password}@{rest}", self.named(account))
    }

    fn run(&self, account: &str, args: &[&str]) -> testkit::Ran {
        let address = self.address(account);
        self.scene.run(&[args, &["--warehouse", &address]].concat())
    }

    /// Runs a statement as an account; returns whether it was permitted.
    async fn may(&self, account: &str, sql: &str) -> bool {
        use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
        let mut connection = sqlx::MySqlConnection::connect(&self.address(account)).await.unwrap();
        let done = connection.execute(AssertSqlSafe(sql)).await;
        connection.close().await.unwrap();
        match done {
            Ok(_) => true,
            Err(e) => {
                assert!(e.to_string().contains("denied"), "{sql}: {e}");
                false
            }
        }
    }

    async fn drop(self) {
        let users = ["ruminate_intake", "ruminate_operator", "ruminate_auditor"].map(|account| self.named(account));
        self.database.run(&format!("DROP USER {}", users.join(", "))).await;
        self.database.drop().await;
    }
}

async fn enough_and_no_more(server: Server) {
    let accounts = Accounts::new(server).await;
    let count = accounts.count;

    // The intake inserts rows, and compares existing ones.
    let intake = ["backfill", "history.json"];
    accounts.run("ruminate_intake", &intake).expect(0, &[("existing", count), ("inserted", count)]);
    accounts.run("ruminate_intake", &intake).expect(0, &[("existing", count), ("identical", count)]);
    for harm in [
        "UPDATE historico_consumo SET peso_medio = 1",
        "DELETE FROM historico_consumo",
        "DROP TABLE historico_consumo",
        "ALTER TABLE historico_consumo ADD COLUMN x INT",
        "CREATE TABLE other (a INT)",
        "SELECT COUNT(*) FROM historico_consumo_lote_dia",
        "SELECT COUNT(*) FROM mysql.user",
    ] {
        assert!(!accounts.may("ruminate_intake", harm).await, "{harm}");
    }

    // The auditor reads.
    accounts.run("ruminate_auditor", &["reconcile"]).expect(0, &[("matched", count)]);
    accounts.run("ruminate_auditor", &["doctor", "--read-only"]).expect(0, &[]);
    for harm in ["INSERT INTO historico_consumo SELECT * FROM historico_consumo", "DELETE FROM historico_consumo"] {
        assert!(!accounts.may("ruminate_auditor", harm).await, "{harm}");
    }

    // The operator does everything else.
    let operator = |args: &[&str]| accounts.run("ruminate_operator", args);
    accounts.database.run("DROP VIEW historico_consumo_lote_dia").await;
    operator(&["init"]).expect(0, &[]);
    accounts.database.run("DELETE FROM historico_consumo LIMIT 5").await;
    operator(&["replay"]).expect(0, &[("inserted", 5), ("identical", count - 5)]);
    accounts.database.run("UPDATE historico_consumo SET peso_medio = 1 LIMIT 3").await;
    operator(&["reconcile", "--repair", "warehouse", "--undo-file", "undo.ndjson"]).expect(1, &[("differing", 3)]);
    operator(&["undo", "undo.ndjson"]).expect(0, &[("restored", 3)]);
    operator(&["replay", "--on-conflict", "overwrite"]).expect(0, &[("overwritten", 3)]);
    operator(&["replay", "--into-new-table"]).expect(0, &[("inserted", count)]);
    operator(&["reconcile"]).expect(0, &[("matched", count)]);
    assert!(!accounts.may("ruminate_operator", "CREATE USER other").await);
    assert!(!accounts.may("ruminate_operator", "SELECT COUNT(*) FROM mysql.user").await);
    accounts.drop().await;
}

on_both! {
    enough_and_no_more: live_mysql_each_account_is_enough_for_its_programs_and_for_no_more, live_mariadb_each_account_is_enough_for_its_programs_and_for_no_more;
}
