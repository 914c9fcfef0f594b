//! A command as it would be typed into a shell: what came from the environment or the settings file is spelled out,
//! secrets are not.

use std::fmt;
use std::time::Duration;

use super::flags::{CONNECTIONS, LakeFlags, SORT_MEMORY, SortFlags, WarehouseFlags};
use pipeline::lake::Span;
use pipeline::record::Rules;
use pipeline::retry::Retry;
use pipeline::warehouse::TableName;

/// A command with its flags.
pub(super) struct Spelled(String);

impl Spelled {
    pub(super) fn new(verb: &str) -> Self {
        Self(format!("ruminate {verb}"))
    }

    /// A word by itself.
    pub(super) fn word(&mut self, word: impl fmt::Display) -> &mut Self {
        self.0.push_str(&format!(" {}", quoted(&word.to_string())));
        self
    }

    /// A flag with its value.
    pub(super) fn flag(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        self.0.push_str(&format!(" --{name} {}", quoted(&value.to_string())));
        self
    }

    /// A flag with its value, where it has one.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl fmt::Display>) -> &mut Self {
        if let Some(value) = value {
            self.flag(name, value);
        }
        self
    }

    /// A flag with its value, where it is another than the flag has by itself.
    pub(super) fn other<T: fmt::Display + PartialEq>(&mut self, name: &str, value: T, default: T) -> &mut Self {
        self.maybe(name, (value != default).then_some(value))
    }

    /// A flag without a value, where it is set.
    pub(super) fn switch(&mut self, name: &str, set: bool) -> &mut Self {
        if set {
            self.0.push_str(&format!(" --{name}"));
        }
        self
    }

    /// The lake and the warehouse.
    pub(super) fn stores(&mut self, lake: &LakeFlags, warehouse: &WarehouseFlags) -> anyhow::Result<&mut Self> {
        self.flag("lake", &lake.lake).warehouse(warehouse)?;
        Ok(self.other("attempts", lake.attempts, Retry::default().attempts))
    }

    /// The warehouse.
    pub(super) fn warehouse(&mut self, warehouse: &WarehouseFlags) -> anyhow::Result<&mut Self> {
        self.flag("warehouse", warehouse.url()?).other("table", &warehouse.table, &TableName::default());
        Ok(self.other("connections", warehouse.connections, CONNECTIONS))
    }

    /// The rules of treatment.
    pub(super) fn rules(&mut self, rules: Rules) -> &mut Self {
        self.other("meta-rate", rules.meta_rate, Rules::default().meta_rate)
    }

    /// The resources for sorting.
    pub(super) fn sort(&mut self, sort: &SortFlags) -> &mut Self {
        self.other("sort-memory", sort.sort_memory, SORT_MEMORY);
        self.maybe("sort-dir", sort.sort_dir.as_ref().map(|path| path.display()))
    }

    /// The partitions.
    pub(super) fn span(&mut self, span: &Span) -> &mut Self {
        for farm in &span.farms {
            self.flag("farm", farm);
        }
        self.maybe("from", span.from).maybe("to", span.to)
    }
}

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A length of time as the flags take it.
pub(super) fn time(time: Duration) -> String {
    if time.subsec_nanos() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_secs_f64() * 1e3) }
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=@,+%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_shell() {
        assert_eq!(quoted("s3://bucket/a-b"), "s3://bucket/a-b");
        assert_eq!(quoted("mysql://ana:***@h/d"), "'mysql://ana:***@h/d'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_time_is_read_back() {
        for of in [Duration::ZERO, Duration::from_millis(20), Duration::from_secs(90), Duration::from_micros(1_500)] {
            assert_eq!(crate::publish::time(&time(of)), Some(of));
        }
    }
}
