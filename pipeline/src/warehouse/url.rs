//! Parsing of `--warehouse`: a MySQL URL or a SQLite file. Passwords are never displayed. [`WarehouseUrl`] chooses among the
//! back ends.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::WarehouseUrl;
use super::mysql::options;
use crate::place;

/// Hint on valid warehouse URLs, for error messages.
const FORMS: &str = WarehouseUrl::FORMS;

/// Characters of a user or password that are encoded: all except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl WarehouseUrl {
    /// Builds a URL from the separate variables of the legacy Lambda.
    ///
    /// # Errors
    /// Returns an error if the host is invalid.
    pub fn from_parts(host: &str, port: u16, user: &str, password: &str, database: &str) -> Result<Self, String> {
        let mut url = Url::parse("mysql://localhost").map_err(|e| e.to_string())?;
        let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
        url.set_host(Some(&host)).map_err(|e| format!("RDS_HOST {host:?} is not a host: {e}"))?;
        let refused = |()| "RDS_HOST is not a host".to_owned();
        url.set_port(Some(port)).map_err(refused)?;
        let plain = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
        url.set_username(&plain(user)).map_err(refused)?;
        url.set_password((!password.is_empty()).then_some(&*plain(password))).map_err(refused)?;
        url.set_path(database);
        Ok(Self::MySql(url))
    }
}

/// Returns true for the URL of a MySQL or MariaDB server.
pub(super) fn is_server(text: &str) -> bool {
    place::scheme(text).is_some_and(|scheme| is_mysql(scheme) && text[scheme.len()..].starts_with("://"))
}

