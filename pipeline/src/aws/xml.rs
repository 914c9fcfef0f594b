//! Text of elements in the XML responses of AWS. The crate `quick-xml` parses; only the five predefined entities and
//! character references are expanded, and a document with a DTD is rejected.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use quick_xml::name::QName;

/// Returns the text of the first element of this name. `None` if there is no such element with an end, or if the XML
/// before its end is malformed.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if start.name().as_ref() == name.as_bytes() => return text(&mut reader, start.name()),
            Event::DocType(_) | Event::Eof => return None,
            _ => {}
        }
    }
}

/// Returns the text of the element that was just opened. An entity that XML does not define is not replaced.
pub fn text<'a>(reader: &mut Reader<&'a [u8]>, name: QName<'_>) -> Option<Cow<'a, str>> {
    let raw = reader.read_text(name).ok()?.decode().ok()?;
    match raw {
        Cow::Borrowed(raw) => Some(unescape(raw).unwrap_or(Cow::Borrowed(raw))),
        Cow::Owned(raw) => Some(Cow::Owned(unescape(&raw).map(Cow::into_owned).unwrap_or(raw))),
    }
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
        assert_eq!(element(xml, "Codes").as_deref(), Some("0"));
        assert_eq!(
            (element("<Code>x", "Code"), element("", "Code"), element("<Code>x</Co", "Code")),
            (None, None, None)
        );
    }

    #[test]
    fn names_with_attributes_and_texts_with_character_references_are_read() {
        let xml =
            "<E><!-- <Code>no</Code> --><Code a=\"1>2\">caf&#233; &#xe9;</Code><Message>&apos;&quot;</Message></E>";
        assert_eq!(element(xml, "Code").as_deref(), Some("café é"));
        assert_eq!(element(xml, "Message").as_deref(), Some("'\""));
    }

    #[test]
    fn no_entity_of_a_document_is_expanded() {
        let bomb = "<!DOCTYPE E [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><E><Code>&b;</Code></E>";
        assert_eq!(element(bomb, "Code"), None);
        assert_eq!(element("<E><Code>x &b; y</Code></E>", "Code").as_deref(), Some("x &b; y"));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}<Code>x</Code>{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
        assert_eq!(element(&deep, "Code").as_deref(), Some("x"));
        assert!(element(&deep, "a").is_some());
    }
}
