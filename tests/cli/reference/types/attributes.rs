//! Attributes of the sources: serde's, and doc comments.

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Lit, Meta, Token};

/// The serde attributes that determine the JSON.
#[derive(Debug, Default)]
pub struct Serde {
    pub rename: Option<String>,
    pub rename_all: Option<String>,
    pub with: Option<String>,
    pub into: Option<String>,
    pub tag: Option<String>,
    pub flatten: bool,
    pub skip: bool,
    pub transparent: bool,
    pub may_be_absent: bool,
}

/// Returns the serde attributes of an item or a field.
pub fn serde(attributes: &[Attribute]) -> Serde {
    let mut all = Serde::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        for meta in attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap() {
            let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
            let value = match &meta {
                Meta::NameValue(pair) => literal(&pair.value),
                _ => None,
            };
            match name.as_str() {
                "rename" => all.rename = value,
                "rename_all" => all.rename_all = value,
                "with" => all.with = value,
                "into" => all.into = value,
                "tag" => all.tag = value,
                "flatten" => all.flatten = true,
                "skip" | "skip_serializing" => all.skip = true,
                "transparent" => all.transparent = true,
                "skip_serializing_if" => all.may_be_absent = true,
                _ => {}
            }
        }
    }
    all
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Returns a name as a `rename_all` rule writes it.
pub fn renamed(name: &str, rule: Option<&str>) -> String {
    let separated = |by: char| {
        let mut text = String::new();
        for (n, letter) in name.chars().enumerate() {
            if letter.is_uppercase() && n > 0 {
                text.push(by);
            }
            text.extend(letter.to_lowercase());
        }
        text
    };
    match rule {
        Some("snake_case") => separated('_'),
        Some("kebab-case") => separated('-'),
        Some("lowercase") => name.to_lowercase(),
        _ => name.to_owned(),
    }
}

/// Returns the first paragraph of the doc comment, without links to code.
pub fn doc(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        if let Meta::NameValue(pair) = &attribute.meta {
            lines.push(literal(&pair.value).unwrap_or_default().trim().to_owned());
        }
    }
    let text = lines.split(String::is_empty).next().unwrap_or_default().join(" ");
    let text = text.replace("[`", "`").replace("`]", "`").replace("`None`", "null");
    text.replace("`Self::", "`")
}
