//! One page of ListObjectsV2 as a pure function of the sorted keys: prefix, delimiter, start, and continuation token. It seeks
//! and never scans: the cost is that of the page, and one seek per common prefix. `service` writes the XML.

use std::fmt::Write as _;
use std::ops::Bound;

use crate::s3::object::Object;
use crate::s3::store::Objects;

/// Maximum number of keys and common prefixes on a page of S3.
pub(crate) const MAX_KEYS: usize = 1_000;

/// Parameters of a page.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'a> {
    /// Only keys that start with it.
    pub prefix: &'a str,
    /// Keys that contain it after the prefix are grouped, up to and including it.
    pub delimiter: Option<&'a str>,
    /// Only keys after this one; a common prefix equal to it is not repeated.
    pub start_after: Option<&'a str>,
    /// Token of an earlier page, which replaces `start_after`.
    pub continuation: Option<&'a str>,
    /// Maximum number of keys and common prefixes; at most 1,000.
    pub max_keys: Option<usize>,
    /// The page starts with the last key of the previous page, as in a faulty store.
    pub overlap: bool,
}

/// Content of a page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Keys and their objects, in order.
    pub objects: Vec<(String, Object)>,
    /// Common prefixes, in order.
    pub prefixes: Vec<String>,
    /// Continuation token, if there are more keys.
    pub next: Option<String>,
}

impl Page {
    fn is_full(&self, limit: usize) -> bool {
        self.objects.len() + self.prefixes.len() >= limit
    }
}

/// Reads one page. A token that [`is_token`] rejects is ignored.
pub(crate) fn page(objects: &Objects, query: &Query<'_>) -> Page {
    let limit = query.max_keys.unwrap_or(MAX_KEYS).min(MAX_KEYS);
    let mut page = Page::default();
    let mut last = first_stop(query);
    let mut overlap = query.overlap;
    'seek: while let Some(mut from) = seek(last.as_ref(), query.prefix) {
        from = match from {
            Bound::Excluded(key) if std::mem::take(&mut overlap) => Bound::Included(key),
            from => from,
        };
        let keys = objects.range::<str, _>((from.as_ref().map(String::as_str), Bound::Unbounded));
        for (key, object) in keys.take_while(|(key, _)| key.starts_with(query.prefix)) {
            if page.is_full(limit) {
                page.next = last.filter(|_| limit > 0).map(|stop| stop.token());
                return page;
            }
            if let Some(whole) = rolled_up(key, query) {
                page.prefixes.push(whole.to_owned());
                last = Some(Stop::Prefix(whole.to_owned()));
                continue 'seek;
            }
            page.objects.push((key.clone(), object.clone()));
            last = Some(Stop::Key(key.clone()));
        }
        break;
    }
    page
}

/// Returns true if a continuation token is valid; S3 answers InvalidArgument to any other.
pub(crate) fn is_token(token: &str) -> bool {
    Stop::parse(token).is_some()
}

/// Returns the common prefix of a key, if the delimiter comes after the prefix.
fn rolled_up<'k>(key: &'k str, query: &Query<'_>) -> Option<&'k str> {
    let delimiter = query.delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let at = key.strip_prefix(query.prefix)?.find(delimiter)?;
    Some(&key[..query.prefix.len() + at + delimiter.len()])
}

/// Last listed entry, after which the listing continues.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// A key: continue directly after it.
    Key(String),
    /// A common prefix: continue after everything under it.
    Prefix(String),
}

impl Stop {
    /// Encodes a token: opaque to clients, in the alphabet of S3's own tokens, whose `+`, `/` and `=` a client must
    /// escape.
    fn token(&self) -> String {
        let (tag, at) = match self {
            Stop::Key(key) => ('k', key),
            Stop::Prefix(prefix) => ('p', prefix),
        };
        base64_simd::STANDARD.encode_to_string(format!("{tag}{at}"))
    }

    fn parse(token: &str) -> Option<Self> {
        let bytes = base64_simd::STANDARD.decode_to_vec(token).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        match text.split_at_checked(1)? {
            ("k", key) => Some(Stop::Key(key.to_owned())),
            ("p", prefix) => Some(Stop::Prefix(prefix.to_owned())),
            _ => None,
        }
    }
}

fn first_stop(query: &Query<'_>) -> Option<Stop> {
    if let Some(token) = query.continuation {
        return Stop::parse(token);
    }
    let key = query.start_after?;
    let is_common_prefix = rolled_up(key, query) == Some(key);
    Some(if is_common_prefix { Stop::Prefix(key.to_owned()) } else { Stop::Key(key.to_owned()) })
}

/// Returns where to start in the sorted keys; `None` if no key can follow.
fn seek(last: Option<&Stop>, prefix: &str) -> Option<Bound<String>> {
    let after = match last {
        None => None,
        Some(Stop::Key(key)) => Some(Bound::Excluded(key.clone())),
        Some(Stop::Prefix(under)) => Some(Bound::Included(after_all_under(under)?)),
    };
    Some(match after {
        Some(Bound::Included(key) | Bound::Excluded(key)) if key.as_str() < prefix => {
            Bound::Included(prefix.to_owned())
        }
        Some(bound) => bound,
        None => Bound::Included(prefix.to_owned()),
    })
}

/// Returns the smallest string greater than every string that starts with `prefix`. UTF-8 has the same order by bytes
/// and by characters.
fn after_all_under(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // The range skips the surrogates, which are not characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// Encodes a key as S3 does for `encoding-type=url`: like a form, so a space is `+`, but `/` and `*` are not escaped.
pub fn url_encode(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => write!(out, "%{byte:02X}").expect("a String takes any text"),
        }
    }
    out
}

#[cfg(test)]
mod tests;
