//! Versions of MySQL and MariaDB, and the oldest ones that are supported.

use std::fmt;

/// The oldest supported MySQL: the first 5.7 for production, with `generation_expression` and index keys of 3,072 bytes.
const MYSQL: (u32, u32, u32) = (5, 7, 9);

/// The oldest supported MariaDB: `generation_expression` since 10.2, timeouts of idle transactions since 10.3.
const MARIADB: (u32, u32, u32) = (10, 3, 0);

/// Version of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServerVersion {
    is_mariadb: bool,
    number: (u32, u32, u32),
}

impl ServerVersion {
    /// Parses the result of `VERSION()`; `None` if it does not start with a version.
    pub fn parse(text: &str) -> Option<Self> {
        let is_mariadb = text.to_ascii_lowercase().contains("mariadb");
        // Old replication clients need this prefix of MariaDB.
        let text = text.strip_prefix("5.5.5-").filter(|_| is_mariadb).unwrap_or(text);
        let mut parts = text.split(|c: char| !c.is_ascii_digit());
        let mut next = || parts.next()?.parse().ok();
        let (major, minor) = (next()?, next()?);
        Some(Self { is_mariadb, number: (major, minor, next().unwrap_or_default()) })
    }

    /// Returns what to do if the server is too old; `None` if it is supported.
    pub fn too_old(self) -> Option<String> {
        let oldest = Self { number: if self.is_mariadb { MARIADB } else { MYSQL }, ..self };
        (self.number < oldest.number).then(|| format!("{self} is too old: {oldest} or newer is needed"))
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.number;
        write!(f, "{} {major}.{minor}.{patch}", if self.is_mariadb { "MariaDB" } else { "MySQL" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_servers_write_them() {
        for (text, shown, supported) in [
            ("5.6.51-log", "MySQL 5.6.51", false),
            ("5.7.8-rc", "MySQL 5.7.8", false),
            ("5.7.44-log", "MySQL 5.7.44", true),
            ("5.7.12", "MySQL 5.7.12", true), // Aurora MySQL 2
            ("8.0.39", "MySQL 8.0.39", true),
            ("8.4.3", "MySQL 8.4.3", true),
            ("9.7.4", "MySQL 9.7.4", true),
            ("8.0.11-TiDB-v7.5.0", "MySQL 8.0.11", true),
            ("10.2.44-MariaDB", "MariaDB 10.2.44", false),
            ("5.5.5-10.11.6-MariaDB-log", "MariaDB 10.11.6", true),
            ("11.4.2-MariaDB-1:11.4.2+maria~deb12", "MariaDB 11.4.2", true),
        ] {
            let version = ServerVersion::parse(text).unwrap();
            assert_eq!((version.to_string().as_str(), version.too_old().is_none()), (shown, supported), "{text}");
        }
        assert_eq!(ServerVersion::parse("unknown"), None);
        let e = ServerVersion::parse("5.6.51").unwrap().too_old().unwrap();
        assert_eq!(e, "MySQL 5.6.51 is too old: MySQL 5.7.9 or newer is needed");
    }
}
