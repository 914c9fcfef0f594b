//! What `--warehouse` was given: a MySQL address or a SQLite file. Never shows a password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// Where a warehouse is.
#[derive(Clone, PartialEq, Eq)]
pub enum WarehouseUrl {
    /// `mysql://user:pass@host:port/db`, with sqlx's options (`?ssl-mode=VERIFY_IDENTITY&ssl-ca=…`).
    MySql(Url),
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
}

impl WarehouseUrl {
    /// The address made of its parts, as the older function's environment names them.
    ///
    /// # Errors
    /// The host is none.
    pub fn from_parts(host: &str, port: u16, user: &str, password: &str, database: &str) -> Result<Self, String> {
        let mut url = Url::parse("mysql://localhost").map_err(|e| e.to_string())?;
        url.set_host(Some(host)).map_err(|e| format!("RDS_HOST {host:?} is no host: {e}"))?;
        let refused = |()| "RDS_HOST names no host".to_owned();
        url.set_port(Some(port)).map_err(refused)?;
        let plain = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        url.set_username(&plain(user)).map_err(refused)?;
        url.set_password((!password.is_empty()).then_some(&*plain(password))).map_err(refused)?;
        url.set_path(database);
        Ok(Self::MySql(url))
    }
}

impl FromStr for WarehouseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err("sqlite: names no file: write sqlite:PATH".into());
            }
            return Ok(Self::Sqlite(path.into()));
        }
        let example = "write mysql://user:pass@host:port/database or sqlite:PATH";
        let split = "its password must be percent-encoded, or the address is cut in the middle of it";
        let url = Url::parse(text).map_err(|e| format!("the warehouse's address cannot be read ({e}): {example}"))?;
        if !matches!(url.scheme(), "mysql" | "mariadb") {
            return Err(format!("a warehouse of kind {:?} is not known: {example}", url.scheme()));
        }
        if text.contains('@') && url.username().is_empty() || url.fragment().is_some() {
            return Err(format!("the warehouse's address cannot be read: {split}: {example}"));
        }
        if url.host_str().is_none_or(str::is_empty) || url.path().trim_matches('/').is_empty() {
            return Err(format!("the warehouse's address {} lacks a host or a database: {example}", shown(&url)));
        }
        Ok(Self::MySql(url))
    }
}

fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "mysql://…".into();
    }
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

impl fmt::Display for WarehouseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(url) => f.write_str(&shown(url)),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl fmt::Debug for WarehouseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
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
        assert!("sqlite:".parse::<WarehouseUrl>().is_err());
    }
}