fn is_mysql(scheme: &str) -> bool {
    ["mysql", "mariadb"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Returns the error for an address of no known form.
pub(super) fn unknown(text: &str) -> String {
    match place::scheme(text) {
        Some(scheme) => misspelt(scheme),
        None if text.contains('@') => format!("the warehouse's address has no kind: write {FORMS}"),
        None => format!("the warehouse {text:?} has no kind: a SQLite file is written sqlite:{text}; write {FORMS}"),
    }
}

/// Returns an error message with the correct spelling for a scheme. It omits the rest of the URL, which may contain a
/// password.
fn misspelt(scheme: &str) -> String {
    match scheme.to_ascii_lowercase().as_str() {
        known if is_mysql(known) => format!("after {scheme}: come two slashes: write {FORMS}"),
        "sqlite" | "sqlite3" => format!("a SQLite file is written sqlite:PATH, not {scheme}:PATH"),
        "jdbc" => format!("omit \"jdbc:\", and give user and password in the address: write {FORMS}"),
        other if other.starts_with("mysql") || other.starts_with("mariadb") => {
            format!("a warehouse of kind {scheme:?} is not known: the driver is not named: write {FORMS}")
        }
        _ => format!("a warehouse of kind {scheme:?} is not known: write {FORMS}"),
    }
}

/// Parses what follows `sqlite:`.
pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("//").unwrap_or(text);
    match path {
        "" => return Err("sqlite: has no file name: write sqlite:PATH".into()),
        ":memory:" => return Err("a warehouse in memory is gone with the command: write sqlite:PATH".into()),
        _ => {}
    }
    if path.contains('?') {
        return Err(format!("sqlite:{path} has options, which are not supported: omit ? and what follows it"));
    }
    if path.ends_with('/') {
        return Err(format!("sqlite:{path} names a directory: write sqlite:PATH of a file in it"));
    }
    // Two slashes would be removed when the address is read again, as from a plan.
    let absolute = path.starts_with("//").then(|| format!("/{}", path.trim_start_matches('/')));
    let path = absolute.as_deref().unwrap_or(path);
    place::local(path).map_err(|e| format!("sqlite:{path}: {e}"))
}

/// Parses the address of a server; its options are in one spelling then.
pub(super) fn server(text: &str) -> Result<Url, String> {
    let split = "its password must be percent-encoded, or the address is cut in the middle of it";
    let url = Url::parse(text).map_err(|e| format!("the warehouse's address cannot be read ({e}): write {FORMS}"))?;
    if text.contains('@') && url.username().is_empty() || url.fragment().is_some() {
        return Err(format!("the warehouse's address cannot be read: {split}: write {FORMS}"));
    }
    if url.host_str().is_none_or(str::is_empty) || url.path().trim_matches('/').is_empty() {
        return Err(format!("the warehouse's address {} lacks a host or a database: write {FORMS}", shown(&url)));
    }
    let canonical = options::canonical(&url);
    canonical.map_err(|e| format!("the warehouse's address {}: {e}", shown(&url)))
}

/// Returns a URL without its password and options.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "mysql://…".into();
    }
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url: WarehouseUrl = "mysql://ana:s3gr%40do@db.example:3307/fazendas?ssl-mode=REQUIRED".parse().unwrap();
        for text in [url.to_string(), format!("{url:?}")] {
            assert_eq!(text, "mysql://ana:***@db.example:3307/fazendas");
        }
        for text in [
            "mysql://ana:segredo@/x",
            "mysql://ana:segredo@h",
            "pg://ana:segredo@h/x",
            "mysql://ana:segredo@h:99999/x",
            "mysql://ana:12#segredo@h/x",
            "mysql://ana:12/segredo@h/x",
        ] {
            let e = text.parse::<WarehouseUrl>().unwrap_err();
            assert!(!e.contains("segredo"), "{e}");
        }
    }

    #[test]
    fn an_ipv6_host_may_have_brackets_or_not() {
        for host in ["::1", "[::1]"] {
            let url = WarehouseUrl::from_parts(host, 3307, "ana", "x", "fazendas").unwrap();
            assert_eq!(url.to_string(), "mysql://ana:***@[::1]:3307/fazendas");
        }
    }

    #[test]
    fn a_warehouse_is_the_same_for_every_account_and_option() {
        let of = |text: &str| text.parse::<WarehouseUrl>().unwrap().identity("t");
        assert_eq!(of("mysql://ana:x@db/fazendas?ssl-mode=REQUIRED"), "mysql://db:3306/fazendas table t");
        assert_eq!(of("mysql://ana:x@db/fazendas"), of("mysql://rui@db:3306/fazendas"));
        assert_ne!(of("mysql://ana@db/fazendas"), of("mysql://ana@db:3307/fazendas"));
        assert!(of("sqlite:w.db").ends_with("/w.db table t"));
    }

    #[test]
    fn an_address_for_other_machines_has_no_password() {
        let of = |text: &str| text.parse::<WarehouseUrl>().unwrap().without_password();
        assert_eq!(of("mysql://ana:x@db/fazendas?ssl-mode=REQUIRED"), "mysql://ana@db/fazendas?ssl-mode=REQUIRED");
        assert!(of("sqlite:w.db").starts_with("sqlite:/") && of("sqlite:w.db").ends_with("/w.db"));
    }

    #[test]
    fn parts_with_strange_characters_make_an_address() {
        let url = WarehouseUrl::from_parts("db", 3306, "a@b", "p/w:d#%41", "fazendas").unwrap();
        let WarehouseUrl::MySql(url) = url else { panic!() };
        assert_eq!(url.as_str(), "mysql://a%40b:p%2Fw%3Ad%23%2541@db:3306/fazendas");
    }

    #[test]
    fn a_file_is_a_warehouse() {
        for text in ["sqlite:x.db", "sqlite://x.db"] {
            assert_eq!(text.parse::<WarehouseUrl>().unwrap(), WarehouseUrl::Sqlite("x.db".into()));
        }
        assert_eq!("sqlite:////x.db".parse::<WarehouseUrl>().unwrap().to_string(), "sqlite:/x.db");
        assert!("sqlite:".parse::<WarehouseUrl>().is_err());
    }

    #[test]
    fn a_mistyped_warehouse_is_rejected_with_the_right_spelling_and_without_its_password() {
        let cases = [
            ("mysql:/ana:segredo@h/x", "two slashes"),
            ("mysql:ana:segredo@h/x", "two slashes"),
            ("mysql+pymysql://ana:segredo@h/x", "driver"),
            ("mysql2://ana:segredo@h/x", "driver"),
            ("jdbc:mysql://h/x?password=segredo", "omit \"jdbc:\""),
            ("postgres://ana:segredo@h/x", "\"postgres\" is not known"),
            ("ana:segredo@h/x", "\"ana\" is not known"),
            ("ana@segredo/x", "has no kind"),
            ("sqlite3:w.db", "sqlite:PATH"),
            ("SQLITE:w.db", "sqlite:PATH"),
            ("w.db", "a SQLite file is written sqlite:w.db"),
            ("/data/w.db", "a SQLite file is written sqlite:/data/w.db"),
            ("./w.db", "a SQLite file is written sqlite:./w.db"),
            ("s3://bucket/x", "\"s3\" is not known"),
            ("sqlite:s3://bucket/x", "./s3:…"),
            ("sqlite:file:w.db", "./file:…"),
            ("sqlite:~/w.db", "whole path"),
            ("sqlite:w.db?mode=rwc", "omit ?"),
            ("sqlite::memory:", "in memory"),
            ("sqlite://", "has no file name"),
            ("sqlite:dir/", "names a directory"),
            ("\"mysql://ana:segredo@h/x\"", "remove the quotes"),
            ("", "is empty"),
            (" \n", "is empty"),
            ("mysql://ana:segredo@h/x\nnext", "control character"),
        ];
        for (text, expected) in cases {
            let e = text.parse::<WarehouseUrl>().unwrap_err();
            assert!(e.contains(expected) && !e.contains("segredo"), "{text}: {e}");
        }
        #[cfg(not(windows))]
        assert!("C:\\w.db".parse::<WarehouseUrl>().unwrap_err().contains("\"C\" is not known"));
    }

    #[test]
    fn a_warehouse_is_read_without_the_white_space_around_it() {
        for (text, shown) in [
            (" mysql://h/x\n", "mysql://h/x"),
            ("MYSQL://h/x", "mysql://h/x"),
            ("mariadb://h/x", "mariadb://h/x"),
            ("sqlite:w.db\n", "sqlite:w.db"),
            ("sqlite:./a:b.db", "sqlite:./a:b.db"),
            ("sqlite:///a/w.db", "sqlite:/a/w.db"),
        ] {
            assert_eq!(text.parse::<WarehouseUrl>().unwrap().to_string(), shown);
        }
    }
}
