//! Declarations that need a special parser: the macro `counters!`, and structs that a module only serializes.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::{Attribute, Ident, LitStr, Token};

/// The body of `counters!`.
pub struct Counters {
    pub name: Ident,
    pub list: Vec<(String, String)>,
}

impl Parse for Counters {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Attribute::parse_outer)?;
        input.parse::<syn::Visibility>()?;
        input.parse::<Token![enum]>()?;
        let name = input.parse()?;
        let body;
        syn::braced!(body in input);
        let mut list = Vec::new();
        while !body.is_empty() {
            body.parse::<Ident>()?;
            body.parse::<Token![:]>()?;
            let json: LitStr = body.parse()?;
            body.parse::<Token![,]>()?;
            body.parse::<LitStr>()?;
            body.parse::<Token![,]>()?;
            body.parse::<Ident>()?;
            body.parse::<Token![,]>()?;
            let help: LitStr = body.parse()?;
            body.parse::<Token![;]>()?;
            list.push((json.value(), help.value()));
        }
        Ok(Self { name, list })
    }
}

/// Finds the private struct that a module only serializes, also inside a function.
pub struct Written(pub Option<syn::ItemStruct>);

impl Visit<'_> for Written {
    fn visit_item_struct(&mut self, item: &syn::ItemStruct) {
        let derives: Vec<_> = item.attrs.iter().filter(|attribute| attribute.path().is_ident("derive")).collect();
        let has = |name: &str| {
            derives.iter().any(|derive| {
                let list = derive.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated);
                list.is_ok_and(|list| list.iter().any(|path| path.is_ident(name)))
            })
        };
        if has("Serialize") && !has("Deserialize") && matches!(item.vis, syn::Visibility::Inherited) && self.0.is_none()
        {
            self.0 = Some(item.clone());
        }
    }
}
