//! Swaps a new table for another, and finds the blockers of a swap.

use std::time::Duration;

use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::super::MySql;
use crate::record::Column;
use crate::warehouse::bulk::lost_column;
use crate::warehouse::mysql::sql_files::STEPS;
use crate::warehouse::schema::SchemaObject;
use crate::warehouse::{Error, Reason, TableName};

/// Maximum wait for the lock of a table that is renamed, in seconds.
const RENAME_WAIT: &str = "SET SESSION lock_wait_timeout = 3";

/// Number of attempts to rename, and the shortest pause between two, in which waiting queries run.
const RENAMES: u32 = 30;
const RENAME_PAUSE: Duration = Duration::from_secs(1);

impl MySql {
    async fn table_exists(&self, table: &TableName) -> Result<bool, Error> {
        self.exists(SchemaObject::Table, table.as_str()).await
    }

    pub(super) async fn create_shadow(&self, shadow: &TableName) -> Result<bool, Error> {
        self.reach().await?;
        if self.table_exists(shadow).await? {
            return Ok(false);
        }
        if self.table_exists(&self.table).await? {
            self.sessions.run(format!("CREATE TABLE `{shadow}` LIKE `{}`", self.table)).await?;
            return Ok(true);
        }
        for step in STEPS.iter().filter(|step| step.creates.is_for_shadow_tables()) {
            self.sessions.run(step.sql(shadow)).await?;
        }
        Ok(true)
    }

    pub(super) async fn rename(&self, shadow: &TableName, old: &TableName) -> Result<(), Error> {
        self.reach().await?;
        if self.table_exists(old).await? {
            return Err(Error::new(Reason::AlreadyExists, &self.address, format!("there is a table {old} already")));
        }
        let into_place = format!("`{shadow}` TO `{}`", self.table);
        let sql = match self.table_exists(&self.table).await? {
            true => format!("RENAME TABLE `{}` TO `{old}`, {into_place}", self.table),
            false => format!("RENAME TABLE {into_place}"),
        };
        let mut attempt = 1;
        loop {
            match self.rename_once(&sql).await {
                Err(e) if e.reason == Reason::Locked && attempt < RENAMES => {
                    tracing::info!("{}: in use by another session, attempt {attempt} of {RENAMES}", self.table);
                    tokio::time::sleep(RENAME_PAUSE * attempt.min(5)).await;
                }
                Err(e) if e.reason == Reason::Locked => {
                    let why = format!("other sessions kept it in use for {RENAMES} attempts: {}", e.message);
                    return Err(Error::new(Reason::Locked, &self.address, why));
                }
                renamed => return renamed,
            }
            attempt += 1;
        }
    }

    /// Renames with a short wait for the table's lock: every query that arrives while a RENAME waits has to wait, too.
    async fn rename_once(&self, sql: &str) -> Result<(), Error> {
        let mut session = self.sessions.get().await?;
        let connection = session.connection();
        let renamed = async {
            connection.execute(sqlx::raw_sql(RENAME_WAIT)).await?;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await
        };
        // The session has the short timeout, so it is closed: it is not returned.
        renamed.await.map(drop).map_err(|e| self.sessions.failure(&e))
    }

    /// Returns one text per row.
    async fn query_strings(&self, sql: &'static str) -> Result<Vec<String>, Error> {
        let rows = self.sessions.rows(sqlx::query(sql).bind(self.table.as_str())).await?;
        let texts: Result<Vec<String>, sqlx::Error> = rows.iter().map(|row| row.try_get(0)).collect();
        texts.map_err(|e| self.sessions.failure(&e))
    }

