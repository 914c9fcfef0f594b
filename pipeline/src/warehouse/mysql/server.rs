//! Information about the server: version, clock, settings, TLS and privileges, and whether it accepts writes.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use sqlx::{AssertSqlSafe, FromRow, Row as _};

use super::MySql;
use super::version::ServerVersion;
use crate::warehouse::{Error, Reason, ServerStatus, TlsStatus};

/// Settings that are reported.
const SETTINGS: [&str; 14] = [
    "sql_mode",
    "local_infile",
    "max_allowed_packet",
    "read_only",
    "super_read_only",
    "innodb_read_only",
    "character_set_server",
    "collation_server",
    "collation_database",
    "system_time_zone",
    "time_zone",
    "global.sql_mode", // the default of other sessions; this program's own are stricter, and in UTC
    "global.time_zone",
    "version_comment",
];

impl MySql {
    pub(super) async fn server_status(&self) -> Result<ServerStatus, Error> {
        let query = sqlx::query("SELECT CAST(VERSION() AS CHAR), UTC_TIMESTAMP(6) FROM (SELECT ? AS x) one").bind(1);
        let message = self.sessions.rows(query).await?;
        let reported = message.first().ok_or(sqlx::Error::RowNotFound).and_then(<(String, NaiveDateTime)>::from_row);
        let (version, clock) = reported.map_err(|e| self.sessions.failure(&e))?;
        let rows = self.number(sqlx::query(AssertSqlSafe(format!("SELECT COUNT(*) FROM `{}`", self.table)))).await;
        let mut settings = BTreeMap::new();
        for name in SETTINGS {
            if let Some(value) = self.setting(name).await {
                settings.insert(name.to_owned(), value);
            }
        }
        let grants = self.sessions.rows(sqlx::query("SHOW GRANTS")).await.unwrap_or_default();
        let grants = grants.iter().filter_map(|row| row.try_get(0).ok()).collect();
        Ok(ServerStatus {
            too_old: ServerVersion::parse(&version).and_then(ServerVersion::too_old),
            version,
            clock: Some(clock),
            rows: rows.ok().map(i64::unsigned_abs),
            settings,
            grants,
            tls: self.tls_status().await,
        })
    }

    /// Returns the TLS mode and cipher of the sessions.
    async fn tls_status(&self) -> Option<TlsStatus> {
        let (mode, is_local) = self.tls.in_use()?;
        let rows = self.sessions.rows(sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).await.ok()?;
        let cipher = rows.first().and_then(|row| row.try_get::<String, _>(1).ok());
        Some(TlsStatus { mode, is_local, cipher: cipher.filter(|cipher| !cipher.is_empty()) })
    }

    /// Returns an error if the server is too old. Comes before statements that an old server does not understand.
    pub(super) async fn refuse_old(&self) -> Result<(), Error> {
        let rows = self.sessions.rows(sqlx::query("SELECT CAST(VERSION() AS CHAR)")).await?;
        let version = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get::<String, _>(0));
        let version = version.map_err(|e| self.sessions.failure(&e))?;
        let too_old = ServerVersion::parse(&version).and_then(ServerVersion::too_old);
        too_old.map_or(Ok(()), |old| Err(Error::new(Reason::Other, &self.address, old)))
    }

    /// Returns an error if the server accepts no writes at all, as the reader endpoint of an Aurora cluster.
    pub(super) async fn refuse_reader(&self) -> Result<(), Error> {
        for name in ["innodb_read_only", "super_read_only"] {
            if self.setting(name).await.is_some_and(|value| is_on(&value)) {
                // Not `ReadOnly`: another connection to a reader endpoint reaches a reader again.
                let message = format!("this server is a reader ({name} is ON): use the writer endpoint of the cluster");
                return Err(Error::new(Reason::Reader, &self.address, message));
            }
        }
        Ok(())
    }

    /// Returns the value of a server variable; `None` if the server does not have it.
    pub(super) async fn setting(&self, name: &str) -> Option<String> {
        let listed = "SELECT variable_value FROM performance_schema.session_variables WHERE variable_name = ?";
        if let Ok(Some(row)) = self.sessions.rows(sqlx::query(listed).bind(name)).await.as_deref().map(<[_]>::first) {
            return row.try_get(0).ok();
        }
        let rows =
            self.sessions.rows(sqlx::query(AssertSqlSafe(format!("SELECT CAST(@@{name} AS CHAR)")))).await.ok()?;
        rows.first()?.try_get(0).ok()
    }
}

fn is_on(value: &str) -> bool {
    matches!(value, "1" | "ON")
}
