//! Proxies from the environment, as aws-cli reads them: which requests go through which proxy.
//!
//! `HTTPS_PROXY` and `HTTP_PROXY` name the proxies of `https://` and `http://` requests, and `NO_PROXY` lists hosts that are
//! reached directly. A variable in lower case takes precedence; if it is empty, there is no proxy. The metadata services of
//! EC2, ECS and EKS are never reached through a proxy.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// Networks of the metadata services, which only this machine can reach.
const METADATA: &str = "169.254.0.0/16,fd00:ec2::/32";

/// Variables that move a metadata service to another address.
const METADATA_VARIABLES: [&str; 2] = ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];

/// Proxies of this process.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Option<Arc<Rules>>);

/// Proxy per scheme, and the hosts that are reached directly.
#[derive(Debug, Default)]
struct Rules {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Vec<DirectHosts>,
    /// Hosts and ports of moved metadata services.
    metadata: Vec<String>,
}

/// Hosts that are reached directly, on one port or on any.
struct DirectHosts {
    hosts: Matcher,
    port: Option<u16>,
}

/// A proxy. Its login is never displayed.
#[derive(Clone)]
pub struct Proxy {
    /// The proxy's URL, with its login.
    url: Arc<str>,
    intercept: Intercept,
}

impl fmt::Debug for DirectHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectHosts").field("port", &self.port).finish_non_exhaustive()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = self.intercept.uri();
        write!(f, "{}://{}", uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |place| place.as_str()))
    }
}

impl Proxy {
    /// Parses the value of a variable; the error has the variable's name and no part of its value.
    fn parse(variable: &str, value: &str) -> Result<Self, String> {
        const WRITE: &str = "write http://host:port, or http://user:password@host:port with a percent-encoded password";
        let url = match value.trim() {
            value if value.contains("://") => value.to_owned(),
            value => format!("http://{}", value.trim_start_matches('/')),
        };
        let scheme = url.split("://").next().unwrap_or_default().to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(format!("{variable} names a proxy of kind {scheme:?}, which is not supported: {WRITE}"));
        }
        let invalid = || format!("{variable} is not the address of a proxy: {WRITE}");
        let parsed: Uri = url.parse().map_err(|_| invalid())?;
        // The parser ends the address at `#`, and reads anything after the last colon as a port.
        let place = parsed.authority().map_or("", |place| place.as_str()).rsplit('@').next().unwrap_or_default();
        let has_bad_port = !place.ends_with(']') && place.contains(':') && parsed.port_u16().is_none();
        if url.contains('#') || has_bad_port || parsed.host().is_none_or(str::is_empty) {
            return Err(invalid());
        }
        let any = Uri::from_static("http://any.invalid");
        let intercept = Matcher::builder().all(url.as_str()).build().intercept(&any).ok_or_else(invalid)?;
        Ok(Self { url: url.into(), intercept })
    }

    /// Returns the proxy's URL, with its login.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address to connect to.
    #[cfg(feature = "direct")]
    pub(super) fn uri(&self) -> &Uri {
        self.intercept.uri()
    }

    /// Returns the value of `Proxy-Authorization`; `None` if there is no login.
    #[cfg(feature = "direct")]
    pub(super) fn authorization(&self) -> Option<&http::HeaderValue> {
        self.intercept.basic_auth()
    }
}

