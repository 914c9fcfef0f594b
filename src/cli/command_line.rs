//! A command as it would be typed into a shell: what came from the environment or the settings file is spelled out,
//! secrets are not.

use std::fmt;
use std::time::Duration;

use super::flags::{CONNECTIONS, LakeFlags, SORT_MEMORY, SortFlags, WarehouseFlags};
use pipeline::lake::Span;
use pipeline::record::Rules;
use pipeline::retry::RetryPolicy;
use pipeline::warehouse::TableName;

/// A command with its flags.
pub(super) struct CommandLine(String);

impl CommandLine {
    pub(super) fn new(verb: &str) -> Self {
        Self(format!("ruminate {verb}"))
    }

    /// A word by itself.
    pub(super) fn arg(&mut self, word: impl fmt::Display) -> &mut Self {
        self.0.push_str(&format!(" {}", shell_quote(&word.to_string())));
        self
    }

    /// A flag with its value.
    pub(super) fn flag(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        self.0.push_str(&format!(" --{name} {}", shell_quote(&value.to_string())));
        self
    }

    /// A flag with its value, where it has one.
    pub(super) fn flag_if_some(&mut self, name: &str, value: Option<impl fmt::Display>) -> &mut Self {
        if let Some(value) = value {
            self.flag(name, value);
        }
        self
    }

    /// A flag with its value, where it is another than the flag has by itself.
    pub(super) fn flag_unless_default<T: fmt::Display + PartialEq>(
        &mut self,
        name: &str,
        value: T,
        default: T,
    ) -> &mut Self {
        self.flag_if_some(name, (value != default).then_some(value))
    }

    /// A flag without a value, where it is set.
    pub(super) fn flag_if(&mut self, name: &str, set: bool) -> &mut Self {
        if set {
            self.0.push_str(&format!(" --{name}"));
        }
        self
    }

    /// The lake and the warehouse.
    pub(super) fn stores(&mut self, lake: &LakeFlags, warehouse: &WarehouseFlags) -> anyhow::Result<&mut Self> {
        self.flag("lake", &lake.lake).warehouse(warehouse)?;
        Ok(self.flag_unless_default("attempts", lake.attempts, RetryPolicy::default().max_attempts))
    }

    /// The warehouse.
    pub(super) fn warehouse(&mut self, warehouse: &WarehouseFlags) -> anyhow::Result<&mut Self> {
        self.flag("warehouse", warehouse.url()?).flag_unless_default("table", &warehouse.table, &TableName::default());
        Ok(self.flag_unless_default("connections", warehouse.connections, CONNECTIONS))
    }

    /// The rules of treatment.
    pub(super) fn rules(&mut self, rules: Rules) -> &mut Self {
        self.flag_unless_default("meta-rate", rules.meta_rate, Rules::default().meta_rate)
    }

    /// The resources for sorting.
    pub(super) fn sort(&mut self, sort: &SortFlags) -> &mut Self {
        self.flag_unless_default("sort-memory", sort.sort_memory, SORT_MEMORY);
        self.flag_if_some("sort-dir", sort.sort_dir.as_ref().map(|path| path.display()))
    }

    /// The partitions.
    pub(super) fn span(&mut self, span: &Span) -> &mut Self {
        for farm in &span.farms {
            self.flag("farm", farm);
        }
        self.flag_if_some("from", span.from).flag_if_some("to", span.to)
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A length of time as the flags take it.
pub(super) fn format_duration(time: Duration) -> String {
    if time.subsec_nanos() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_secs_f64() * 1e3) }
}

/// A word as a POSIX shell takes it.
fn shell_quote(word: &str) -> String {
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
        assert_eq!(shell_quote("s3://bucket/a-b"), "s3://bucket/a-b");
        assert_eq!(shell_quote("mysql://ana:***@h/d"), "'mysql://ana:***@h/d'");
        assert_eq!(shell_quote("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_quote(""), "''");
    }

    #[test]
    fn a_time_is_read_back() {
        for of in [Duration::ZERO, Duration::from_millis(20), Duration::from_secs(90), Duration::from_micros(1_500)] {
            assert_eq!(crate::publish::parse_duration(&format_duration(of)), Some(of));
        }
    }
}
