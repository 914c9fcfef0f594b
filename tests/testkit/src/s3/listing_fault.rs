//! Listings as faulty stores and proxies send them. `service` checks which parameters are ignored, `middleware` edits the XML.

use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use s3s::Body;

use crate::listener::Dropped;

/// Fault of every listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListingFault {
    /// No fault.
    #[default]
    None,
    /// A page that is not the last one has no token or marker.
    NoToken,
    /// The token has the name of version 1, as in a store that does not know `list-type=2`.
    OnlyVersion1,
    /// The XML ends before its last object, and the response is complete for HTTP.
    Cut,
    /// The token is ignored: every page is the first one.
    IgnoredToken,
    /// The last page has a token too.
    TokenAtEnd,
    /// Pages have no `IsTruncated`.
    NoIsTruncated,
    /// Every object and folder comes twice within its page.
    Doubled,
    /// A page starts with the last object of the previous page.
    Overlap,
    /// `encoding-type` is ignored.
    NotEncoded,
    /// `encoding-type` is honoured but not confirmed.
    EncodingNotNamed,
}

impl ListingFault {
    /// Changes the response to a listing.
    pub(crate) async fn apply(self, response: &mut Response<Body>) -> Result<(), Dropped> {
        let edit: fn(String) -> String = match self {
            Self::NoToken => |xml| {
                let names = ["NextContinuationToken", "NextKeyMarker", "NextVersionIdMarker"];
                names.into_iter().fold(xml, |xml, name| without(&xml, name))
            },
            Self::OnlyVersion1 => |xml| xml.replace("NextContinuationToken>", "NextMarker>"),
            Self::Cut => |xml| {
                let last = ["<Contents>", "<Version>"].into_iter().filter_map(|tag| xml.rfind(tag)).max();
                xml[..last.unwrap_or(xml.len())].to_owned()
            },
            Self::TokenAtEnd => |xml| {
                let end = "<IsTruncated>false</IsTruncated>";
                xml.replace(end, &format!("{end}<NextContinuationToken>x</NextContinuationToken>"))
            },
            Self::NoIsTruncated => |xml| without(&xml, "IsTruncated"),
            Self::EncodingNotNamed => |xml| without(&xml, "EncodingType"),
            Self::Doubled => {
                |xml| ["Contents", "CommonPrefixes"].into_iter().fold(xml, |xml, name| doubled(&xml, name))
            }
            Self::None | Self::IgnoredToken | Self::Overlap | Self::NotEncoded => return Ok(()),
        };
        let whole = response.body_mut().store_all_limited(usize::MAX).await.map_err(|_| Dropped)?;
        let edited = edit(String::from_utf8_lossy(&whole).into_owned());
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(edited.len()));
        *response.body_mut() = Body::from(Bytes::from(edited));
        Ok(())
    }
}

/// Removes the elements with a name.
fn without(xml: &str, name: &str) -> String {
    each(xml, name, |_| String::new())
}

/// Repeats each element with a name.
fn doubled(xml: &str, name: &str) -> String {
    each(xml, name, |element| element.repeat(2))
}

fn each(xml: &str, name: &str, edit: impl Fn(&str) -> String) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let (mut edited, mut rest) = (String::new(), xml);
    while let Some(start) = rest.find(&open)
        && let Some(length) = rest[start..].find(&close)
    {
        let end = start + length + close.len();
        edited.push_str(&rest[..start]);
        edited.push_str(&edit(&rest[start..end]));
        rest = &rest[end..];
    }
    edited + rest
}
