//! Session of either driver during one change.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use mysql_async::prelude::Queryable;
use sqlx::{AssertSqlSafe, Executor};

use super::super::values::bind;
use super::super::{MySql, columns, error, pool};
use super::load_pool::LoadSession;
use super::{load_data_format, numbers};
use crate::record::row::{Row, TableSchema, Value};
use crate::warehouse::{Error, LoadMethod, Reason};

/// Maximum size of text that is sent at once, in bytes; also at most half a packet.
const PIECE: usize = 128 * 1024;

/// Error codes of the server for an existing row.
const TAKEN: [u16; 4] = [1022, 1062, 1169, 1586];

/// Error codes of server and protocol for a rejected LOCAL file: disabled by client, by server, or by privilege.
const UNWANTED: [u16; 5] = [1148, 1235, 2068, 3948, 4166];

/// Error codes for a statement that something between the client and the server does not know: ProxySQL answers 1047,
/// others a syntax error (1064, 1149), an unknown error (1105) or an unsupported statement (1295). They count only if
/// the file was not requested.
const UNKNOWN_STATEMENT: [u16; 5] = [1047, 1064, 1105, 1149, 1295];

/// Result of sending rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendResult {
    Inserted,
    /// At least one id is already taken.
    IdTaken,
    /// Some rows failed or were changed; only INSERT reports the reason.
    NeedsInsert,
    /// The server rejects LOCAL files, with its message.
    LocalInfileRefused(String),
}

enum DriverSession {
    MysqlAsync(LoadSession),
    Sqlx(pool::Session),
}

/// Session of a warehouse.
pub(super) struct Session<'a> {
    warehouse: &'a MySql,
    line: DriverSession,
    /// Maximum packet size, in bytes.
    pub packet: usize,
    /// True after an error that makes the session unusable.
    broken: bool,
}

impl<'a> Session<'a> {
    pub async fn open(warehouse: &'a MySql, method: LoadMethod) -> Result<Self, Error> {
        let (line, packet) = match method {
            LoadMethod::LoadData => {
                let mut fast = warehouse.loader.sessions.get(&warehouse.address).await?;
                let packet = fast.connection().packet;
                (DriverSession::MysqlAsync(fast), packet)
            }
            LoadMethod::Insert => {
                // Read before a session is taken: it needs a session, and the limit may be one.
                let packet = warehouse.packet().await?;
                (DriverSession::Sqlx(warehouse.sessions.get().await?), packet)
            }
        };
        Ok(Self { warehouse, line, packet, broken: false })
    }

    /// Returns the session to the pool, unless it is broken.
    pub fn close(self) {
        match self.line {
            DriverSession::MysqlAsync(mut fast) => fast.is_reusable = !self.broken,
            DriverSession::Sqlx(plain) if !self.broken => drop(self.warehouse.sessions.after(plain, Ok(()))),
            DriverSession::Sqlx(_) => {}
        }
    }

    /// Runs SQL text without values.
    pub async fn execute_static(&mut self, sql: &'static str) -> Result<(), Error> {
        let message = match &mut self.line {
            DriverSession::MysqlAsync(fast) => {
                fast.connection().connection.query_drop(sql).await.map_err(DriverError::Fast)
            }
            DriverSession::Sqlx(plain) => plain.connection().execute(sql).await.map(drop).map_err(DriverError::Plain),
        };
        message.map_err(|e| self.failure(&e))
    }

    /// Runs a statement with its values; returns the number of matched rows.
    pub async fn run(&mut self, sql: &Arc<str>, values: impl Iterator<Item = &Value> + Send) -> Result<u64, Error> {
        let done = match &mut self.line {
            DriverSession::MysqlAsync(fast) => {
                let values: Vec<mysql_async::Value> = values.map(driver).collect();
                let connection = &mut fast.connection().connection;
                let done = connection.exec_drop(&**sql, values).await;
                done.map(|()| connection.affected_rows()).map_err(DriverError::Fast)
            }
            DriverSession::Sqlx(plain) => {
                let query = values.fold(sqlx::query(AssertSqlSafe(Arc::clone(sql))), bind);
                let done = query.execute(plain.connection()).await;
                done.map(|done| done.rows_affected()).map_err(DriverError::Plain)
            }
        };
        done.map_err(|e| self.failure(&e))
    }

    /// Returns true if a statement has a result.
    pub async fn finds(&mut self, sql: &Arc<str>, values: Vec<&Value>) -> Result<bool, Error> {
        let found = match &mut self.line {
            DriverSession::MysqlAsync(fast) => {
                let values: Vec<mysql_async::Value> = values.into_iter().map(driver).collect();
                let found = fast.connection().connection.exec_first::<mysql_async::Row, _, _>(&**sql, values).await;
                found.map(|row| row.is_some()).map_err(DriverError::Fast)
            }
            DriverSession::Sqlx(plain) => {
                let query = values.into_iter().fold(sqlx::query(AssertSqlSafe(Arc::clone(sql))), bind);
                let found = query.fetch_optional(plain.connection()).await;
                found.map(|row| row.is_some()).map_err(DriverError::Plain)
            }
        };
        found.map_err(|e| self.failure(&e))
    }