impl Proxies {
    /// Reads the proxies from variables.
    ///
    /// # Errors
    /// Returns an error if a variable is not the address of an HTTP proxy.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let read = |name: &'static str| match variable(&name.to_ascii_lowercase()) {
            Some(value) => Some(value).filter(|value| !value.trim().is_empty()),
            // A CGI program gets HTTP_PROXY from a header of the request (https://httpoxy.org).
            None if name == "HTTP_PROXY" && variable("REQUEST_METHOD").is_some() => None,
            None => variable(name).filter(|value| !value.trim().is_empty()),
        };
        let proxy = |name| read(name).map(|value| Proxy::parse(name, &value)).transpose();
        let (http, https) = (proxy("HTTP_PROXY")?, proxy("HTTPS_PROXY")?);
        if http.is_none() && https.is_none() {
            return Ok(Self::default());
        }
        let metadata = METADATA_VARIABLES.into_iter().filter_map(&variable);
        let metadata = metadata.filter_map(|url| Some(url.parse::<Uri>().ok()?.authority()?.as_str().to_owned()));
        let direct = direct_hosts(&read("NO_PROXY").unwrap_or_default());
        Ok(Self(Some(Arc::new(Rules { http, https, direct, metadata: metadata.collect() }))))
    }

    /// Returns the proxy for a request; `None` if it is sent directly.
    pub fn for_request(&self, uri: &Uri) -> Option<&Proxy> {
        let rules = self.0.as_deref()?;
        let (proxy, default) = match uri.scheme_str()? {
            "https" => (rules.https.as_ref()?, 443),
            _ => (rules.http.as_ref()?, 80),
        };
        let port = uri.port_u16().unwrap_or(default);
        let is_listed = |hosts: &DirectHosts| {
            hosts.port.is_none_or(|listed| listed == port) && hosts.hosts.intercept(uri).is_none()
        };
        let is_metadata =
            uri.authority().is_some_and(|place| rules.metadata.iter().any(|known| known == place.as_str()));
        (!is_metadata && !rules.direct.iter().any(is_listed)).then_some(proxy)
    }

    /// Returns the proxies of `http://` and of `https://` requests.
    pub(super) fn by_scheme(&self) -> [Option<&Proxy>; 2] {
        self.0.as_deref().map_or([None, None], |rules| [rules.http.as_ref(), rules.https.as_ref()])
    }
}

/// Parses `NO_PROXY`: host names with their subdomains, IP addresses, networks and `*`, each with an optional port.
fn direct_hosts(list: &str) -> Vec<DirectHosts> {
    let matcher = |hosts: &str| Matcher::builder().all("http://proxy.invalid").no(hosts).build();
    let (mut anywhere, mut direct) = (METADATA.to_owned(), Vec::new());
    for entry in list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()) {
        // `*.example.com` is a common spelling of `.example.com`.
        let entry = entry.strip_prefix("*.").unwrap_or(entry);
        match with_port(entry) {
            Some((host, port)) => direct.push(DirectHosts { hosts: matcher(expanded(host)), port: Some(port) }),
            None => {
                anywhere.push(',');
                anywhere.push_str(expanded(entry.trim_start_matches('[').trim_end_matches(']')));
            }
        }
    }
    direct.push(DirectHosts { hosts: matcher(&anywhere), port: None });
    direct
}

/// Returns the hosts of an entry; for `*` the networks of all addresses too, because the matcher applies it to names only.
fn expanded(host: &str) -> &str {
    if host == "*" { "*,0.0.0.0/0,::/0" } else { host }
}

