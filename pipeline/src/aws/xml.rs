//! What an answer's elements say. AWS writes plain XML: no attributes where a value is, no comments, five entities.

use std::borrow::Cow;

/// The text of the first element of that name.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<Cow<'a, str>> {
    element_body(xml, name).map(|(text, _)| plain(text))
}

/// What stands in the first element of that name, and what comes after it.
pub fn element_body<'a>(xml: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let mut rest = xml;
    loop {
        rest = rest.split_once('<')?.1;
        if let Some(text) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix('>')) {
            let mut end = 0;
            loop {
                end += text[end..].find("</")?;
                if let Some(after) = text[end + 2..].strip_prefix(name).and_then(|rest| rest.strip_prefix('>')) {
                    return Some((&text[..end], after));
                }
                end += 2;
            }
        }
    }
}

/// Text with its entities resolved.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Cow::Owned(plain.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_says_what_stands_in_it() {
        let xml =
            "<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><Codes>0</Codes><Code>N&amp;lt; &lt;b&gt;</Code><B/><C></C></A>";
        assert_eq!(element(xml, "Code").as_deref(), Some("N&lt; <b>"));
        assert_eq!((element(xml, "C").as_deref(), element(xml, "B"), element(xml, "Cod")), (Some(""), None, None));
        assert_eq!(element_body(xml, "Codes"), Some(("0", "<Code>N&amp;lt; &lt;b&gt;</Code><B/><C></C></A>")));
        assert_eq!(
            (element("<Code>x", "Code"), element("", "Code"), element("<Code>x</Co", "Code")),
            (None, None, None)
        );
    }
}