    /// Sends rows as the lines of a file that is generated while it is read.
    pub async fn load(&mut self, rows: &[Row], schema: &TableSchema) -> Result<SendResult, Error> {
        let DriverSession::MysqlAsync(fast) = &mut self.line else {
            return Ok(SendResult::LocalInfileRefused("this session sends no file".into()));
        };
        let piece = PIECE.min(self.packet / 2).max(1);
        let sql = format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE `{}` CHARACTER SET utf8mb4 \
             FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({})",
            self.warehouse.table,
            columns()
        );
        let (sender, receiver) = mpsc::channel::<std::io::Result<Bytes>>(1);
        let connection = &mut fast.connection().connection;
        let requested = Arc::new(AtomicBool::new(false));
        let on_request = Arc::clone(&requested);
        connection.set_infile_handler(async move {
            on_request.store(true, Ordering::SeqCst);
            Ok(receiver.boxed())
        });
        let done = tokio::select! {
            done = connection.query_drop(sql) => done,
            never = stream_rows(rows, schema, piece, sender) => match never {},
        };
        match done {
            Ok(()) => {}
            Err(mysql_async::Error::Server(message))
                if UNWANTED.contains(&message.code)
                    || UNKNOWN_STATEMENT.contains(&message.code) && !requested.load(Ordering::SeqCst) =>
            {
                return Ok(SendResult::LocalInfileRefused(format!("{} (error {})", message.message, message.code)));
            }
            Err(e) => return Err(self.failure(&DriverError::Fast(e))),
        }
        // Records, deleted, skipped, warnings: in this order in every language.
        let counts = numbers(&connection.info());
        let expected = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        match counts[..] {
            [records, 0, 0, 0] if records == expected => Ok(SendResult::Inserted),
            [_, 0, skipped, warnings] if skipped > 0 && warnings == skipped => {
                let codes = connection.query_map("SHOW WARNINGS", |(_, code, _): (String, u16, String)| code).await;
                let codes = codes.map_err(|e| self.failure(&DriverError::Fast(e)))?;
                let taken = !codes.is_empty() && codes.iter().all(|code| TAKEN.contains(code));
                Ok(if taken { SendResult::IdTaken } else { SendResult::NeedsInsert })
            }
            _ => Ok(SendResult::NeedsInsert),
        }
    }

    fn failure(&mut self, e: &DriverError) -> Error {
        let table = &self.warehouse.table;
        let (from_server, (reason, message)) = match e {
            DriverError::Fast(e) => (matches!(e, mysql_async::Error::Server(_)), error::explain_async(e, table)),
            DriverError::Plain(e) => (matches!(e, sqlx::Error::Database(_)), error::classify(e, table)),
        };
        self.broken |= !from_server || matches!(reason, Reason::Unreachable | Reason::ReadOnly);
        Error::new(reason, &self.warehouse.address, message)
    }
}

enum DriverError {
    Fast(mysql_async::Error),
    Plain(sqlx::Error),
}

/// Encodes rows while the server reads, one piece ahead, then waits for the result.
async fn stream_rows(
    rows: &[Row],
    schema: &TableSchema,
    piece: usize,
    mut sender: mpsc::Sender<std::io::Result<Bytes>>,
) -> Infallible {
    let mut written = Vec::with_capacity(PIECE + 4_096);
    for (at, row) in rows.iter().enumerate() {
        load_data_format::encode(row, schema, &mut written);
        if written.len() >= PIECE || at + 1 == rows.len() {
            let mut bytes = Bytes::from(std::mem::replace(&mut written, Vec::with_capacity(PIECE + 4_096)));
            while !bytes.is_empty() {
                let part = bytes.split_to(piece.min(bytes.len()));
                if sender.send(Ok(part)).await.is_err() {
                    // The server has responded before the end; the other future returns its response.
                    return std::future::pending().await;
                }
            }
        }
    }
    drop(sender);
    std::future::pending().await
}

/// Converts a value to the type of mysql_async.
fn driver(value: &Value) -> mysql_async::Value {
    match value {
        Value::Null => mysql_async::Value::NULL,
        Value::Text(text) | Value::Invalid(text) => mysql_async::Value::Bytes(text.as_bytes().to_vec()),
        Value::Float(value) => mysql_async::Value::Float(*value),
        Value::Double(value) => mysql_async::Value::Double(*value),
        Value::Integer(value) => mysql_async::Value::Int(*value),
        Value::DateTime(at) => date(*at),
    }
}

fn date(at: chrono::NaiveDateTime) -> mysql_async::Value {
    use chrono::{Datelike, Timelike};
    let small = |number: u32| u8::try_from(number).unwrap_or_default();
    let year = u16::try_from(at.year()).unwrap_or_default();
    let micros = at.nanosecond() / 1_000;
    let (hour, minute, second) = (small(at.hour()), small(at.minute()), small(at.second()));
    mysql_async::Value::Date(year, small(at.month()), small(at.day()), hour, minute, second, micros)
}

/// Returns the approximate size of a value in a statement, in bytes.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Invalid(text) => text.len() + 9,
        _ => 14,
    }
}
