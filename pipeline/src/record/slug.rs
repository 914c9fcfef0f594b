//! Folder names of farms in the lake.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use heck::ToSnakeCase;

use super::Rejection;

/// Maximum length of a folder name, in bytes. Leaves space for the rest of a key within S3's 1,024 bytes and a file
/// name's 255.
const MAX_BYTES: usize = 200;

/// Name of the quarantine folder next to the lake. No farm or lake may use it.
pub const QUARANTINE: &str = "quarentena";

/// Name of the folder next to the lake for its Parquet parts. No farm or lake may use it.
pub const PARTS: &str = "partes";

/// Folder name of a farm: `FazendaUm` → `fazenda_um`, with accents transliterated; only `a-z`, `0-9` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(String);

/// Error for a `cod_cliente` that cannot be a folder name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}: {farm:?}")]
pub struct InvalidFarmName {
    why: &'static str,
    farm: String,
}

/// Maximum number of farms in a thread's cache. Every record needs its farm's slug, and farms are few.
const MAX_KNOWN: usize = 1_000;

thread_local! {
    static KNOWN: RefCell<HashMap<String, Slug>> = RefCell::default();
}

impl Slug {
    /// Returns the folder name of a farm.
    ///
    /// # Errors
    /// Returns an error if the name contains control characters or `..` path parts, has no letter or digit, is reserved
    /// for the quarantine or the parts, or is too long.
    pub fn of(cod_cliente: &str) -> Result<Self, InvalidFarmName> {
        KNOWN.with_borrow_mut(|known| {
            if let Some(slug) = known.get(cod_cliente) {
                return Ok(slug.clone());
            }
            let slug = Self::make(cod_cliente)?;
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(cod_cliente.to_owned(), slug.clone());
            Ok(slug)
        })
    }

    fn make(cod_cliente: &str) -> Result<Self, InvalidFarmName> {
        let refuse = |why| Err(InvalidFarmName { why, farm: cod_cliente.to_owned() });
        if cod_cliente.chars().any(char::is_control) {
            return refuse("it has control characters");
        }
        if cod_cliente.split(['/', '\\']).any(|part| part.trim() == "..") {
            return refuse("it climbs out of its folder");
        }
        let slug = any_ascii::any_ascii(cod_cliente).to_snake_case();
        if slug.is_empty() {
            return refuse("no letters or digits are left");
        }
        if slug.len() > MAX_BYTES {
            return refuse("its folder name is longer than 200 bytes");
        }
        if slug == QUARANTINE {
            return refuse("that folder is the quarantine's");
        }
        if slug == PARTS {
            return refuse("that folder is that of the Parquet parts");
        }
        Ok(Self(slug))
    }

    /// Returns the folder name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<InvalidFarmName> for Rejection {
    fn from(e: InvalidFarmName) -> Self {
        Self::InvalidFarm { why: e.why, found: e.farm.escape_default().to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_farm_has_the_same_folder_after_the_cache_is_full() {
        let first = Slug::of("Fazenda São João").unwrap();
        for n in 0..=MAX_KNOWN {
            assert_eq!(Slug::of(&format!("Fazenda{n}A")).unwrap().as_str(), format!("fazenda{n}_a"));
            assert!(Slug::of("../x").is_err());
        }
        assert!(KNOWN.with_borrow(HashMap::len) <= MAX_KNOWN);
        assert_eq!(Slug::of("Fazenda São João").unwrap(), first);
    }

    #[test]
    fn farm_names_become_folder_names() {
        let cases = [
            ("FazendaUm", "fazenda_um"),
            ("FazendaDois", "fazenda_dois"),
            ("Fazenda São João", "fazenda_sao_joao"),
            ("fazenda_um", "fazenda_um"),
            ("Boa Vista S/A", "boa_vista_s_a"),
            ("FAZENDA 3", "fazenda_3"),
            ("Fazenda\u{301}", "fazenda"),
            ("农场", "nong_chang"),
        ];
        for (farm, slug) in cases {
            assert_eq!(Slug::of(farm).map(|s| s.to_string()).as_deref(), Ok(slug), "{farm}");
        }
    }

    #[test]
    fn a_slug_is_its_own_slug_again() {
        for farm in ["FazendaUm", "Fazenda São João", "FAZENDA 3"] {
            let slug = Slug::of(farm).unwrap();
            assert_eq!(Slug::of(slug.as_str()).unwrap(), slug);
        }
    }

    #[test]
    fn invalid_folder_names_are_rejected() {
        for farm in ["../", "..", "a/../b", "..\\x", "\u{7}", "a\nb", "!!", "", "Quarentena", "Partes"] {
            assert!(Slug::of(farm).is_err(), "{farm:?}");
        }
        assert!(Slug::of(&"农".repeat(100)).is_err());
        assert!(Slug::of(&"a".repeat(MAX_BYTES)).is_ok() && Slug::of(&"a".repeat(MAX_BYTES + 1)).is_err());
    }
}
