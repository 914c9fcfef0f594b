//! Parsing of `--lake`: URLs of S3, directories, and the correct spelling of mistyped addresses. [`LakeUrl`] chooses among
//! the back ends.

use std::path::PathBuf;

use super::LakeUrl;
use crate::place;
use crate::record::{PARTS, QUARANTINE};

/// Hint on valid lake URLs, for error messages.
const FORMS: &str = LakeUrl::FORMS;

/// Returns an address without surrounding space, if it can be that of a lake.
pub(super) fn tidy(text: &str) -> Result<&str, String> {
    let text = place::tidy(text).map_err(|e| format!("the lake's address {e}: write {FORMS}"))?;
    // The quarantine is next to the lake. Used as a lake, it would mix rejected messages with records.
    let last = text.trim_end_matches('/').rsplit('/').next();
    if last == Some(QUARANTINE) {
        return Err(format!("{text:?} is the quarantine's folder, which is next to the lake: use another name"));
    }
    if last == Some(PARTS) {
        return Err(format!("{text:?} is the folder of the lake's parts, which is next to it: use another name"));
    }
    Ok(text)
}

/// Parses the address of a directory; rejects what was intended as a URL.
pub(super) fn directory(text: &str) -> Result<PathBuf, String> {
    if let Some(path) = text.strip_prefix("file://").filter(|path| path.starts_with('/')) {
        // Two slashes would be read as a mistyped S3 URL when the address is read again, as from a plan.
        return Ok(format!("/{}", path.trim_start_matches('/')).into());
    }
    if let Some(rest) = almost_s3(text) {
        return Err(format!("{text:?} is not a lake's address: write s3://{rest}"));
    }
    // On Windows it is a share.
    let rest = text.strip_prefix("//").map(|rest| rest.trim_start_matches('/'));
    if let Some(rest) = rest.filter(|rest| cfg!(not(windows)) && !rest.is_empty()) {
        return Err(format!("{text:?} is not a lake's address: write s3://{rest}, or /{rest} for a directory"));
    }
    match place::scheme(text) {
        Some(scheme) => Err(mistyped(text, scheme)),
        None => place::local(text),
    }
}

