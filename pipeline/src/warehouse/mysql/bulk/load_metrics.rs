//! Load metrics of a server, and replica lag.

use std::time::Duration;

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Column as _, Executor as _, Row as _, SqlSafeStr as _, Statement as _};

use super::super::MySql;
use crate::warehouse::bulk::LoadMetrics;
use crate::warehouse::{Error, Reason, throttle_query};

impl MySql {
    pub(super) async fn read_load_metrics(&self, query: Option<&str>) -> Result<LoadMetrics, Error> {
        let rows = self.sessions.query_text("SHOW GLOBAL STATUS LIKE 'Threads_running'".into()).await?;
        let threads_running = rows.first().and_then(|row| text(row, 1)).and_then(|text| text.parse().ok());
        let query = match query {
            Some(query) => Some(self.ask(query).await?),
            None => None,
        };
        Ok(LoadMetrics { threads_running, query_value: query })
    }

    /// Returns the number in the result of a custom query.
    async fn ask(&self, query: &str) -> Result<f64, Error> {
        let failed = |reason, what: String| Error::new(reason, &self.address, format!("the query {query:?} {what}"));
        throttle_query::check(query).map_err(|why| failed(Reason::Other, format!("is not run: {why}")))?;
        let mut session = self.sessions.get().await?;
        let rows = select_read_only(session.connection(), query).await.and_then(|rows| {
            rows.ok_or_else(|| sqlx::Error::Protocol("it returns no column: it must be a SELECT".into()))
        });
        // After an error the transaction may be open: the session is then closed, because it is not returned.
        let rows = match rows {
            Ok(rows) => self.sessions.after(session, Ok(rows))?,
            Err(e) => {
                let e = self.sessions.failure(&e);
                return Err(failed(e.reason, format!("fails: {}", e.message)));
            }
        };
        let number = rows.first().and_then(|row| text(row, 0)).and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| failed(Reason::Other, "returned no number in the first column".into()))
    }

    pub(super) async fn lag(&self) -> Result<Option<Duration>, Error> {
        let rows = match self.sessions.query_text("SHOW REPLICA STATUS".into()).await {
            // Servers from before 2020 only support the older statement.
            Err(e) if e.reason == Reason::Other => self.sessions.query_text("SHOW SLAVE STATUS".into()).await?,
            rows => rows?,
        };
        let channels: Vec<Status> = rows.iter().map(status).collect();
        lag(&channels).map_err(|message| Error::new(Reason::Other, &self.address, message))
    }
}

/// Runs one SELECT in a read-only transaction; `None` if it returns no columns, and so is not run.
///
/// The server prepares the text first, which it does for a single statement only. A statement without columns, such as
/// `SELECT … INTO OUTFILE`, could have an effect outside of the transaction.
async fn select_read_only(connection: &mut MySqlConnection, query: &str) -> Result<Option<Vec<MySqlRow>>, sqlx::Error> {
    connection.execute(sqlx::raw_sql("START TRANSACTION READ ONLY")).await?;
    let prepared = connection.prepare(AssertSqlSafe(query.to_owned()).into_sql_str()).await?;
    let rows = match prepared.columns() {
        [] => None,
        _ => Some(connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(query.to_owned()))).await?),
    };
    connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
    Ok(rows)
}

/// Returns a value as text, as received with the text protocol.
fn text(row: &MySqlRow, at: usize) -> Option<String> {
    row.try_get_unchecked::<Option<String>, _>(at).ok().flatten()
}

/// Columns of one channel, by name.
type Status = Vec<(String, Option<String>)>;

fn status(row: &MySqlRow) -> Status {
    row.columns().iter().map(|column| (column.name().to_owned(), text(row, column.ordinal()))).collect()
}

/// Returns the longest lag of all channels.
fn lag(channels: &[Status]) -> Result<Option<Duration>, String> {
    let mut longest = None;
    for channel in channels {
        let value = |names: [&str; 2]| {
            let found = channel.iter().find(|(name, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)));
            found.and_then(|(_, value)| value.as_deref())
        };
        match value(["Seconds_Behind_Source", "Seconds_Behind_Master"]).and_then(|text| text.parse().ok()) {
            Some(seconds) => longest = longest.max(Some(Duration::from_secs(seconds))),
            None => {
                let errors = [["Last_IO_Error", ""], ["Last_SQL_Error", ""]].map(value);
                let message =
                    errors.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
                let details =
                    if message.is_empty() { "start it, or leave this replica out".to_owned() } else { message };
                return Err(format!("replication has stopped on this replica: {details}"));
            }
        }
    }
    Ok(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(columns: &[(&str, Option<&str>)]) -> Status {
        columns.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn the_columns_of_both_servers_are_read() {
        let mysql = channel(&[("Replica_IO_Running", Some("Yes")), ("Seconds_Behind_Source", Some("7"))]);
        let mariadb = channel(&[("Slave_IO_Running", Some("Yes")), ("Seconds_Behind_Master", Some("12"))]);
        assert_eq!(lag(std::slice::from_ref(&mysql)), Ok(Some(Duration::from_secs(7))));
        assert_eq!(lag(&[mysql.clone(), mariadb]), Ok(Some(Duration::from_secs(12))));
        assert_eq!(lag(&[]), Ok(None));
        let stopped = channel(&[
            ("Seconds_Behind_Source", None),
            ("Last_IO_Error", Some("")),
            ("Last_SQL_Error", Some("Duplicate entry")),
        ]);
        assert!(lag(&[mysql, stopped]).unwrap_err().ends_with("replica: Duplicate entry"));
        let silent = channel(&[("Seconds_Behind_Master", None)]);
        assert!(lag(&[silent]).unwrap_err().contains("has stopped"));
    }
}
