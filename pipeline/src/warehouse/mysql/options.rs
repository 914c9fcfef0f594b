//! Options in a MySQL URL. Common spellings of other drivers are converted to one, and unknown options are rejected: an
//! option that is silently ignored could be the one that turns on verification.

use url::Url;

use crate::warehouse::TlsMode;

/// Hint on valid options, for error messages.
const KNOWN: &str = "known options: ssl-mode, ssl-ca, ssl-cert, ssl-key, socket, collation, statement-cache-capacity";

/// Requests for a TLS mode by several options.
#[derive(Debug, Default)]
struct Requests {
    exactly: Option<TlsMode>,
    at_least: Option<TlsMode>,
    at_most: Option<TlsMode>,
}

impl Requests {
    fn exactly(&mut self, name: &str, mode: TlsMode) -> Result<(), String> {
        match self.exactly.replace(mode) {
            Some(other) if other != mode => Err(format!("the option {name} contradicts another: give one TLS mode")),
            _ => Ok(()),
        }
    }

    fn at_least(&mut self, mode: TlsMode) {
        self.at_least = self.at_least.max(Some(mode));
    }

    fn at_most(&mut self, mode: TlsMode) {
        self.at_most = Some(self.at_most.map_or(mode, |other| other.min(mode)));
    }

    /// Returns the mode that satisfies all requests. `None` if there are none.
    fn mode(&self, host: &str) -> Result<Option<TlsMode>, String> {
        if self.exactly.is_none() && self.at_least.is_none() && self.at_most.is_none() {
            return Ok(None);
        }
        let mut mode = self.exactly.unwrap_or_else(|| TlsMode::default_for(host));
        if self.exactly.is_none() {
            mode = self.at_most.map_or(mode, |most| mode.min(most));
            mode = self.at_least.map_or(mode, |least| mode.max(least));
        }
        let fits = self.at_least.is_none_or(|least| mode >= least) && self.at_most.is_none_or(|most| mode <= most);
        fits.then_some(Some(mode)).ok_or_else(|| "the TLS options contradict each other: give ssl-mode only".into())
    }
}