/// Parses what follows `s3://`.
pub(super) fn s3(text: &str, rest: &str) -> Result<LakeUrl, String> {
    if rest.starts_with("arn:") {
        return access_point(text, rest);
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(why) = no_bucket(bucket) {
        return Err(format!("{text:?} has no valid bucket name ({why}): write s3://bucket/prefix"));
    }
    of_prefix(text, bucket.to_owned(), prefix)
}

/// Returns the lake in a bucket. Its prefix must be the same when the address is printed and read again, as from a plan.
fn of_prefix(text: &str, bucket: String, prefix: &str) -> Result<LakeUrl, String> {
    let prefix = prefix.trim_matches('/');
    if !prefix.is_empty() && place::tidy(prefix) != Ok(prefix) {
        return Err(format!("{text:?} is not a lake: its prefix begins or ends with white space or a quotation mark"));
    }
    Ok(LakeUrl::S3 { bucket, prefix: prefix.to_owned() })
}

/// Parses `arn:PARTITION:s3:REGION:ACCOUNT:accesspoint/NAME/PREFIX`; the ARN takes the place of the bucket.
fn access_point(text: &str, rest: &str) -> Result<LakeUrl, String> {
    const WRITE: &str = "write s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/prefix, or the access point's alias";
    let parts: Vec<&str> = rest.splitn(6, ':').collect();
    let invalid = |why: &str| Err(format!("{text:?} is not a lake: {why}: {WRITE}"));
    let [_, partition, service, region, account, resource] = parts[..] else {
        return invalid("its ARN is not complete");
    };
    let of = |allowed: fn(u8) -> bool, part: &str| !part.is_empty() && part.bytes().all(allowed);
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if service == "s3" && region.is_empty() && account.is_empty() {
        return invalid(&format!("a bucket is written without ARN, s3://{resource}"));
    }
    if service != "s3" {
        return invalid(&format!("access points of {service:?} are not supported"));
    }
    let Some(named) = resource.strip_prefix("accesspoint").and_then(|rest| rest.strip_prefix(['/', ':'])) else {
        return invalid("its ARN is not that of an access point");
    };
    let (name, prefix) = named.split_once('/').unwrap_or((named, ""));
    if region.is_empty() || name.ends_with(".mrap") {
        return invalid("multi-region access points are not supported");
    }
    if !of(is_name, partition) || !of(is_name, region) || !of(is_name, name) || !(3..=50).contains(&name.len()) {
        return invalid("its ARN is not valid");
    }
    if account.len() != 12 || !of(|b| b.is_ascii_digit(), account) {
        return invalid("its account has not 12 digits");
    }
    let bucket = format!("arn:{partition}:s3:{region}:{account}:accesspoint/{name}");
    of_prefix(text, bucket, prefix)
}

/// Returns bucket and prefix of a mistyped S3 URL: without its colon, with another character or a space in its place, with
/// other slashes, or with full-width characters. `None` for other texts.
fn almost_s3(text: &str) -> Option<String> {
    let intended: String = text.chars().map(plain).collect();
    let (before, after) = intended.split_at(intended.find([':', '/'])?);
    let scheme = before.trim_end_matches([';', '.', ',', ' ']);
    let is_s3 = ["s3", "s3a", "s3n"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    // `s3/bucket` is a directory.
    let is_url = after.starts_with(':') || after.starts_with("//");
    let rest = after.trim_start_matches([':', '/', ' ']);
    (is_s3 && is_url && !rest.is_empty()).then(|| rest.to_owned())
}

/// Returns the character of a URL that was probably intended: a slash for a backslash, ASCII for a full-width character.
fn plain(c: char) -> char {
    match c {
        '\\' => '/',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

/// Returns the S3 naming rule that a bucket name violates; `None` if the name is valid.
fn no_bucket(name: &str) -> Option<&'static str> {
    let at_ends = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    if name.is_empty() {
        Some("it is missing")
    } else if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Some("a bucket's name has no capitals")
    } else if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)) {
        Some("a bucket's name has only a-z, 0-9, - and .")
    } else if !(3..=63).contains(&name.len()) {
        Some("a bucket's name has 3 to 63 characters")
    } else if !at_ends(name.bytes().next()) || !at_ends(name.bytes().last()) || name.contains("..") {
        Some("a bucket's name begins and ends with a letter or digit, and has no two dots together")
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        Some("an IP address is not a bucket name")
    } else {
        None
    }
}

/// Returns an error message with the correct spelling of a mistyped lake URL.
fn mistyped(text: &str, scheme: &str) -> String {
    let rest = text[scheme.len() + 1..].trim_start_matches('/');
    match scheme.to_ascii_lowercase().as_str() {
        "file"
            if text.as_bytes().get(scheme.len() + 1) == Some(&b'/') && !text[scheme.len() + 1..].starts_with("//")
                || text[scheme.len() + 1..].starts_with("///") =>
        {
            format!("{text:?} is not a lake's address: write the directory's path, /{rest}")
        }
        "file" => format!("{text:?} is not a lake's address: write the directory's path, such as ./{rest}"),
        "http" | "https" => match of_web(rest) {
            Some(found) => format!("{text:?} is not a lake's address: write {found}"),
            None => format!("{text:?} is not a lake's address: write {FORMS}; an endpoint goes into AWS_ENDPOINT_URL"),
        },
        "arn" => match rest.split_once(":s3:::").map(|(_, found)| found).filter(|found| !found.is_empty()) {
            Some(found) => format!("{text:?} is not a lake's address: write s3://{found}"),
            None if rest.contains(":accesspoint") => {
                format!("{text:?} is not a lake's address: write s3://{text}")
            }
            None => format!("{text:?} is not a lake's address: write {FORMS}"),
        },
        _ => {
            format!("a lake of kind {scheme:?} is not known: write {FORMS} (one of that name is written ./{scheme}:…)")
        }
    }
}

