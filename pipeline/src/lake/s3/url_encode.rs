//! Encoding of keys and versions in an address, which is also the form that is signed.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that S3 requires to be escaped once in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Characters to escape in a path: the slash is not escaped.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Returns a key encoded for a path.
pub(super) fn path(base: &str, key: &str) -> String {
    let mut path = String::with_capacity(base.len() + key.len() + 24);
    path.push_str(base);
    path.extend(utf8_percent_encode(key, PATH));
    path
}

/// Returns the query for a version; empty for the newest.
pub(super) fn query(version: Option<&str>) -> String {
    version.map_or_else(String::new, |version| format!("versionId={}", utf8_percent_encode(version, QUERY)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::sigv4::RequestToSign;
    use crate::aws::sigv4::tests::{HOST, as_the_sdk_does};

    #[test]
    fn strange_keys_are_signed_as_the_sdk_does() {
        // Those of `testkit::conformance::lake`, and more.
        let keys = [
            "strange/historico_consumo_2026-11-22 18:49:03.457.json",
            "strange/a+b.json",
            "strange/a%20b.json",
            "strange/100%.json",
            "strange/são joão.json",
            "strange/a&b=c?d#e.json",
            "strange/'quoted\".json",
            "plain",
            "a//b",
            "a/../b",
            "./a",
            "a~b-c_d.e",
            "日本/é",
            "a=b",
            "%41",
            "[x]{y}|^`",
            "tab\there",
            "a\\b",
        ];
        for (key, token) in keys.into_iter().flat_map(|key| [(key, None), (key, Some("a/token+with=signs".to_owned()))])
        {
            for version in [None, Some("3/L4kqtJl+cpXroDTDmJ rmSpXd3d=")] {
                let (path, query) = (path("/bucket/", key), query(version));
                let request = RequestToSign { method: "GET", host: HOST, path: &path, query: &query, body: b"" };
                as_the_sdk_does("s3", &request, token.clone());
            }
        }
    }
}
