//! Which URLs in a message are trusted as SNS's own.

use url::Url;

/// Parses a URL on an SNS host.
///
/// The host must be `sns.<region>.amazonaws.com` or `….amazonaws.com.cn`, with a valid region name (`us-east-1`,
/// `us-gov-west-1`). The looser pattern that is often used accepts `sns.s3-us-west-2.amazonaws.com`, an S3 bucket that
/// anyone can name `sns`.
///
/// # Errors
///
/// Returns the reason if the URL is not trusted.
pub(super) fn parse_sns_url(text: &str) -> Result<Url, String> {
    let url = parse_any_url(text)?;
    if url.scheme() != "https" {
        return Err("it is not https".into());
    }
    if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        return Err("it has a user, a password or a port".into());
    }
    match url.host_str() {
        Some(host) if is_sns(host) => Ok(url),
        _ => Err("its host is not sns.<region>.amazonaws.com".into()),
    }
}

/// Parses the URL of a signing certificate: on an SNS host, with a path that ends in `.pem` and nothing after it.
///
/// # Errors
///
/// Returns the reason if the URL is not trusted.
pub(super) fn parse_certificate_url(text: &str) -> Result<Url, String> {
    let url = parse_sns_url(text)?;
    if !url.path().ends_with(".pem") || url.query().is_some() || url.fragment().is_some() {
        return Err("its path does not end in .pem".into());
    }
    Ok(url)
}

/// Parses any HTTP URL, for endpoints that do not verify signatures.
///
/// # Errors
///
/// Returns the reason if it is not an HTTP URL.
pub(super) fn parse_any_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("it is not a URL: {e}"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err("it is neither http nor https".into()) }
}

fn is_sns(host: &str) -> bool {
    let Some(rest) = host.strip_prefix("sns.") else { return false };
    rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn")).is_some_and(is_region)
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [area, middle @ .., number] = parts.as_slice() else { return false };
    let letters = |part: &&str| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_lowercase());
    letters(area) && !middle.is_empty() && middle.iter().all(letters) && number.parse::<u8>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sns_hosts_are_trusted() {
        for good in ["us-east-1.amazonaws.com", "us-gov-west-1.amazonaws.com", "cn-north-1.amazonaws.com.cn"] {
            assert!(
                parse_certificate_url(&format!("https://sns.{good}/SimpleNotificationService-1a.pem")).is_ok(),
                "{good}"
            );
        }
        for bad in [
            "http://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
            "https://user@sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com:8443/a.pem",
            "https://sns.s3.amazonaws.com/a.pem",
            "https://sns.s3-us-west-2.amazonaws.com/a.pem",
            "https://sns.s3-external-1.amazonaws.com/a.pem",
            "https://sns.x.us-east-1.amazonaws.com/a.pem",
            "https://sns..amazonaws.com/a.pem",
            "https://notsns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com/a.pem?x=1",
            "https://sns.us-east-1.amazonaws.com/?Action=x&y=a.pem",
            "https://sns.us-east-1.amazonaws.com/a.txt",
            "file:///etc/a.pem",
            "a.pem",
        ] {
            assert!(parse_certificate_url(bad).is_err(), "{bad}");
        }
    }
}