/// Returns the S3 URL for an S3 web address: `bucket.s3.REGION.amazonaws.com/prefix` or
/// `s3.REGION.amazonaws.com/bucket/prefix`.
fn of_web(rest: &str) -> Option<String> {
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    if host == "s3" || host.starts_with("s3.") || host.starts_with("s3-") {
        return (!path.is_empty()).then(|| format!("s3://{path}"));
    }
    let bucket = host.rsplit_once(".s3.").or_else(|| host.rsplit_once(".s3-")).map(|(bucket, _)| bucket);
    let bucket = bucket.or_else(|| host.strip_suffix(".s3"))?;
    Some(if path.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quarantine_is_not_a_lake() {
        for text in ["s3://bucket/quarentena", "s3://bucket/a/quarentena/", "quarentena", "/tmp/x/quarentena"] {
            assert!(text.parse::<LakeUrl>().unwrap_err().contains("quarantine"), "{text}");
        }
        assert!("s3://bucket/partes/".parse::<LakeUrl>().unwrap_err().contains("parts"));
        assert!("s3://quarentena/historico_diario".parse::<LakeUrl>().is_ok());
    }

    #[test]
    fn lake_urls_parse_and_print_alike() {
        for text in ["s3://bucket", "s3://bucket/a/b", "some/dir", "/abs"] {
            assert_eq!(text.parse::<LakeUrl>().unwrap().to_string(), text);
        }
        assert_eq!("s3://bucket/a/".parse::<LakeUrl>().unwrap().to_string(), "s3://bucket/a");
        assert_eq!("file:////a/b".parse::<LakeUrl>().unwrap().to_string(), "/a/b");
        for text in ["s3://bucket/a /", "s3://bucket/ /", "s3://bucket/ a", "s3://bucket/a'/", "s3://bucket/\"a"] {
            assert!(text.parse::<LakeUrl>().unwrap_err().contains("white space or a quotation mark"), "{text}");
        }
    }

    #[test]
    fn invalid_lakes_are_rejected() {
        for text in
            ["", " \n", "s3://", "s3:///x", "http://x/y", "s3://bu cket/x", "~/lake", "~ana/lake", "a\nb", "s3//x"]
        {
            assert!(text.parse::<LakeUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_mistyped_lake_is_rejected_with_the_correct_spelling() {
        let cases = [
            ("s3:/bucket/prefix", "write s3://bucket/prefix"),
            ("s3:bucket/prefix", "write s3://bucket/prefix"),
            ("s3//bucket/prefix", "write s3://bucket/prefix"),
            ("S3//bucket", "write s3://bucket"),
            ("s3;//bucket/prefix", "write s3://bucket/prefix"),
            ("s3 ://bucket/prefix", "write s3://bucket/prefix"),
            ("s3 : //bucket/prefix", "write s3://bucket/prefix"),
            ("s3: //bucket/prefix", "write s3://bucket/prefix"),
            ("s\u{ff13}://bucket/prefix", "write s3://bucket/prefix"),
            ("s3\u{ff1a}//bucket/prefix", "write s3://bucket/prefix"),
            ("s3:\\\\bucket\\prefix", "write s3://bucket/prefix"),
            ("s3\\\\bucket", "write s3://bucket"),
            ("s3:///bucket", "write s3://bucket/prefix"),
            ("S3://bucket/prefix", "write s3://bucket/prefix"),
            ("s3a://bucket/prefix", "write s3://bucket/prefix"),
            ("s3n://bucket", "write s3://bucket"),
            ("s3:", "write s3://bucket/prefix"),
            ("file:lake", "write the directory's path, such as ./lake"),
            ("file://lake/x", "write the directory's path, such as ./lake/x"),
            ("file:/lake", "write the directory's path, /lake"),
            ("FILE:///lake", "write the directory's path, /lake"),
            ("https://bucket.s3.amazonaws.com/a/b", "write s3://bucket/a/b"),
            ("https://my.bucket.s3.sa-east-1.amazonaws.com/", "write s3://my.bucket"),
            ("https://s3.sa-east-1.amazonaws.com/bucket/a?x=1", "write s3://bucket/a"),
            ("https://bucket.s3-sa-east-1.amazonaws.com/a", "write s3://bucket/a"),
            ("http://127.0.0.1:9000/bucket", "AWS_ENDPOINT_URL"),
            ("arn:aws:s3:::bucket/prefix", "write s3://bucket/prefix"),
            ("arn:aws:sns:sa-east-1:123456789012:t", "write s3://bucket/prefix"),
            ("gs://bucket/x", "a lake of kind \"gs\" is not known"),
            ("az://x/y", "a lake of kind \"az\" is not known"),
            ("sqlite:w.db", "a lake of kind \"sqlite\" is not known"),
            ("lake:2026", "./lake:…"),
            ("\"s3://bucket/prefix\"", "remove the quotes"),
            ("'lake'", "remove the quotes"),
        ];
        for (text, expected) in cases {
            let e = text.parse::<LakeUrl>().unwrap_err();
            assert!(e.contains(expected), "{text}: {e}");
        }
        #[cfg(not(windows))]
        assert!(
            "//bucket/p".parse::<LakeUrl>().unwrap_err().contains("write s3://bucket/p, or /bucket/p for a directory")
        );
        #[cfg(not(windows))]
        assert!("C:\\lake".parse::<LakeUrl>().unwrap_err().contains("a lake of kind \"C\" is not known"));
    }

    #[test]
    fn a_directory_with_a_colon_needs_a_path_separator() {
        for text in ["./s3:", "./a:b", "/x/s3:/y", "a/b:c", "../s3:", "s3/bucket", "./s3/bucket", "s3", "a//b"] {
            assert_eq!(text.parse(), Ok(LakeUrl::Dir(text.into())));
        }
        assert_eq!("file:///a:b".parse(), Ok(LakeUrl::Dir("/a:b".into())));
        assert_eq!(" s3://bucket/a\n".parse::<LakeUrl>().unwrap().to_string(), "s3://bucket/a", "as a secret has it");
    }

    #[test]
    fn the_arn_of_an_access_point_takes_the_place_of_a_bucket() {
        const ARN: &str = "arn:aws:s3:sa-east-1:123456789012:accesspoint";
        for (text, prefix) in [
            (format!("s3://{ARN}/lake-audit/historico_diario"), "historico_diario"),
            (format!("s3://{ARN}:lake-audit/a/b/"), "a/b"),
            (format!("s3://{ARN}/lake-audit"), ""),
        ] {
            let bucket = format!("{ARN}/lake-audit");
            assert_eq!(text.parse(), Ok(LakeUrl::S3 { bucket, prefix: prefix.into() }), "{text}");
        }
        assert!("s3://lake-a-6h7gqh9pemr1yqkbjyugywyq1ajpsuse1b-s3alias/x".parse::<LakeUrl>().is_ok());
        for (text, words) in [
            ("s3://arn:aws:s3:::bucket/prefix", "s3://bucket/prefix"),
            ("s3://arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap/x", "multi-region"),
            ("s3://arn:aws:s3-outposts:sa-east-1:123456789012:outpost/op-1/accesspoint/a/x", "s3-outposts"),
            ("s3://arn:aws:s3:sa-east-1:1234:accesspoint/lake/x", "12 digits"),
            ("s3://arn:aws:s3:sa-east-1:123456789012:accesspoint/", "not valid"),
            ("s3://arn:aws:s3", "not complete"),
            ("arn:aws:s3:sa-east-1:123456789012:accesspoint/lake/x", "write s3://arn:aws:s3:sa-east-1"),
        ] {
            let e = text.parse::<LakeUrl>().unwrap_err();
            assert!(e.contains(words), "{text}: {e}");
        }
    }

    #[test]
    fn invalid_bucket_names_are_rejected() {
        for name in
            ["Bucket", "a_b", "ab", "-ab", "ab-", ".ab", "a..b", "10.0.0.1", "key:secret@bucket", &"a".repeat(64)]
        {
            let e = format!("s3://{name}/x").parse::<LakeUrl>().unwrap_err();
            assert!(e.contains("has no valid bucket name"), "{e}");
        }
        for name in ["abc", "my.bucket", "0-1", &"a".repeat(63)] {
            assert!(format!("s3://{name}").parse::<LakeUrl>().is_ok(), "{name}");
        }
    }
}