    pub(super) async fn swap_blockers(&self) -> Result<Vec<String>, Error> {
        self.reach().await?;
        let mut found = Vec::new();
        let sql = "SELECT CAST(table_type AS CHAR) FROM information_schema.tables \
                   WHERE table_schema = DATABASE() AND table_name = ? AND table_type <> 'BASE TABLE'";
        for kind in self.query_strings(sql).await? {
            found.push(format!("{} is a {}", self.table, kind.to_lowercase()));
        }
        let sql = "SELECT CAST(trigger_name AS CHAR) FROM information_schema.triggers \
                   WHERE event_object_schema = DATABASE() AND event_object_table = ?";
        for name in self.query_strings(sql).await? {
            found.push(format!("trigger {name} is not moved to the new table"));
        }
        let sql = "SELECT CAST(CONCAT(constraint_name, ' to ', referenced_table_name) AS CHAR) \
                   FROM information_schema.referential_constraints \
                   WHERE constraint_schema = DATABASE() AND table_name = ?";
        for name in self.query_strings(sql).await? {
            found.push(format!("foreign key {name} is not moved to the new table"));
        }
        let sql = "SELECT CAST(CONCAT(constraint_name, ' of ', constraint_schema, '.', table_name) AS CHAR) \
                   FROM information_schema.referential_constraints \
                   WHERE unique_constraint_schema = DATABASE() AND referenced_table_name = ?";
        for name in self.query_strings(sql).await? {
            found.push(format!("foreign key {name} would still refer to the old table"));
        }
        found.extend(self.lost_columns().await?);
        found.extend(self.lacking().await?);
        Ok(found)
    }

    /// Returns the columns that no record has and that have values; generated columns are computed again.
    async fn lost_columns(&self) -> Result<Vec<String>, Error> {
        let mut lost = Vec::new();
        for column in self.described().await?.into_iter().filter(|column| !column.generated) {
            if Column::from_name(&column.name).is_some() {
                continue;
            }
            let name = column.name.replace('`', "``");
            let sql = format!("SELECT EXISTS (SELECT 1 FROM `{}` WHERE `{name}` IS NOT NULL)", self.table);
            if self.number(sqlx::query(AssertSqlSafe(sql))).await? > 0 {
                lost.push(lost_column(&column.name));
            }
        }
        Ok(lost)
    }

    /// Returns the privileges required for a swap that the account is known to lack.
    async fn lacking(&self) -> Result<Vec<String>, Error> {
        let grants = self.sessions.rows(sqlx::query(AssertSqlSafe("SHOW GRANTS".to_owned()))).await?;
        let grants: Vec<String> = grants.iter().filter_map(|row: &MySqlRow| row.try_get(0).ok()).collect();
        let sql = "SELECT CAST(DATABASE() AS CHAR) FROM (SELECT ? AS x) one";
        let database = self.query_strings(sql).await?.into_iter().next().unwrap_or_default();
        let lacking = |privilege: &&str| lacks(&grants, &database, privilege);
        Ok(["CREATE", "DROP", "ALTER", "INSERT"]
            .iter()
            .filter(|privilege| lacking(privilege))
            .map(|privilege| format!("the account has no {privilege} on {database}"))
            .collect())
    }
}

/// Returns true if no grant on all tables includes a privilege; false if there is a role, which may include any
/// privilege.
fn lacks(grants: &[String], database: &str, privilege: &str) -> bool {
    let mut lacks = true;
    for grant in grants {
        let Some((given, on)) = grant.strip_prefix("GRANT ").and_then(|grant| grant.split_once(" ON ")) else {
            // GRANT `role`@`%` TO …
            return false;
        };
        let scope = on.split(" TO ").next().unwrap_or_default();
        let name = scope.strip_suffix(".*").map(|name| name.trim_matches('`').replace("\\_", "_").replace("\\%", "%"));
        let here = name.is_some_and(|name| name == "*" || name == database || name.contains('%'));
        lacks &= !(here && given.split(", ").any(|given| given == privilege || given == "ALL PRIVILEGES"));
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_as_servers_word_them() {
        let cases: [(&[&str], bool); 6] = [
            (&["GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION"], false),
            (&["GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT, INSERT ON `fazendas`.* TO `a`@`%`"], true),
            (&["GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT, DROP ON `fazendas`.* TO `a`@`%`"], false),
            (&["GRANT ALL PRIVILEGES ON `other`.* TO `a`@`%`"], true),
            (&["GRANT ALL PRIVILEGES ON `fazen%`.* TO `a`@`%`"], false),
            (&["GRANT USAGE ON *.* TO `a`@`%`", "GRANT `writer`@`%` TO `a`@`%`"], false),
        ];
        for (grants, lacking) in cases {
            let grants: Vec<String> = grants.iter().map(|&grant| grant.to_owned()).collect();
            assert_eq!(lacks(&grants, "fazendas", "DROP"), lacking, "{grants:?}");
        }
        assert!(!lacks(&["GRANT DROP ON `a\\_b`.* TO `a`@`%`".to_owned()], "a_b", "DROP"));
    }
}
