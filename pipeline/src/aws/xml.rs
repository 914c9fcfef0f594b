//! Minimal XML reader for AWS responses. AWS writes plain XML: no attributes on value elements, no comments, 5
//! entities.

use std::borrow::Cow;

/// Returns the text of the first element with a name; `None` if it is missing.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<Cow<'a, str>> {
    element_body(xml, name).map(|(text, _)| plain(text))
}

/// Returns the content of the first element with a name, and the text after it.
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

/// Returns the text with its entities resolved.
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
    fn an_element_returns_its_text() {
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
