//! Certificates of RDS's authorities, with which the Lambda verifies its database's certificate.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use rustls_pki_types::pem::{PemObject, SectionKind};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::read_file;

/// Name of the file in the zip.
pub(super) const NAME: &str = "rds-ca.pem";
/// Path of the file on Lambda, which unpacks the zip into `/var/task`.
pub(super) const ON_LAMBDA: &str = "/var/task/rds-ca.pem";
/// Maximum file size in bytes: 30 times RDS's bundle of all regions.
const MAX_BYTES: u64 = 5 * 1024 * 1024;

/// Reads a PEM file of certificates, with the same parser as on Lambda.
///
/// # Errors
///
/// Returns an error if it cannot be read, or contains anything other than certificates.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = read_file::read(path, MAX_BYTES, "a bundle")?;
    check(&pem).with_context(|| format!("--rds-ca {}", path.display()))?;
    Ok(pem)
}

fn check(pem: &[u8]) -> anyhow::Result<()> {
    let mut count = 0;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        let (kind, der) = section.map_err(|e| anyhow::anyhow!("is not a PEM file: {e}"))?;
        if kind != SectionKind::Certificate {
            bail!(
                "holds a {kind:?} in addition to certificates, which must not be in a bundle: pass the certificates only"
            );
        }
        count += 1;
        Certificate::from_der(&der).with_context(|| format!("its certificate {count} is damaged: fetch it again"))?;
    }
    ensure!(count > 0, "has no certificate: pass a PEM file, such as RDS's global-bundle.pem");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = include_str!("../../tests/sns/certificate.pem");

    fn refused(pem: &str) -> String {
        format!("{:#}", check(pem.as_bytes()).unwrap_err())
    }

    #[test]
    fn certificates_with_comments_between_them_are_accepted() {
        check(CERTIFICATE.as_bytes()).unwrap();
        check(format!("# RDS\n\n{CERTIFICATE}\n# another\n{}\n\n", CERTIFICATE.replace('\n', "\r\n")).as_bytes())
            .unwrap();
    }

    #[test]
    fn anything_other_than_certificates_is_rejected() {
        for nothing in ["", "<html>Not found</html>", "\u{0}\u{1}"] {
            assert!(refused(nothing).contains("no certificate"), "{nothing:?}");
        }
        let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        assert!(refused(&format!("{CERTIFICATE}{key}")).contains("PrivateKey"));
        assert!(refused(&CERTIFICATE[..CERTIFICATE.len() / 2]).contains("PEM"));
        assert!(refused("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n").contains("certificate 1"));
        assert!(refused("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").contains("PEM"));
    }
}