/// Returns the URL with its options in one spelling.
///
/// # Errors
/// Returns an error if an option is unknown, has an invalid value, or contradicts another. The message has the names of
/// options, and no values except TLS modes.
pub(in crate::warehouse) fn canonical(url: &Url) -> Result<Url, String> {
    let (mut requests, mut kept) = (Requests::default(), Vec::<(&'static str, String)>::new());
    for (name, value) in url.query_pairs() {
        read(&name, &value, &mut requests, &mut kept)?;
    }
    let mut canonical = url.clone();
    canonical.set_query(None);
    let mode = requests.mode(url.host_str().unwrap_or_default())?;
    for (at, (name, value)) in kept.iter().enumerate() {
        if kept[..at].iter().any(|(known, other)| known == name && other != value) {
            return Err(format!("the option {name} is given twice with different values"));
        }
    }
    kept.sort();
    kept.dedup();
    let mode = mode.map(|mode| ("ssl-mode", mode.name().to_owned()));
    for (name, value) in mode.into_iter().chain(kept) {
        canonical.query_pairs_mut().append_pair(name, &value);
    }
    Ok(canonical)
}

/// Reads one option.
#[allow(clippy::too_many_lines, reason = "a table: one arm per option")]
fn read(
    name: &str,
    value: &str,
    requests: &mut Requests,
    kept: &mut Vec<(&'static str, String)>,
) -> Result<(), String> {
    let switch = || match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("the option {name} is neither true nor false")),
    };
    let only = |allowed: &[&str], why: &str| match allowed.iter().any(|one| one.eq_ignore_ascii_case(value)) {
        true => Ok(()),
        false => Err(format!("the option {name} has an unsupported value: {why}")),
    };
    // `ssl-mode`, `ssl_mode`, `sslMode` and `sslmode` are one option.
    let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
    match plain.as_str() {
        "sslmode" => requests.exactly(name, value.parse().map_err(|e| format!("the option {name}: {e}"))?)?,
        // Go's driver, and `ssl=true` of several others.
        "tls" | "ssl" => match value.to_ascii_lowercase().as_str() {
            "skip-verify" => requests.exactly(name, TlsMode::Required)?,
            "preferred" => requests.exactly(name, TlsMode::Preferred)?,
            _ if switch()? => requests.exactly(name, TlsMode::VerifyIdentity)?,
            _ => requests.exactly(name, TlsMode::Disabled)?,
        },
        "usessl" | "sslenabled" if !switch()? => requests.exactly(name, TlsMode::Disabled)?,
        "usessl" | "requiressl" | "usetls" | "sslenabled" => {
            if switch()? {
                requests.at_least(TlsMode::Required);
            }
        }
        "ssldisabled" => {
            if switch()? {
                requests.exactly(name, TlsMode::Disabled)?;
            }
        }
        "verifyservercertificate" | "sslverifyservercert" | "sslverifycert" | "sslverify" | "verifyca" => {
            match switch()? {
                true => requests.at_least(TlsMode::VerifyCa),
                false => requests.at_most(TlsMode::Required),
            }
        }
        "verifyidentity" | "sslverifyidentity" => match switch()? {
            true => requests.at_least(TlsMode::VerifyIdentity),
            false => requests.at_most(TlsMode::VerifyCa),
        },
        "trustservercertificate" => {
            if switch()? {
                requests.at_most(TlsMode::Required);
            }
        }
        "sslca" | "sslcafile" | "sslrootcert" | "serversslcert" => kept.push(("ssl-ca", value.to_owned())),
        "sslcert" | "sslclientcert" => kept.push(("ssl-cert", value.to_owned())),
        "sslkey" | "sslclientkey" => kept.push(("ssl-key", value.to_owned())),
        "socket" | "unixsocket" => kept.push(("socket", value.to_owned())),
        "collation" => kept.push(("collation", value.to_owned())),
        "statementcachecapacity" => {
            let number: Result<usize, _> = value.parse();
            number.map_err(|_| format!("the option {name} is not a number"))?;
            kept.push(("statement-cache-capacity", value.to_owned()));
        }
        // What every session is set to.
        "charset" | "characterencoding" => only(&["utf8mb4", "utf8", "utf-8"], "sessions use utf8mb4: remove it")?,
        "timezone" | "servertimezone" | "connectiontimezone" | "loc" => {
            only(&["UTC", "+00:00", "Z"], "sessions use UTC: remove it")?;
        }
        "connecttimeout" | "connectiontimeout" | "timeout" => {
            return Err(format!("the option {name} is not supported in the address: use --connect-timeout"));
        }
        "user" | "username" | "password" | "passwd" => {
            return Err(format!("the option {name} is not supported: give user and password before the host"));
        }
        _ => return Err(format!("the option {name} is not known: remove it; {KNOWN}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &str) -> Result<String, String> {
        let url = Url::parse(&format!("mysql://ana:segredo@db.example/fazendas?{options}")).unwrap();
        canonical(&url).map(|url| url.query().unwrap_or_default().to_owned())
    }

    #[test]
    fn each_driver_s_spelling_is_understood() {
        for (options, expected) in [
            ("", ""),
            ("ssl-mode=VERIFY_CA", "ssl-mode=VERIFY_CA"),
            ("ssl_mode=verify_ca", "ssl-mode=VERIFY_CA"),
            ("sslMode=VERIFY_IDENTITY", "ssl-mode=VERIFY_IDENTITY"),
            ("SslMode=VerifyFull", "ssl-mode=VERIFY_IDENTITY"),
            ("sslmode=require", "ssl-mode=REQUIRED"),
            ("tls=true", "ssl-mode=VERIFY_IDENTITY"),
            ("tls=skip-verify", "ssl-mode=REQUIRED"),
            ("tls=preferred", "ssl-mode=PREFERRED"),
            ("tls=false", "ssl-mode=DISABLED"),
            ("ssl=true", "ssl-mode=VERIFY_IDENTITY"),
            // Less than the default must be requested by name.
            ("useSSL=true", "ssl-mode=VERIFY_IDENTITY"),
            ("require_ssl=true", "ssl-mode=VERIFY_IDENTITY"),
            ("useSSL=true&verifyServerCertificate=false", "ssl-mode=REQUIRED"),
            ("useSSL=true&requireSSL=true&verifyServerCertificate=true", "ssl-mode=VERIFY_IDENTITY"),
            ("useSSL=false", "ssl-mode=DISABLED"),
            ("require_ssl=true&verify_ca=false&verify_identity=false", "ssl-mode=REQUIRED"),
            ("require_ssl=true&verify_identity=false", "ssl-mode=VERIFY_CA"),
            ("requireSSL=false", ""),
            ("ssl_disabled=true", "ssl-mode=DISABLED"),
            ("ssl_verify_cert=true&ssl_verify_identity=true", "ssl-mode=VERIFY_IDENTITY"),
            ("trustServerCertificate=true&sslMode=trust", "ssl-mode=REQUIRED"),
            ("ssl_ca=/etc/ca.pem", "ssl-ca=%2Fetc%2Fca.pem"),
            ("sslca=/a.pem&ssl-mode=VERIFY_CA&sslca=/a.pem", "ssl-mode=VERIFY_CA&ssl-ca=%2Fa.pem"),
            ("ssl_cert=/c.pem&ssl_key=/k.pem", "ssl-cert=%2Fc.pem&ssl-key=%2Fk.pem"),
            ("unix_socket=/run/mysqld.sock", "socket=%2Frun%2Fmysqld.sock"),
            ("charset=utf8mb4&serverTimezone=UTC&characterEncoding=UTF-8", ""),
        ] {
            assert_eq!(of(options).as_deref(), Ok(expected), "{options}");
        }
    }

    #[test]
    fn what_is_unknown_contradictory_or_unsupported_is_rejected() {
        for (options, words) in [
            ("sslMod=VERIFY_IDENTITY", "sslMod is not known"),
            ("ssl-mode=perhaps", "not a TLS mode"),
            ("ssl-mode=DISABLED&tls=true", "contradict"),
            ("ssl-mode=DISABLED&useSSL=true", "contradict"),
            ("ssl-mode=REQUIRED&verifyServerCertificate=true", "contradict"),
            ("ssl-ca=/a.pem&sslca=/b.pem", "twice"),
            ("useSSL=maybe", "neither true nor false"),
            ("tls=my-config", "neither true nor false"),
            ("charset=latin1", "utf8mb4"),
            ("serverTimezone=America/Sao_Paulo", "UTC"),
            ("connect_timeout=10", "--connect-timeout"),
            ("password=segredo", "before the host"),
            ("rewriteBatchedStatements=true", "known options: ssl-mode"),
            ("statement-cache-capacity=many", "not a number"),
        ] {
            let e = of(options).unwrap_err();
            assert!(e.contains(words) && !e.contains("segredo"), "{options}: {e}");
        }
    }

    #[test]
    fn a_local_server_is_not_verified_by_a_request_for_tls_alone() {
        let url = Url::parse("mysql://localhost/d?useSSL=true").unwrap();
        assert_eq!(canonical(&url).unwrap().query(), Some("ssl-mode=REQUIRED"));
    }
}