/// Splits `host:port`; `None` if there is no port, as in an IPv6 address.
fn with_port(entry: &str) -> Option<(&str, u16)> {
    let (host, port) = entry.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    Some((host.strip_prefix("*.").unwrap_or(host), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, String> {
        let of = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Proxies::from_variables(of)
    }

    fn through(variables: &[(&str, &str)], url: &str) -> Option<String> {
        proxies(variables).unwrap().for_request(&url.parse().unwrap()).map(ToString::to_string)
    }

    #[test]
    fn each_scheme_has_its_own_variable_and_lower_case_takes_precedence() {
        let both = [("HTTP_PROXY", "http://a:1"), ("HTTPS_PROXY", "http://b:2")];
        assert_eq!(through(&both, "http://s3.example/x").as_deref(), Some("http://a:1"));
        assert_eq!(through(&both, "https://s3.example/x").as_deref(), Some("http://b:2"));
        let lower = [("HTTPS_PROXY", "http://b:2"), ("https_proxy", "http://c:3")];
        assert_eq!(through(&lower, "https://s3.example").as_deref(), Some("http://c:3"));
        assert_eq!(through(&lower, "http://s3.example"), None);
        let unset = [("HTTPS_PROXY", "http://b:2"), ("https_proxy", "")];
        assert_eq!(through(&unset, "https://s3.example"), None);
        let cgi = [("HTTP_PROXY", "http://a:1"), ("REQUEST_METHOD", "GET")];
        assert_eq!(through(&cgi, "http://s3.example"), None);
        assert_eq!(through(&[("ALL_PROXY", "http://a:1")], "http://s3.example"), None, "aws-cli does not read it");
    }

    #[test]
    fn no_proxy_lists_names_addresses_networks_and_ports() {
        let cases = [
            ("example.com", "https://example.com", true),
            ("example.com", "https://s3.example.com", true),
            (".example.com", "https://S3.EXAMPLE.com", true),
            ("*.example.com", "https://s3.example.com", true),
            ("example.com", "https://notexample.com", false),
            ("example.com:9000", "https://example.com:9000", true),
            ("example.com:9000", "https://example.com", false),
            ("example.com:443", "https://s3.example.com", true),
            ("10.0.0.0/8", "https://10.1.2.3:9000", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("127.0.0.1", "https://127.0.0.1:9000", true),
            ("127.0.0.1:9001", "https://127.0.0.1:9000", false),
            ("::1", "https://[::1]:9000", true),
            ("[::1]", "https://[::1]:9000", true),
            ("[::1]:9000", "https://[::1]:9000", true),
            ("[::1]:9000", "https://[::1]:9001", false),
            ("fd00::/8", "https://[fd12::7]", true),
            ("*", "https://anything.example", true),
            ("*", "https://127.0.0.1:9000", true),
            ("*", "https://[fd12::7]", true),
            ("a.example, *", "https://10.1.2.3", true),
            ("a.example , b.example", "https://b.example", true),
            ("a.example b.example", "https://b.example", true),
            ("", "https://b.example", false),
            ("*:9000", "https://b.example:9000", true),
            ("*:9000", "https://b.example", false),
            ("*:9000", "https://10.1.2.3:9000", true),
            ("*:9000", "https://[::1]:9000", true),
            ("*:9000", "https://10.1.2.3", false),
        ];
        for (list, url, direct) in cases {
            let through = through(&[("https_proxy", "http://p:1"), ("NO_PROXY", list)], url);
            assert_eq!(through.is_none(), direct, "{list:?} {url}");
        }
    }

    #[test]
    fn metadata_services_are_reached_directly() {
        let moved = "http://127.0.0.1:8080/credentials";
        let variables = [("http_proxy", "http://p:1"), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", moved)];
        for url in ["http://169.254.169.254/latest", "http://169.254.170.2/v2", "http://[fd00:ec2::254]/latest", moved]
        {
            assert_eq!(through(&variables, url), None, "{url}");
        }
        assert!(through(&variables, "http://127.0.0.1:8081/credentials").is_some());
        assert!(through(&variables, "http://169.253.1.1").is_some());
    }

    #[test]
    fn a_login_is_sent_and_never_shown() {
        let secret = "http://ana:p%40ss@proxy.example:3128/";
        let found = proxies(&[("https_proxy", secret)]).unwrap();
        let proxy = found.for_request(&Uri::from_static("https://s3.example")).unwrap();
        assert_eq!(proxy.to_string(), "http://proxy.example:3128");
        assert!(!format!("{found:?} {proxy:?}").contains("p%40ss"));
        #[cfg(feature = "direct")]
        assert_eq!(proxy.authorization().unwrap(), "Basic YW5hOnBAc3M=");
        assert_eq!(proxy.url(), secret);
    }

    #[test]
    fn a_proxy_without_a_scheme_is_an_http_proxy() {
        for value in ["proxy.example:3128", "//proxy.example:3128", " http://proxy.example:3128\n"] {
            let through = through(&[("HTTPS_PROXY", value)], "https://s3.example");
            assert_eq!(through.as_deref(), Some("http://proxy.example:3128"), "{value:?}");
        }
    }

    #[test]
    fn what_is_not_a_proxy_is_rejected_without_its_value() {
        for value in
            ["socks5://ana:segredo@p:1", "http://ana:seg redo@p:1", "http://ana:segredo#x@p:1", "http://", "ftp://p"]
        {
            let e = proxies(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(e.starts_with("HTTPS_PROXY") && !e.contains("segredo") && !e.contains("seg "), "{value}: {e}");
        }
    }
}
