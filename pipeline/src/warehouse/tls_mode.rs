//! TLS modes of a MySQL connection, in the spellings of several drivers.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// TLS mode of a connection, from the weakest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// No TLS.
    Disabled,
    /// TLS if the server supports it; its certificate is not verified.
    Preferred,
    /// TLS; the server's certificate is not verified.
    Required,
    /// TLS with a certificate of a trusted authority, for any name.
    VerifyCa,
    /// TLS with a certificate of a trusted authority for the server's name.
    VerifyIdentity,
}

impl TlsMode {
    /// Returns the mode for a host if none was requested: verified, except on this machine.
    pub fn default_for(host: &str) -> Self {
        if is_this_machine(host) { Self::Preferred } else { Self::VerifyIdentity }
    }

    /// Returns MySQL's name of the mode.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "DISABLED",
            Self::Preferred => "PREFERRED",
            Self::Required => "REQUIRED",
            Self::VerifyCa => "VERIFY_CA",
            Self::VerifyIdentity => "VERIFY_IDENTITY",
        }
    }
}

/// Returns true for a loopback address or name; the traffic to it does not leave this machine.
pub fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let name = host.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TlsMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        Ok(match plain.as_str() {
            "disabled" | "disable" | "none" | "off" => Self::Disabled,
            "preferred" | "prefer" => Self::Preferred,
            "required" | "require" | "trust" => Self::Required,
            "verifyca" => Self::VerifyCa,
            "verifyidentity" | "verifyfull" => Self::VerifyIdentity,
            _ => {
                return Err(format!(
                    "{text:?} is not a TLS mode: write DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY"
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_verified_unless_it_is_on_this_machine() {
        for here in
            ["localhost", "LOCALHOST", "db.localhost", "127.0.0.1", "127.8.0.1", "::1", "[::1]", "::ffff:127.0.0.1"]
        {
            assert_eq!(TlsMode::default_for(here), TlsMode::Preferred, "{here}");
        }
        for elsewhere in ["db.example", "10.0.0.1", "fd00::1", "localhost.example", "host-in-secret", "0.0.0.0", ""] {
            assert_eq!(TlsMode::default_for(elsewhere), TlsMode::VerifyIdentity, "{elsewhere}");
        }
    }

    #[test]
    fn modes_are_read_in_the_spelling_of_several_drivers() {
        for (text, mode) in [
            ("VERIFY_IDENTITY", TlsMode::VerifyIdentity),
            ("verify-identity", TlsMode::VerifyIdentity),
            ("VerifyFull", TlsMode::VerifyIdentity),
            ("verify-full", TlsMode::VerifyIdentity),
            ("verify_ca", TlsMode::VerifyCa),
            ("VerifyCA", TlsMode::VerifyCa),
            ("require", TlsMode::Required),
            ("Preferred", TlsMode::Preferred),
            ("None", TlsMode::Disabled),
        ] {
            assert_eq!(text.parse(), Ok(mode), "{text}");
        }
        assert!("true".parse::<TlsMode>().unwrap_err().contains("VERIFY_IDENTITY"));
        assert!(TlsMode::VerifyIdentity > TlsMode::Required && TlsMode::Preferred > TlsMode::Disabled);
    }
}
