//! The fields that a type serializes, read from the sources with their doc comments.
//!
//! It knows serde's derive (`rename`, `rename_all`, `flatten`, `skip`, `with`, `into`, `transparent`) and the macro `counters!`.
//! A type with a hand-written `Serialize`, or one that another macro declares, is listed in [`WRITTEN_BY_HAND`].

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use syn::visit::Visit;
use syn::{Fields, GenericArgument, Ident, Item, PathArguments, Type, UseTree};

mod attributes;
mod by_hand;
mod macros;

use attributes::{doc, renamed, serde};
use by_hand::WRITTEN_BY_HAND;
use macros::{Counters, Written};

/// Maximum depth of described objects.
const DEPTH: usize = 4;

/// A field: its path in the JSON, its type, its meaning.
#[derive(Debug, Clone)]
pub struct Row {
    pub name: String,
    pub kind: String,
    pub doc: String,
}

/// A type of the sources, with the module that declares it.
#[derive(Clone)]
struct Declared {
    module: String,
    item: Kind,
}

#[derive(Clone)]
enum Kind {
    Struct(syn::ItemStruct),
    Enum(syn::ItemEnum),
    Alias(syn::ItemType),
    Counters(Vec<(String, String)>),
}

/// All sources of the toolkit and of the crate `pipeline`.
#[derive(Default)]
pub struct Sources {
    types: Vec<(String, Declared)>,
    uses: BTreeMap<(String, String), String>,
    /// Types that modules named by `serde(with)` serialize.
    written: BTreeMap<String, syn::ItemStruct>,
}

impl Sources {
    /// Reads all sources.
    pub fn read(repository: &Path) -> Self {
        let mut all = Self::default();
        all.folder(&repository.join("src"), "ruminate");
        all.folder(&repository.join("pipeline/src"), "pipeline");
        all
    }

    fn folder(&mut self, dir: &Path, module: &str) {
        let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let inner = if matches!(stem, "mod" | "lib") { module.to_owned() } else { format!("{module}::{stem}") };
            if path.is_dir() {
                self.folder(&path, &inner);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !stem.contains("test") {
                self.file(&path, &inner);
            }
        }
    }

    fn file(&mut self, path: &Path, module: &str) {
        let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        for item in &file.items {
            match item {
                Item::Struct(item) => self.add(module, &item.ident, Kind::Struct(item.clone())),
                Item::Enum(item) => self.add(module, &item.ident, Kind::Enum(item.clone())),
                Item::Type(item) => self.add(module, &item.ident, Kind::Alias(item.clone())),
                Item::Macro(item) if item.mac.path.is_ident("counters") => {
                    // `counters! { impl Outcome { .. } }` gives access to counters that are declared elsewhere.
                    if item.mac.tokens.to_string().starts_with("impl") {
                        continue;
                    }
                    let counters: Counters = item.mac.parse_body().unwrap();
                    self.add(module, &counters.name, Kind::Counters(counters.list));
                }
                Item::Use(item) => self.import(module, "", &item.tree),
                _ => {}
            }
        }
        let mut found = Written(None);
        found.visit_file(&file);
        if let Some(written) = found.0 {
            self.written.insert(module.to_owned(), written);
        }
    }

    fn add(&mut self, module: &str, name: &Ident, item: Kind) {
        self.types.push((name.to_string(), Declared { module: module.to_owned(), item }));
    }

    fn import(&mut self, module: &str, before: &str, tree: &UseTree) {
        let joined = |name: &Ident| if before.is_empty() { name.to_string() } else { format!("{before}::{name}") };
        match tree {
            UseTree::Path(path) => self.import(module, &joined(&path.ident), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(module, before, tree)),
            UseTree::Name(name) => self.imported(module, &name.ident, &joined(&name.ident)),
            UseTree::Rename(renamed) => self.imported(module, &renamed.rename, &joined(&renamed.ident)),
            UseTree::Glob(_) => {}
        }
    }

    fn imported(&mut self, module: &str, name: &Ident, path: &str) {
        self.uses.insert((module.to_owned(), name.to_string()), absolute(module, path));
    }

    /// Returns the type that a name means in a module: declared there, imported, or re-exported.
    fn resolve(&self, module: &str, path: &str) -> Option<&Declared> {
        let declared = |module: &str, name: &str| {
            self.types.iter().find(|(known, declared)| known == name && declared.module == module).map(|(_, it)| it)
        };
        let path = match path.split_once("::") {
            None => match declared(module, path) {
                Some(found) => return Some(found),
                None => self.uses.get(&(module.to_owned(), path.to_owned()))?.clone(),
            },
            Some(_) => absolute(module, path),
        };
        let (of, name) = path.rsplit_once("::")?;
        declared(of, name).or_else(|| {
            let again = self.uses.get(&(of.to_owned(), name.to_owned()))?;
            if *again == path { None } else { self.resolve(of, again) }
        })
    }

