//! Consecutive messages that are not JSON or not text: another file was joined to this one.

use pipeline::record::Rejection;

/// Number of consecutive messages from which on a file is rejected, regardless of their share.
const JOINED: u64 = 10;

/// Runs of unreadable messages.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// The current run.
    current: Option<Run>,
    /// The first run that is long enough.
    long: Option<Run>,
}

#[derive(Debug, Clone)]
struct Run {
    count: u64,
    /// Line of the first message.
    line: u64,
    /// Reason of the first message.
    why: Rejection,
}

impl Runs {
    /// Adds the next message of a file, and why it is invalid.
    pub(super) fn add(&mut self, why: Option<&Rejection>, line: u64) {
        let is_unreadable = |why: &&Rejection| matches!(why, Rejection::NotJson { .. } | Rejection::NotUtf8 { .. });
        let Some(why) = why.filter(is_unreadable) else {
            self.current = None;
            return;
        };
        let run = self.current.get_or_insert_with(|| Run { count: 0, line, why: why.clone() });
        run.count += 1;
        if run.count == JOINED && self.long.is_none() {
            self.long = Some(run.clone());
        }
    }

    /// Returns why the file must be rejected; `None` without a long run.
    pub(super) fn joined(&self) -> Option<String> {
        let Run { count, line, why } = self.long.as_ref()?;
        Some(format!(
            "{count} consecutive messages and more are unreadable, the first in line {line}: {why}; if another file was joined \
             to this one, split the file there"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_consecutive_unreadable_messages_are_another_file() {
        let joined = |whys: &str| {
            let mut runs = Runs::default();
            for (kind, line) in whys.chars().zip(1..) {
                let why = match kind {
                    'j' => Some(Rejection::NotJson { why: "x".into() }),
                    'u' => Some(Rejection::NotUtf8 { offset: 1 }),
                    'o' => Some(Rejection::NotObject { found: "null" }),
                    _ => None,
                };
                runs.add(why.as_ref(), line);
            }
            runs.joined()
        };
        let why = joined("..jjjjjujjjj......jjjjjjjjjjjj").unwrap();
        assert!(why.contains("the first in line 3: not JSON: x"), "{why}");
        for few in ["", "jjjjjjjjj", "jjjjjjjjj.jjjjjjjjj", "jjjjjojjjjj"] {
            assert_eq!(joined(few), None, "{few}");
        }
    }
}
