//! Journal entries: written in the same session as the rows they describe, and reassembled when read.

use std::sync::Arc;

use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::super::MySql;
use super::session::Session;
use crate::error::Kind;
use crate::record::row::Value;
use crate::warehouse::bulk::{ChangeSet, JournalEntry};
use crate::warehouse::mysql::sql_files::JOURNAL;
use crate::warehouse::{Error, Reason, TableName};

/// Maximum size of an entry's part, in bytes; also at most a quarter of a packet.
const PART: usize = 48 * 1024;

/// Deletes and writes the journal entries of a change.
pub(super) async fn write(
    session: &mut Session<'_>,
    table: &TableName,
    change: &ChangeSet<'_>,
    id: &str,
) -> Result<(), Error> {
    let whole: Arc<str> = "DELETE FROM ruminate_journal WHERE table_name = ? AND run_id = ? AND seq = ?".into();
    // With the complete key, only the row itself is locked, and not the gap after it where others insert.
    let single: Arc<str> = format!("{whole} AND part = 0 AND parts = 1").into();
    for (run, seq) in change.journal_deletes {
        let key = [text(table.as_str()), text(run), Value::Integer(seq.cast_signed())];
        if session.run(&single, key.iter()).await.map_err(of_journal)? == 0 {
            session.run(&whole, key.iter()).await.map_err(of_journal)?;
        }
    }
    let sql: Arc<str> = "INSERT INTO ruminate_journal (table_name, run_id, seq, part, parts, change_id, at, note) \
                         VALUES (?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6), ?) ON DUPLICATE KEY UPDATE parts = VALUES(parts), \
                         change_id = VALUES(change_id), at = VALUES(at), note = VALUES(note)"
        .into();
    for entry in change.journal_writes {
        let parts = parts(&entry.text, PART.min(session.packet / 4).max(4));
        for (part, message) in (0..).zip(&parts) {
            let values = [
                text(table.as_str()),
                text(entry.run_id),
                Value::Integer(entry.seq.cast_signed()),
                Value::Integer(part),
                Value::Integer(i64::try_from(parts.len()).unwrap_or(i64::MAX)),
                text(id),
                text(message),
            ];
            session.run(&sql, values.iter()).await.map_err(of_journal)?;
        }
    }
    Ok(())
}

/// Changes the error for a missing table: it is the journal, not the table of records.
fn of_journal(e: Error) -> Error {
    match e.reason {
        Reason::NoTable => Error { message: "there is no journal".into(), ..e },
        _ => e,
    }
}

fn text(shown: impl ToString) -> Value {
    Value::Text(shown.to_string())
}

/// Splits a text between characters into parts of at most `max` bytes; at least one part.
fn parts(text: &str, max: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while rest.len() > max {
        let (part, later) = rest.split_at(rest.floor_char_boundary(max));
        parts.push(part);
        rest = later;
    }
    parts.push(rest);
    parts
}

impl MySql {
    pub(super) async fn journal_exists(&self) -> Result<bool, Error> {
        let sql = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?";
        let run = |_| async { self.number(sqlx::query(sql).bind("ruminate_journal")).await };
        Ok(self.retry.run(Error::kind, run).await? > 0)
    }

    pub(super) async fn create_journal(&self) -> Result<(), Error> {
        self.sessions.run(JOURNAL.to_owned()).await.map_err(|e| match e.reason {
            Reason::Privilege => {
                let message = format!(
                    "the journal table cannot be created: let an administrator run sql/mysql/journal.sql and grant SELECT, INSERT, UPDATE \
                     and DELETE on ruminate_journal, or do without it and its --resume by --no-journal: {}",
                    e.message
                );
                Error { message, ..e }
            }
            _ => e,
        })
    }

    /// Returns true if an entry was written by that change.
    pub(super) async fn is_journaled(&self, entry: &JournalEntry, id: &str) -> Result<bool, Error> {
        let sql = "SELECT COUNT(*) FROM ruminate_journal \
                   WHERE table_name = ? AND run_id = ? AND seq = ? AND part = 0 AND change_id = ?";
        let query = sqlx::query(sql).bind(self.table.as_str()).bind(entry.run_id.to_string()).bind(entry.seq).bind(id);
        Ok(self.number(query).await.map_err(of_journal)? > 0)
    }

    /// Returns the entries of this table that match a condition, sorted by its ORDER BY.
    pub(super) async fn read_entries(&self, filter: &str, run: &str) -> Result<Vec<JournalEntry>, Error> {
        if !self.journal_exists().await? {
            return Ok(Vec::new());
        }
        let sql: Arc<str> = format!(
            "SELECT run_id, seq, CAST(part AS SIGNED), CAST(parts AS SIGNED), note FROM ruminate_journal j \
             WHERE table_name = ? AND {filter} = ? ORDER BY \
             (SELECT at FROM ruminate_journal h WHERE h.table_name = j.table_name AND h.run_id = j.run_id AND h.seq = j.seq \
             AND h.seq = 0 AND h.part = 0) DESC, run_id, seq, part"
        )
        .into();
        let read = |_| async {
            let query = sqlx::query(AssertSqlSafe(Arc::clone(&sql))).bind(self.table.as_str()).bind(run);
            let rows = self.sessions.rows(query).await.map_err(of_journal)?;
            whole(&rows).map_err(|e| self.sessions.failure(&e))
        };
        self.retry.run(|e: &Error| if e.reason == Reason::NoTable { Kind::Permanent } else { e.kind() }, read).await
    }
}

/// Reassembles parts; remaining parts of an older, longer text are omitted.
fn whole(rows: &[MySqlRow]) -> Result<Vec<JournalEntry>, sqlx::Error> {
    let mut entries: Vec<JournalEntry> = Vec::new();
    let mut parts = 0;
    for row in rows {
        let (part, message): (i64, String) = (row.try_get(2)?, row.try_get(4)?);
        if part == 0 {
            parts = row.try_get(3)?;
            let run = row.try_get::<String, _>(0)?.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
            entries.push(JournalEntry { run_id: run, seq: row.try_get(1)?, text: message });
        } else if let Some(entry) = entries.last_mut().filter(|_| part < parts) {
            entry.text.push_str(&message);
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_notes_are_cut_between_characters() {
        assert_eq!(parts("", 10), [""]);
        assert_eq!(parts("abcdef", 3), ["abc", "def"]);
        let text = "ração 🐂 ".repeat(500);
        let cut = parts(&text, 7);
        assert!(cut.iter().all(|part| part.len() <= 7 && !part.is_empty()));
        assert_eq!(cut.concat(), text);
    }
}