    /// Returns the fields that a type serializes.
    pub fn rows(&self, module: &str, name: &str) -> Vec<Row> {
        let declared = self.resolve(module, name).unwrap_or_else(|| panic!("{module} has no type {name}"));
        let mut rows = Vec::new();
        self.expand(declared, "", 0, &mut rows);
        rows
    }

    fn expand(&self, declared: &Declared, before: &str, depth: usize, rows: &mut Vec<Row>) {
        match &declared.item {
            Kind::Counters(counters) => rows.extend(counters.iter().map(|(name, doc)| Row {
                name: format!("{before}{name}"),
                kind: "integer".into(),
                doc: doc.clone(),
            })),
            Kind::Struct(item) => {
                if let Some(other) = serde(&item.attrs).into {
                    if let Some(other) = self.resolve(&declared.module, &other) {
                        self.expand(other, before, depth, rows);
                    }
                    return;
                }
                self.fields(&declared.module, item, before, depth, rows);
            }
            Kind::Enum(item) => self.variants(declared, item, before, rows),
            Kind::Alias(_) => {}
        }
    }

    /// The tag of an enum, and the fields of its variants, each once.
    fn variants(&self, declared: &Declared, item: &syn::ItemEnum, before: &str, rows: &mut Vec<Row>) {
        let attributes = serde(&item.attrs);
        let Some(tag) = attributes.tag else { return };
        let name = |variant: &syn::Variant| renamed(&variant.ident.to_string(), attributes.rename_all.as_deref());
        let names: Vec<_> = item.variants.iter().map(|variant| format!("`{}`", name(variant))).collect();
        rows.push(Row { name: format!("{before}{tag}"), kind: names.join(", "), doc: doc(&item.attrs) });
        for field in item.variants.iter().flat_map(|variant| &variant.fields) {
            let name = format!("{before}{}", field.ident.as_ref().unwrap());
            if rows.iter().all(|row| row.name != name) {
                let kind = self.kind(&declared.module, &field.ty).text;
                rows.push(Row { name, kind, doc: format!("{} May be absent.", doc(&field.attrs)) });
            }
        }
    }

    fn fields(&self, module: &str, item: &syn::ItemStruct, before: &str, depth: usize, rows: &mut Vec<Row>) {
        let Fields::Named(fields) = &item.fields else { return };
        for field in &fields.named {
            let attributes = serde(&field.attrs);
            if attributes.skip {
                continue;
            }
            let name = attributes.rename.unwrap_or_else(|| field.ident.as_ref().unwrap().to_string());
            if attributes.flatten {
                let kind = self.kind(module, &field.ty);
                kind.by_hand.iter().for_each(|row| rows.push(row.at(before, "")));
                if let Some(inner) = kind.inner {
                    self.expand(inner, before, depth, rows);
                }
                continue;
            }
            let mut doc = doc(&field.attrs);
            if attributes.may_be_absent {
                doc = format!("{doc} May be absent.");
            }
            let name = format!("{before}{name}");
            if let Some(with) = attributes.with {
                let of = absolute(module, &with);
                let of = if self.written.contains_key(&of) { of } else { format!("{module}::{with}") };
                rows.push(Row { name: name.clone(), kind: "list".into(), doc });
                self.fields(&of, &self.written[&of], &format!("{name}[]."), depth + 1, rows);
                continue;
            }
            let kind = self.kind(module, &field.ty);
            let note = kind.by_hand.iter().find(|row| row.name.is_empty() && !row.doc.is_empty());
            let note = note.map(|row| format!(" {}", row.doc));
            rows.push(Row { name: name.clone(), kind: kind.text.clone(), doc: doc + &note.unwrap_or_default() });
            let inside = format!("{name}{}", kind.inside);
            kind.by_hand.iter().filter(|row| !row.name.is_empty()).for_each(|row| rows.push(row.at(&inside, ".")));
            if let Some(inner) = kind.inner.filter(|_| depth < DEPTH) {
                self.expand(inner, &format!("{inside}."), depth + 1, rows);
            }
        }
    }

