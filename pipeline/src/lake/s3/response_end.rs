//! Check that the XML of a response is complete. The SDK's reader does not require the end of the root element, so a
//! response that a closed connection truncated would be accepted without an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// Looks for the end of a response's root element.
#[derive(Debug, Clone, Default)]
pub(super) struct ResponseEnd(Arc<AtomicBool>);

impl ResponseEnd {
    /// Returns true if the last response ended after its root element.
    pub(super) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for ResponseEnd {
    fn name(&self) -> &'static str {
        "ResponseEnd"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(context.response().body().bytes().is_none_or(is_complete), Ordering::Relaxed);
        Ok(())
    }
}

/// Returns true if the root element is closed. No other element has its name.
fn is_complete(xml: &[u8]) -> bool {
    let mut tags =
        xml.split(|&byte| byte == b'<').skip(1).filter(|tag| !tag.starts_with(b"?") && !tag.starts_with(b"!"));
    let Some(root) = tags.next() else { return false };
    let name_end = root.iter().position(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte));
    let Some(name) = name_end.map(|end| &root[..end]) else { return false };
    if root.trim_ascii_end().ends_with(b"/>") && tags.next().is_none() {
        return true;
    }
    let closes = |tag: &[u8]| {
        let rest = tag.strip_prefix(b"/").and_then(|tag| tag.strip_prefix(name));
        rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b">"))
    };
    xml.rsplit(|&byte| byte == b'<').any(closes)
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn a_response_is_complete_if_its_root_is_closed() {
        let whole = "<?xml version=\"1.0\"?>\n<!-- <x> --><List xmlns=\"a/b\"><Key>List</Key><Is>true</Is></List >\n";
        assert!(is_complete(whole.replace("<!-- <x> -->", "").as_bytes()));
        let text = "<?xml version=\"1.0\"?><List xmlns=\"a/b\"><Key>k</Key><ListEnd/></List>";
        for end in 0..=text.len() {
            assert_eq!(is_complete(&text.as_bytes()[..end]), end == text.len(), "{}", &text[..end]);
        }
        assert!(
            is_complete(b"<List/>")
                && is_complete(b"<List xmlns=\"a\" />\n")
                && is_complete(b"<a:List></a:List><!-- -->")
        );
        assert!(!is_complete(b"") && !is_complete(b"text"));
    }
}
