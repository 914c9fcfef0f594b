//! Addresses in a config file that was found, and not named: they may not switch off the verification of TLS.

use pipeline::warehouse::{TlsMode, WarehouseUrl};

use super::ConfigValue;

/// Flags whose values are addresses of servers.
const ADDRESSES: [&str; 2] = ["warehouse", "replica"];

/// Rejects an address on another machine with a TLS mode that does not verify the server's certificate.
///
/// # Errors
/// Returns an error that names the key, and how to request such a mode anyway.
pub(super) fn refuse(entry: &ConfigValue) -> Result<(), String> {
    if !ADDRESSES.contains(&&*entry.flag) {
        return Ok(());
    }
    match entry.values.iter().find_map(|value| unverified(value)) {
        None => Ok(()),
        Some(mode) => Err(format!(
            "{}: ssl-mode={mode} does not verify the server, and this file was only found: name it with --config, or give \
             the address as a flag or in DATABASE_URL",
            entry.flag
        )),
    }
}

/// Returns the mode of an address if it does not verify the certificate of another machine.
fn unverified(address: &str) -> Option<TlsMode> {
    // An invalid address is reported as the value of its flag.
    address.parse::<WarehouseUrl>().ok()?.unverified_tls()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mode_that_does_not_verify_another_machine_is_rejected() {
        for (address, rejected) in [
            ("mysql://ana:x@db.example/fazendas?ssl-mode=REQUIRED", true),
            ("mysql://ana:x@db.example/fazendas?sslMode=PREFERRED", true),
            ("mysql://ana:x@db.example/fazendas?useSSL=false", true),
            ("mysql://ana:x@db.example/fazendas?tls=true", false),
            ("mysql://ana:x@db.example/fazendas?ssl-mode=VERIFY_CA", false),
            ("mysql://ana:x@db.example/fazendas", false),
            ("mysql://ana:x@127.0.0.1/fazendas?ssl-mode=DISABLED", false),
            ("mysql://ana:x@[::1]/fazendas?ssl-mode=DISABLED", false),
            ("sqlite:w.db", false),
            ("mysql://", false),
        ] {
            assert_eq!(unverified(address).is_some(), rejected, "{address}");
        }
    }
}