    /// Describes a type: what it is in JSON, and the type of the sources whose fields it has.
    fn kind(&self, module: &str, ty: &Type) -> JsonType<'_> {
        let path = match ty {
            Type::Reference(reference) => return self.kind(module, &reference.elem),
            Type::Path(path) => path,
            Type::Array(array) => return self.kind(module, &array.elem).in_list(),
            Type::Tuple(_) => return JsonType::plain("list"),
            _ => return JsonType::plain("any"),
        };
        let last = path.path.segments.last().unwrap();
        let arguments: Vec<&Type> = match &last.arguments {
            PathArguments::AngleBracketed(list) => list
                .args
                .iter()
                .filter_map(|arg| if let GenericArgument::Type(ty) = arg { Some(ty) } else { None })
                .collect(),
            _ => Vec::new(),
        };
        match (last.ident.to_string().as_str(), &arguments[..]) {
            ("Option", [ty]) => self.kind(module, ty).or_null(),
            ("Vec" | "BTreeSet" | "VecDeque", [ty]) => self.kind(module, ty).in_list(),
            ("Box" | "Arc" | "Cow" | "Counts" | "Days", [ty]) => self.kind(module, ty),
            ("BTreeMap", [_, value]) => self.kind(module, value).in_map(),
            ("u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i64" | "i32", []) => JsonType::plain("integer"),
            ("f64" | "f32", []) => JsonType::plain("number"),
            ("char", []) => JsonType::plain("character"),
            ("bool", []) => JsonType::plain("boolean"),
            ("String" | "str" | "PathBuf", []) => JsonType::plain("text"),
            ("Uuid", []) => JsonType::plain("text (UUID)"),
            ("DateTime" | "NaiveDateTime", _) => JsonType::plain("text (RFC 3339 time)"),
            ("NaiveDate", []) => JsonType::plain("text (date)"),
            ("Value", []) => JsonType::plain("any"),
            (_, _) => {
                let path =
                    path.path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>().join("::");
                self.declared(module, &path)
            }
        }
    }

    fn declared(&self, module: &str, path: &str) -> JsonType<'_> {
        let last = path.rsplit("::").next().unwrap();
        let known = WRITTEN_BY_HAND.iter().find(|known| known.name == last);
        let row =
            |[name, kind, doc]: &[&str; 3]| Row { name: (*name).into(), kind: (*kind).into(), doc: (*doc).into() };
        let by_hand: Vec<Row> = known.map_or(&[][..], |known| known.rows).iter().map(row).collect();
        if let Some(whole) = by_hand.iter().find(|row| row.name.is_empty()) {
            return JsonType { text: whole.kind.clone(), inside: String::new(), inner: None, by_hand };
        }
        let Some(declared) = self.resolve(module, path) else { panic!("{module}: what is {path}?") };
        let mut kind = JsonType { text: "object".into(), inside: String::new(), inner: Some(declared), by_hand };
        if known.is_some_and(|known| !known.and_fields) {
            kind.inner = None;
        }
        match &declared.item {
            Kind::Alias(alias) => return self.kind(&declared.module, &alias.ty),
            Kind::Enum(item) => {
                let rename = serde(&item.attrs).rename_all;
                let names: Vec<_> = item
                    .variants
                    .iter()
                    .map(|variant| {
                        let own = serde(&variant.attrs).rename;
                        format!("`{}`", own.unwrap_or_else(|| renamed(&variant.ident.to_string(), rename.as_deref())))
                    })
                    .collect();
                kind.text = names.join(", ");
            }
            Kind::Struct(item) if serde(&item.attrs).transparent || matches!(item.fields, Fields::Unnamed(_)) => {
                let inner = item.fields.iter().next().unwrap();
                return self.kind(&declared.module, &inner.ty);
            }
            Kind::Struct(item) => {
                // The fields of another declared type are listed; a standard type has none.
                let other = serde(&item.attrs).into.filter(|other| self.resolve(&declared.module, other).is_none());
                if let Some(other) = other {
                    return self.kind(&declared.module, &syn::parse_str(&other).unwrap());
                }
            }
            Kind::Counters(_) => {}
        }
        kind
    }
}

impl Row {
    fn at(&self, before: &str, between: &str) -> Self {
        Self { name: format!("{before}{between}{}", self.name), ..self.clone() }
    }
}

/// A type in JSON.
struct JsonType<'a> {
    text: String,
    /// Text after the field's name in the paths of its fields.
    inside: String,
    inner: Option<&'a Declared>,
    by_hand: Vec<Row>,
}

impl JsonType<'_> {
    fn plain(text: &str) -> Self {
        Self { text: text.into(), inside: String::new(), inner: None, by_hand: Vec::new() }
    }

    fn or_null(mut self) -> Self {
        self.text = format!("{} or null", self.text);
        self
    }

    fn in_list(mut self) -> Self {
        self.text = if self.text == "object" { "list of objects".into() } else { format!("list of {}", self.text) };
        self.inside.push_str("[]");
        self
    }

    fn in_map(mut self) -> Self {
        self.text = format!("object: name → {}", self.text);
        self.inside.push_str(".NAME");
        self
    }
}

/// Returns a path from the crate's root, with the crate's name.
fn absolute(module: &str, path: &str) -> String {
    let mut of: Vec<&str> = module.split("::").collect();
    let mut rest = path.split("::").peekable();
    match rest.peek().copied() {
        Some("crate") => {
            rest.next();
            of.truncate(1);
        }
        Some("ruminate" | "pipeline") => of.clear(),
        _ => {
            while matches!(rest.peek(), Some(&"super" | &"self")) {
                if rest.next() == Some("super") {
                    of.pop();
                }
            }
        }
    }
    of.extend(rest);
    of.join("::")
}
