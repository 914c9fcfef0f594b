//! Text of a dry run of `replay`.

use std::fmt;

use chrono::NaiveDate;

use crate::render::{LabelledRows, count, counted, duration, one_line, rate};
use crate::replay::Preview;

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: Option<NaiveDate>| day.map_or("–".to_owned(), |day| day.to_string());
        let rows = self.current_rows.map_or("no table".to_owned(), count);
        writeln!(f, "replay would load {} into {} (dry run)", self.lake, self.warehouse)?;
        let mut lines = vec![
            ("days", format!("{} to {}", day(self.first_day), day(self.last_day))),
            ("partitions", count(self.partitions)),
            ("objects", count(self.objects)),
            ("bytes", count(self.bytes)),
            ("archived", count(self.archived)),
            ("after the cutoff", count(self.after_cutoff)),
            ("dated in the future", count(self.future_dated)),
            ("unrecognized names", count(self.unrecognized)),
            ("folder markers", count(self.folder_markers)),
            ("current rows", rows),
        ];
        if self.is_in_s3() {
            lines.push(("list requests", count(self.list_requests)));
            lines.push(("get requests", count(self.get_requests)));
            lines.push(("request cost", format!("{:.2} US$ (S3, us-east-1)", self.request_cost_usd)));
        }
        if let (Some(sample), Some(seconds)) = (&self.sample, self.seconds) {
            let rate =
                format!("{} (sample of {})", rate(sample.per_second), counted(sample.objects, "object", "objects"));
            lines.push(("reading", format!("{} at {rate}", duration(seconds))));
        }
        if !self.method.is_empty() {
            lines.push(("loading", self.method.clone()));
        }
        f.write_str(&LabelledRows(&lines).to_string())?;
        for (class, of) in self.classes.iter().filter(|_| self.is_in_s3()) {
            let archived =
                if of.archived > 0 { format!(", {} of them archived", count(of.archived)) } else { String::new() };
            let restored = if of.restored > 0 { format!(", {} restored", count(of.restored)) } else { String::new() };
            writeln!(f, "  class {class}: {}{archived}{restored}", counted(of.objects, "object", "objects"))?;
        }
        for (farm, objects) in &self.farms {
            writeln!(f, "  farm {}: {}", one_line(farm), counted(*objects, "object", "objects"))?;
        }
        for change in &self.planned_changes {
            writeln!(f, "  changes: {change}")?;
        }
        for blocker in &self.blockers {
            writeln!(f, "  blocker: {}", one_line(blocker))?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {}; figures cover what was listed so far", one_line(why))?;
        }
        Ok(())
    }
}
