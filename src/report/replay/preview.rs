//! What `replay` is about to do.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use serde::Serialize;

use crate::report::{Exit, Lines, count};

/// The dry run of a replay.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Preview {
    /// The lake's address.
    pub lake: String,
    /// The warehouse's address, without secrets.
    pub warehouse: String,
    /// Partitions to be read.
    pub partitions: u64,
    /// The first day.
    pub first_day: Option<NaiveDate>,
    /// The last day.
    pub last_day: Option<NaiveDate>,
    /// Objects in them.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those in an archive tier.
    pub archived: u64,
    /// Those written after the run began.
    pub after_fence: u64,
    /// Objects whose names are not of this lake.
    pub foreign: u64,
    /// Objects by farm.
    pub farms: BTreeMap<String, u64>,
    /// Rows in the table now; `None` where there is no table.
    pub rows_now: Option<u64>,
}

impl crate::report::Outcome for Preview {
    fn exit(&self) -> Exit {
        Exit::Clean
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: Option<NaiveDate>| day.map_or("–".to_owned(), |day| day.to_string());
        let rows = self.rows_now.map_or("no table: run `ruminate init` first".to_owned(), count);
        writeln!(f, "replay would read {} into {}; nothing was changed", self.lake, self.warehouse)?;
        let lines = Lines(&[
            ("days", format!("{} to {}", day(self.first_day), day(self.last_day))),
            ("partitions", count(self.partitions)),
            ("objects", count(self.objects)),
            ("bytes", count(self.bytes)),
            ("archived", count(self.archived)),
            ("after the fence", count(self.after_fence)),
            ("foreign names", count(self.foreign)),
            ("rows now", rows),
        ])
        .to_string();
        f.write_str(&lines)?;
        for (farm, objects) in &self.farms {
            writeln!(f, "    {farm}: {} objects", count(*objects))?;
        }
        Ok(())
    }
}
