//! `sbom.cdx.json`: the crates in the function, as a software bill of materials in the format CycloneDX 1.6.
//!
//! The program itself contains the list, from its build (`lambda/build.rs`). The same program therefore gives the same
//! file, regardless of who built it and where.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use pipeline::hex::hex;

/// Name of the file in the bundle.
pub(super) const NAME: &str = "sbom.cdx.json";

/// Start of the list in the program, followed by the version of the package.
const MARK: &str = "ruminate-lambda dependencies, format 1, version ";

/// Maximum size of a list.
const MAX_LIST: usize = 1 << 20;

/// A crate in the function.
#[derive(Debug, PartialEq, Eq)]
struct Dependency<'a> {
    name: &'a str,
    version: &'a str,
    licence: &'a str,
    /// SHA-256 of the crate's archive; empty for a crate of the same workspace.
    sha256: &'a str,
    repository: &'a str,
}

/// The list in a program.
#[derive(Debug)]
struct Dependencies<'a> {
    /// Version of the function's package.
    version: &'a str,
    crates: Vec<Dependency<'a>>,
}

impl<'a> Dependencies<'a> {
    /// Reads the list of a program; `None` if it has none.
    fn of(program: &'a [u8]) -> Option<Self> {
        let start = memchr::memmem::find(program, MARK.as_bytes())? + MARK.len();
        let list = &program[start..program.len().min(start + MAX_LIST)];
        let end = memchr::memmem::find(list, b"\n\n")?;
        let mut lines = str::from_utf8(&list[..end]).ok()?.lines();
        let version = lines.next()?;
        let crates: Vec<Dependency<'a>> = lines.map(Dependency::of).collect::<Option<_>>()?;
        (!crates.is_empty()).then_some(Self { version, crates })
    }
}

impl<'a> Dependency<'a> {
    fn of(line: &'a str) -> Option<Self> {
        if line.contains('\0') {
            return None; // the list was cut short
        }
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let found = Self { name: next()?, version: next()?, licence: next()?, sha256: next()?, repository: next()? };
        (fields.next().is_none() && !found.name.is_empty()).then_some(found)
    }

    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version.replace('+', "%2B"))
    }

    fn component(&self) -> Value {
        let mut component = json!({
            "type": "library",
            "bom-ref": self.purl(),
            "name": self.name,
            "version": self.version,
            "purl": self.purl(),
        });
        if !self.licence.is_empty() {
            // Some crates write the operator OR as a slash, which cargo accepts.
            component["licenses"] = json!([{ "expression": self.licence.replace('/', " OR ") }]);
        }
        if !self.sha256.is_empty() {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": self.sha256 }]);
        }
        if !self.repository.is_empty() {
            component["externalReferences"] = json!([{ "type": "vcs", "url": self.repository }]);
        }
        component
    }
}

/// A bill of materials.
#[derive(Debug)]
pub(super) struct Sbom {
    /// The file's content.
    pub json: Vec<u8>,
    /// Number of crates; `None` if the program does not list them.
    pub crates: Option<usize>,
}

/// Returns the bill of materials of a program.
///
/// # Errors
///
/// Returns an error if it cannot be written as JSON, which is a bug in this program.
pub(super) fn of(program: &[u8]) -> serde_json::Result<Sbom> {
    let dependencies = Dependencies::of(program);
    let root = "bootstrap";
    let mut function = json!({
        "type": "application",
        "bom-ref": root,
        "name": "ruminate-lambda",
        "hashes": [{ "alg": "SHA-256", "content": hex(&Sha256::digest(program)) }],
    });
    if let Some(list) = &dependencies {
        function["version"] = list.version.into();
    }
    let components: Vec<Value> = dependencies.iter().flat_map(|list| &list.crates).map(Dependency::component).collect();
    let aggregate = if dependencies.is_some() { "complete" } else { "unknown" };
    let sbom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": function },
        "components": components,
        "compositions": [{ "aggregate": aggregate, "assemblies": [root] }],
    });
    let mut json = serde_json::to_vec_pretty(&sbom)?;
    json.push(b'\n');
    Ok(Sbom { json, crates: dependencies.map(|list| list.crates.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(list: &str) -> Vec<u8> {
        [b"\x7fELF\0\xff", MARK.as_bytes(), list.as_bytes(), b"\0rest\n\n"].concat()
    }

    #[test]
    fn the_crates_are_those_that_the_program_lists() {
        let list = "0.1.0\na\t1.0.0+b.2\tMIT/Apache-2.0\tabc\thttps://a.example\nown\t0.1.0\t\t\t\n\n";
        let sbom = of(&program(list)).unwrap();
        assert_eq!(sbom.crates, Some(2));
        let json: Value = serde_json::from_slice(&sbom.json).unwrap();
        assert_eq!(json["metadata"]["component"]["version"], "0.1.0");
        assert_eq!(json["compositions"][0]["aggregate"], "complete");
        let a = json!({
            "type": "library", "bom-ref": "pkg:cargo/a@1.0.0%2Bb.2", "name": "a", "version": "1.0.0+b.2",
            "purl": "pkg:cargo/a@1.0.0%2Bb.2", "licenses": [{"expression": "MIT OR Apache-2.0"}],
            "hashes": [{"alg": "SHA-256", "content": "abc"}],
            "externalReferences": [{"type": "vcs", "url": "https://a.example"}],
        });
        assert_eq!(json["components"][0], a);
        assert!(json["components"][1].get("licenses").is_none() && json["components"][1].get("hashes").is_none());
        assert_eq!(of(&program(list)).unwrap().json, sbom.json);
    }

    #[test]
    fn a_program_without_a_list_has_unknown_crates() {
        for list in ["", "0.1.0\n\n", "0.1.0\na\t1\n\n", "0.1.0\na\t1\tMIT\t\t", "0.1.0\na\t1\tMIT\t\t\tx\n\n"] {
            let sbom = of(&program(list)).unwrap();
            assert_eq!(sbom.crates, None, "{list:?}");
            let json: Value = serde_json::from_slice(&sbom.json).unwrap();
            assert_eq!((&json["compositions"][0]["aggregate"], &json["components"]), (&"unknown".into(), &json!([])));
        }
    }
}
